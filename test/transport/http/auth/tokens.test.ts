import t from 'tap'
import { LocalIssuer } from '../../../../src/transport/http/auth/local-issuer.ts'
import {
  ACCESS,
  buildIssuerApp,
  encode,
  ID,
  makeConfusedToken,
  makeKey,
  makeToken,
  NOW_MS,
  publicJwk,
  SEED,
  startIssuer,
} from './issuer-app.ts'

const KEY = makeKey('k1')
const OTHER = makeKey('k1')

const ACCEPTED: [string, string, object][] = [
  ['an access token', `Bearer ${makeToken(KEY, ACCESS)}`, { name: 'ann', kind: 'token' }],
  ['an id token', `Bearer ${makeToken(KEY, ID)}`, { name: 'ann', kind: 'token' }],
  ['a token without Bearer', makeToken(KEY, ID), { name: 'ann' }],
  ['bearer in lower case', `bearer ${makeToken(KEY, ACCESS)}`, { name: 'ann' }],
  ['several spaces after Bearer', `Bearer   ${makeToken(KEY, ACCESS)}`, { name: 'ann' }],
]
for (const [name, header, wanted] of ACCEPTED) {
  t.test(`accepts ${name}`, async (t) => {
    const issuer = await startIssuer(t, [publicJwk(KEY)])
    const app = await buildIssuerApp(t, issuer.url)
    t.match(await app.get(header), { status: 200, body: wanted })
  })
}

const unsigned = (payload: object) => `${encode({ alg: 'none', kid: 'k1' })}.${encode(payload)}.`
const [header1, payload1, signature1] = makeToken(KEY, ACCESS).split('.')

/** [name, token, what the message says] */
const REFUSED: [string, string, RegExp][] = [
  [
    'another issuer',
    makeToken(KEY, { ...ACCESS, iss: 'https://issuer.example/other' }),
    /issuer of the token is not accepted/,
  ],
  ['no issuer', makeToken(KEY, { ...ACCESS, iss: undefined }), /issuer of the token is not accepted/],
  ['a list of issuers', makeToken(KEY, { ...ACCESS, iss: [ACCESS.iss] }), /issuer of the token is not accepted/],
  ['the local issuer signed by another', makeToken(KEY, { ...ACCESS, iss: 'millrace' }), /must be signed with EdDSA/],
  ['another client', makeToken(KEY, { ...ACCESS, client_id: 'c3' }), /app client/],
  ['no client', makeToken(KEY, { ...ACCESS, client_id: undefined }), /app client/],
  ['an access token with the right aud only', makeToken(KEY, { ...ACCESS, client_id: 'c3', aud: 'c1' }), /app client/],
  ['an id token with the right client_id only', makeToken(KEY, { ...ID, aud: 'c3', client_id: 'c1' }), /app client/],
  ['another use', makeToken(KEY, { ...ACCESS, token_use: 'refresh' }), /token_use/],
  ['no use', makeToken(KEY, { ...ACCESS, token_use: undefined }), /token_use/],
  ['no subject', makeToken(KEY, { ...ACCESS, sub: undefined }), /no `sub`/],
  ['an expiry in the past', makeToken(KEY, { ...ACCESS, exp: NOW_MS / 1000 }), /has expired/],
  ['no expiry', makeToken(KEY, { ...ACCESS, exp: undefined }), /no `exp`/],
  ['an expiry that is text', makeToken(KEY, { ...ACCESS, exp: '9999999999' }), /no `exp`/],
  ['no signature', unsigned(ACCESS), /must be signed with RS256/],
  ['no signature under RS256', `${header1}.${payload1}.`, /signature is wrong/],
  ['the public key as a secret', makeConfusedToken(KEY, ACCESS), /must be signed with RS256/],
  ["another key under the issuer's key id", makeToken(OTHER, ACCESS), /signature is wrong/],
  ['another payload under the signature', `${header1}.${encode({ ...ACCESS, sub: 'eve' })}.${signature1}`, /signature/],
  ['an unknown key id', makeToken(makeKey('k2'), ACCESS), /issuer does not have the key/],
  ['no key id', makeToken(KEY, ACCESS, { kid: undefined }), /issuer does not have the key/],
  ['a critical header', makeToken(KEY, ACCESS, { crit: ['x'], x: 1 }), /signature is wrong/],
  ['its own key', makeToken(OTHER, ACCESS, { kid: 'k3', jwk: publicJwk(OTHER) }), /issuer does not have the key/],
  ['two parts', `${header1}.${payload1}`, /not a JSON Web Token/],
  ['parts that are not JSON', 'aaaa.bbbb.cccc', /not a JSON Web Token/],
  ['parts that are not objects', `${encode([])}.${encode([])}.x`, /not a JSON Web Token/],
  ['a header without an algorithm', `${encode({})}.${encode(ACCESS)}.x`, /names no algorithm/],
  [
    'claims in the prototype',
    `${header1}.${Buffer.from('{"__proto__":{"iss":"millrace"}}').toString('base64url')}.x`,
    /issuer/,
  ],
  ['too many bytes', `${header1}.${encode({ ...ACCESS, pad: 'x'.repeat(9000) })}.x`, /not a JSON Web Token/],
]
for (const [name, token, message] of REFUSED) {
  t.test(`rejects a token with ${name}`, async (t) => {
    const issuer = await startIssuer(t, [publicJwk(KEY)])
    const app = await buildIssuerApp(t, issuer.url)
    const answer = await app.get(`Bearer ${token}`)
    t.match(answer, { status: 401, challenge: 'Bearer', body: { code: 'credentials_invalid', message } })
    t.notOk(answer.body.message?.includes(token.slice(0, 20)), 'the response does not contain the token')
    t.match(await app.get(`Bearer ${makeToken(KEY, ACCESS)}`), { status: 200 }, 'a valid token is accepted afterwards')
  })
}

t.test('rejects a token use that is not configured', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url, { MILLRACE_JWT_TOKEN_USE: 'access' })
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  t.equal((await app.get(makeToken(KEY, ID))).status, 401)
})

t.test('binds the bearer to the tenant of the claim, and rejects a token without it', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url, { MILLRACE_JWT_TENANT_CLAIM: 'custom:team' })
  t.match(await app.get(makeToken(KEY, ID)), { status: 200, body: { tenant: 'team-a' } })
  t.match(await app.get(makeToken(KEY, ACCESS)), { status: 403, body: { code: 'tenant_forbidden' } })
  const several = makeToken(KEY, { ...ID, 'custom:team': 'a|b' })
  t.match(await app.get(several), { status: 403, body: { code: 'tenant_forbidden' } })
})

t.test('fetches keys once for a burst of unknown key ids', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  app.clock.ms += 30_000
  const storm = async (name: string) => {
    const tokens = Array.from({ length: 100 }, (_, i) => makeToken(KEY, ACCESS, { kid: `${name}${i}` }))
    const answers = await Promise.all(tokens.map((token) => app.get(token)))
    return new Set(answers.map(({ status }) => status))
  }
  t.same(await storm('x'), new Set([401]))
  t.equal(issuer.fetches, 2)
  app.clock.ms += 29_999
  t.same(await storm('y'), new Set([401]))
  t.equal(issuer.fetches, 2, 'none within 30 s')
  app.clock.ms += 1
  t.same(await storm('z'), new Set([401]))
  t.equal(issuer.fetches, 3)
})

t.test('fetches no keys for tokens that are rejected anyway', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const useless = [{ iss: 'x' }, { exp: 1 }, { client_id: 'x' }, { token_use: 'x' }]
  for (const claims of useless) t.equal((await app.get(makeToken(KEY, { ...ACCESS, ...claims }))).status, 401)
  t.equal(issuer.fetches, 0)
})

t.test('fetches keys once for a burst of valid tokens at the start', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const answers = await Promise.all(Array.from({ length: 50 }, () => app.get(makeToken(KEY, ACCESS))))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(issuer.fetches, 1)
})

t.test('accepts a rotated key, even if it was first seen too early', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const next = makeKey('k2')
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  t.equal((await app.get(makeToken(next, ACCESS))).status, 401)
  issuer.keys = [publicJwk(KEY), publicJwk(next)]
  app.clock.ms += 30_000
  t.equal((await app.get(makeToken(next, ACCESS))).status, 200)
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
})

t.test('rejects a key that was revoked an hour ago', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const next = makeKey('k2')
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  issuer.keys = [publicJwk(next)]
  app.clock.ms += 3600_000
  t.equal((await app.get(makeToken(next, ACCESS))).status, 200)
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 401)
})

t.test('returns 503 while the issuer is down, and recovers', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  issuer.status = 500
  const down = await app.get(makeToken(KEY, ACCESS))
  t.match(down, {
    status: 503,
    body: { code: 'issuer_unavailable', message: /keys of the token issuer/ },
    challenge: undefined,
  })
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 503)
  t.equal(issuer.fetches, 1, 'no immediate second fetch')
  issuer.status = 200
  app.clock.ms += 5_000
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  issuer.status = 500
  app.clock.ms += 30_000
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200, 'known keys are still valid')
  t.equal((await app.get(makeToken(makeKey('k2'), ACCESS))).status, 503, 'an unknown key may be valid')
  app.clock.ms += 24 * 3600_000
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 503, 'known keys expire after a day')
})

t.test('fetches keys although the clock was set back since the last time', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  issuer.status = 500
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 503)
  issuer.status = 200
  app.clock.ms -= 24 * 3600_000
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 503)
  app.clock.ms += 5_000
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
})

t.test('accepts only a key set of bounded size with usable keys', async (t) => {
  const weak = publicJwk(makeKey('k1', 1024))
  const bodies: [string, string][] = [
    ['no JSON', '<html>'],
    ['no key set', '[]'],
    ['no keys', '{"keys":[]}'],
    ['a weak key', JSON.stringify({ keys: [weak] })],
    ['a key for encryption', JSON.stringify({ keys: [{ ...publicJwk(KEY), use: 'enc' }] })],
    ['a broken key', JSON.stringify({ keys: [{ ...publicJwk(KEY), n: '!' }] })],
    ['null as a key', '{"keys":[null]}'],
    ['too many bytes', JSON.stringify({ keys: [publicJwk(KEY)], pad: 'x'.repeat(300_000) })],
  ]
  for (const [name, body] of bodies) {
    const issuer = await startIssuer(t, [])
    issuer.body = body
    const app = await buildIssuerApp(t, issuer.url)
    t.equal((await app.get(makeToken(KEY, ACCESS))).status, 503, name)
  }
})

t.test('limits the wrong tokens of one address', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url, { MILLRACE_AUTH_FAILURES_PER_MINUTE: '2' })
  const wrong = makeToken(OTHER, ACCESS)
  for (const status of [401, 401, 429]) t.equal((await app.get(wrong, '192.0.2.1')).status, status)
  t.equal((await app.get(wrong, '192.0.2.2')).status, 401)
})

t.test('accepts tokens of the local and the configured issuer', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const local = new LocalIssuer(SEED, { nowMs: () => NOW_MS })
  const token = local.sign({ subject: 'agent', tenant: 'team-a', lifetimeMs: 3600_000 })
  t.match(await app.get(`Bearer ${token}`), { status: 200, body: { name: 'agent', tenant: 'team-a', kind: 'token' } })
  t.equal(issuer.fetches, 0)
  t.equal((await app.get(makeToken(KEY, ACCESS))).status, 200)
  app.clock.ms += 3600_000
  t.match(await app.get(token), { status: 401, body: { message: /has expired/ } })
})

t.test('rejects a token of another local issuer', async (t) => {
  const issuer = await startIssuer(t, [publicJwk(KEY)])
  const app = await buildIssuerApp(t, issuer.url)
  const other = new LocalIssuer(new Uint8Array(32).fill(3), { nowMs: () => NOW_MS })
  const token = other.sign({ subject: 'agent', tenant: undefined, lifetimeMs: 3600_000 })
  t.match(await app.get(token), { status: 401, body: { message: /was not signed by this gateway/ } })
})
