import { scryptSync } from 'node:crypto'
import fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type Environment, readConfig } from '../../../../src/config/read-config.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { registerAuth } from '../../../../src/transport/http/auth/auth.ts'
import { FixedClock } from '../../../support/helper.ts'

const SALT = Buffer.alloc(16, 7)
const HASHED = `scrypt:1024:8:1:${SALT.toString('base64')}:${scryptSync('ключ', SALT, 32, { N: 1024, r: 8, p: 1 }).toString('base64')}`
const USERS = JSON.stringify([
  { name: 'ann', password: 'pässwörd' },
  { name: 'bob', password: 'b:o:b', tenant: 'team-b' },
])
const BASIC = 'Basic realm="millrace", charset="UTF-8"'

/** An app that returns the principal and its tenants. */
async function buildApp(t: Test, env: Environment, clock = new FixedClock(1_000_000)): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  const config = readConfig(env)
  const auth = await registerAuth(app, { config, clock, localIssuerSeed: new Uint8Array(32).fill(1) })
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof GatewayError ? error : new GatewayError('internal', String(error))
    return reply.status(known.status).send({ code: known.code, message: known.message })
  })
  const options = { onRequest: auth.authenticate }
  app.route({
    method: ['GET', 'POST'],
    url: '/loki/api/v1/push',
    ...options,
    config: { challenge: 'basic' },
    handler: async (request) => ({ name: request.principal?.name, tenant: auth.tenantOf(request) }),
  })
  app.get('/read', options, async (request) => auth.tenantsOf(request))
  app.get('/logs', { ...options, config: { challenge: 'bearer' } }, async (request) => request.principal)
  return app
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`
}

async function push(app: FastifyInstance, headers: Record<string, string>, remoteAddress = '192.0.2.1') {
  const response = await app.inject({ url: '/loki/api/v1/push', headers, remoteAddress })
  return { status: response.statusCode, challenge: response.headers['www-authenticate'], body: response.json() }
}

const ACCEPTED: [string, string, string, object][] = [
  ['a password with multi-byte characters', 'ann', 'pässwörd', { name: 'ann', tenant: 'fake' }],
  ['a password with colons', 'bob', 'b:o:b', { name: 'bob', tenant: 'team-b' }],
]
for (const [name, user, password, wanted] of ACCEPTED) {
  t.test(`accepts ${name}`, async (t) => {
    const app = await buildApp(t, { MILLRACE_USERS: USERS })
    t.match(await push(app, { authorization: basic(user, password) }), { status: 200, body: wanted })
  })
}

/** [name, header] */
const REFUSED: [string, string | undefined][] = [
  ['no header', undefined],
  ['an empty header', ''],
  ['a wrong password', basic('ann', 'password')],
  ['a password with the same number of characters but fewer bytes', basic('ann', 'passwort')],
  ['a password with the same number of bytes but fewer characters', basic('ann', '€€€x')],
  ['an empty password', basic('ann', '')],
  ["another user's password", basic('bob', 'pässwörd')],
  ['an unknown name', basic('eve', 'pässwörd')],
  ['an empty name', basic('', 'pässwörd')],
  ['the name of an object property', basic('__proto__', 'pässwörd')],
  ['a name in another case', basic('Ann', 'pässwörd')],
  ['latin1 instead of UTF-8', `Basic ${Buffer.from('ann:pässwörd', 'latin1').toString('base64')}`],
  ['no colon', `Basic ${Buffer.from('ann').toString('base64')}`],
  ['a control character', basic('ann', 'pässwörd\n')],
  ['no base64', 'Basic %%%'],
  ['a scheme alone', 'Basic '],
  ['another scheme', 'Digest username="ann"'],
  ['a token where tokens are not accepted', 'Bearer a.b.c'],
]
for (const [name, header] of REFUSED) {
  t.test(`rejects ${name} with a challenge`, async (t) => {
    const app = await buildApp(t, { MILLRACE_USERS: USERS })
    const answer = await push(app, header === undefined ? {} : { authorization: header })
    t.match(answer, { status: 401, challenge: BASIC, body: { code: 'credentials_invalid' } })
    t.notMatch(answer.body.message, /pässwörd|passwort|€/)
  })
}

t.test('checks hashed and plain passwords', async (t) => {
  const users = JSON.stringify([
    { name: 'ann', password: HASHED },
    { name: 'bob', password: 'plain' },
  ])
  const app = await buildApp(t, { MILLRACE_USERS: users })
  for (let i = 0; i < 3; i++) {
    t.equal((await push(app, { authorization: basic('ann', 'ключ') })).status, 200)
    t.equal((await push(app, { authorization: basic('bob', 'plain') })).status, 200)
  }
  t.equal((await push(app, { authorization: basic('ann', HASHED) })).status, 401, 'the hash is not the password')
  t.equal((await push(app, { authorization: basic('ann', 'plain') })).status, 401)
  t.equal((await push(app, { authorization: basic('bob', 'ключ') })).status, 401)
})

t.test('blocks an address after too many wrong passwords until the minute is over', async (t) => {
  const clock = new FixedClock()
  const env = { MILLRACE_USERS: USERS, MILLRACE_AUTH_FAILURES_PER_MINUTE: '3' }
  const app = await buildApp(t, env, clock)
  const wrong = { authorization: basic('ann', 'x') }
  const right = { authorization: basic('ann', 'pässwörd') }
  for (let i = 0; i < 3; i++) t.equal((await push(app, wrong)).status, 401)
  t.match(await push(app, wrong), { status: 429, body: { code: 'rate_limited' } })
  t.equal((await push(app, right)).status, 429, 'a right guess is not revealed')
  t.equal((await push(app, right, '192.0.2.2')).status, 200, 'another address is not affected')
  clock.ms += 60_000
  t.equal((await push(app, right)).status, 200)
})

t.test('wrong passwords for invented names keep out nobody whose login succeeded at that address', async (t) => {
  const env = { MILLRACE_USERS: USERS, MILLRACE_AUTH_FAILURES_PER_MINUTE: '3' }
  const app = await buildApp(t, env)
  const right = { authorization: basic('ann', 'pässwörd') }
  const statusOf = async (authorization: string, address?: string): Promise<number> =>
    (await push(app, { authorization }, address)).status
  t.equal((await push(app, right)).status, 200)
  for (let i = 0; i < 1000; i++) await statusOf(basic(`invented-${i}`, 'x'))
  t.equal(await statusOf(basic('invented', 'x')), 429, 'the address has no more failures')
  t.equal((await push(app, right)).status, 200)
  t.equal(await statusOf(basic('bob', 'b:o:b')), 429, 'who was not here before has to wait')
  t.equal(await statusOf(basic('ann', 'x')), 429)
  for (let i = 0; i < 30; i++) await statusOf(basic('ann', `guess-${i}`))
  t.equal((await push(app, right)).status, 429, 'a login that is guessed is limited like any other')
  t.equal(await statusOf(basic('ann', 'pässwörd'), '192.0.2.2'), 200, 'at other addresses it is not')
})

t.test('counts addresses of an IPv6 network together', async (t) => {
  const app = await buildApp(t, { MILLRACE_USERS: USERS, MILLRACE_AUTH_FAILURES_PER_MINUTE: '1' })
  const wrong = { authorization: basic('ann', 'x') }
  t.equal((await push(app, wrong, '2001:db8::1')).status, 401)
  t.equal((await push(app, wrong, '2001:db8:0:0:ffff:1:2:3')).status, 429)
  t.equal((await push(app, wrong, '2001:db8:0:1::1')).status, 401)
})

t.test('does not count requests without credentials', async (t) => {
  const app = await buildApp(t, { MILLRACE_USERS: USERS, MILLRACE_AUTH_FAILURES_PER_MINUTE: '1' })
  for (let i = 0; i < 3; i++) t.equal((await push(app, {})).status, 401)
})

/** [name, environment, user, X-Scope-OrgID, status, tenant or code] */
const TENANTS: [string, Environment, string, string | undefined, number, string][] = [
  ['no header as the default tenant', {}, 'ann', undefined, 200, 'fake'],
  ['an empty header as none', {}, 'ann', '', 200, 'fake'],
  ['any tenant of an unbound user', {}, 'ann', 't1', 200, 't1'],
  ['no header as the tenant of a bound user', {}, 'bob', undefined, 200, 'team-b'],
  ['its own tenant of a bound user', {}, 'bob', 'team-b', 200, 'team-b'],
  ['no other tenant of a bound user', {}, 'bob', 'fake', 403, 'tenant_forbidden'],
  ['no header where one is required', { MILLRACE_DEFAULT_TENANT: '' }, 'ann', undefined, 401, 'tenant_missing'],
  ['a bound user where a header is required', { MILLRACE_DEFAULT_TENANT: '' }, 'bob', undefined, 200, 'team-b'],
  ['no wrong tenant', {}, 'ann', 'a/b', 400, 'tenant_invalid'],
  ['several tenants on a push', {}, 'ann', 'a|b', 400, 'tenant_invalid'],
]
for (const [name, env, user, header, status, wanted] of TENANTS) {
  t.test(`accepts ${name}`, async (t) => {
    const app = await buildApp(t, { ...env, MILLRACE_USERS: USERS })
    const authorization = basic(user, user === 'ann' ? 'pässwörd' : 'b:o:b')
    const answer = await push(app, { authorization, ...(header !== undefined && { 'x-scope-orgid': header }) })
    t.equal(answer.status, status)
    t.equal(answer.body.tenant ?? answer.body.code, wanted)
    if (wanted === 'tenant_missing') t.equal(answer.body.message, 'no org id')
  })
}

t.test('allows several tenants in queries, but only its own for a bound user', async (t) => {
  const app = await buildApp(t, { MILLRACE_USERS: USERS })
  const read = async (authorization: string, tenants: string) => {
    return app.inject({ url: '/read', headers: { authorization, 'x-scope-orgid': tenants } })
  }
  t.same((await read(basic('ann', 'pässwörd'), 'b|a')).json(), ['a', 'b'])
  t.same((await read(basic('bob', 'b:o:b'), 'team-b|team-b')).json(), ['team-b'])
  t.equal((await read(basic('bob', 'b:o:b'), 'team-b|a')).statusCode, 403)
})

t.test("challenges for the route's kind of credentials if it is accepted", async (t) => {
  const challenge = async (env: Environment, url: string) => {
    const app = await buildApp(t, env)
    return (await app.inject({ url })).headers['www-authenticate']
  }
  const both = { MILLRACE_USERS: USERS, MILLRACE_LOCAL_ISSUER: 'true' }
  t.equal(await challenge(both, '/loki/api/v1/push'), BASIC)
  t.equal(await challenge(both, '/logs'), 'Bearer')
  t.equal(await challenge({ MILLRACE_USERS: USERS }, '/logs'), BASIC)
  t.equal(await challenge({ MILLRACE_LOCAL_ISSUER: 'true' }, '/loki/api/v1/push'), 'Bearer')
})

/** [name, headers, status] */
const ANONYMOUS: [string, Record<string, string>, number][] = [
  ['localhost', { host: 'localhost:3100' }, 200],
  ['a loopback address', { host: '127.8.9.1' }, 200],
  ['the IPv6 loopback', { host: '[::1]:3100' }, 200],
  ['capital letters', { host: 'LOCALHOST' }, 200],
  ['the page of the gateway', { host: 'localhost:3100', origin: 'http://localhost:3100' }, 200],
  ['the page of the gateway on the port of http', { host: 'localhost', origin: 'http://localhost' }, 200],
  ['a page of another port of this machine', { host: 'localhost:3100', origin: 'http://localhost:3000' }, 403],
  ['a page of another name of this machine', { host: 'localhost:3100', origin: 'http://127.0.0.1:3100' }, 403],
  ['a request of another site', { host: 'localhost:3100', 'sec-fetch-site': 'cross-site' }, 403],
  ['another name', { host: 'attacker.example:3100' }, 403],
  ['a name that begins like loopback', { host: '127.0.0.1.attacker.example' }, 403],
  ['a name that begins like localhost', { host: 'localhost.attacker.example' }, 403],
  ['another address', { host: '192.168.1.2:3100' }, 403],
  ['a port alone', { host: ':3100' }, 403],
  ['a name after user info', { host: 'attacker@localhost' }, 403],
  ['a page of another site', { host: 'localhost:3100', origin: 'https://attacker.example' }, 403],
  ['a page without an origin', { host: 'localhost:3100', origin: 'null' }, 403],
]
for (const [name, headers, status] of ANONYMOUS) {
  t.test(`without credentials returns ${status} for ${name}`, async (t) => {
    const answer = await push(await buildApp(t, {}), headers)
    t.equal(answer.status, status)
    t.match(answer.body, status === 200 ? { name: 'anonymous', tenant: 'fake' } : { code: 'host_refused' })
  })
}

/** [name, headers, status] */
const NAMED: [string, Record<string, string>, number][] = [
  ['a name of the setting', { host: 'host.docker.internal:3100' }, 200],
  ['the same in capitals and with a dot behind it', { host: 'Host.Docker.Internal.' }, 200],
  ['a name under a wildcard', { host: 'logs.shop.lan' }, 200],
  ['an address of the setting', { host: '10.0.0.7:3100' }, 200],
  ['an IPv6 address of the setting', { host: '[fd00::7]:3100' }, 200],
  ['a page under an allowed name', { host: 'localhost', origin: 'http://logs.lan:3100' }, 200],
  [
    'a request of a page under an allowed name',
    { host: 'localhost', origin: 'http://logs.lan', 'sec-fetch-site': 'cross-site' },
    200,
  ],
  ['loopback as before', { host: 'localhost' }, 200],
  ['the bare name of a wildcard', { host: 'lan' }, 403],
  ['a name that only ends alike', { host: 'evillan' }, 403],
  ['a name behind an allowed one', { host: 'host.docker.internal.evil.example' }, 403],
  ['a page of elsewhere under an allowed name', { host: 'logs.lan', origin: 'https://evil.example' }, 403],
]
for (const [name, headers, status] of NAMED) {
  t.test(`with MILLRACE_HOSTS_ALLOWED answers ${status} to ${name}`, async (t) => {
    const env = { MILLRACE_HOSTS_ALLOWED: 'host.docker.internal, *.lan, 10.0.0.7, fd00::7' }
    const answer = await push(await buildApp(t, env), headers)
    t.equal(answer.status, status)
    if (status === 403) t.match(answer.body.message, /MILLRACE_HOSTS_ALLOWED/)
  })
}

t.test('any Authorization header gives a defined response', async (t) => {
  const app = await buildApp(t, { MILLRACE_USERS: USERS, MILLRACE_LOCAL_ISSUER: 'true' })
  const part = fc.oneof(
    fc.string(),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
  )
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.constantFrom('Basic', 'Bearer', 'basic\t', ''), part).map(([scheme, text]) => `${scheme} ${text}`),
    fc.tuple(part, part, part).map((parts) => parts.join('.')),
  )
  const property = fc.asyncProperty(header, fc.integer(), async (authorization, n) => {
    const address = `192.0.2.${Math.abs(n) % 256}`
    const { status } = await push(app, { authorization: authorization.replace(/[^\x20-\x7e\xa0-\xff]/g, '') }, address)
    return status === 401 || status === 429
  })
  await t.resolves(fc.assert(property, { numRuns: 500 }))
})

/** [name, method, headers, status] */
const PAGES: [string, 'GET' | 'POST', Record<string, string>, number][] = [
  ['a program', 'POST', {}, 200],
  ['a page of this gateway', 'POST', { origin: 'https://logs.example', host: 'logs.example' }, 200],
  ['a page of this gateway on a port', 'POST', { origin: 'http://logs.example:3100', host: 'Logs.example:3100' }, 200],
  ['a page of another site', 'POST', { origin: 'https://evil.example', host: 'logs.example' }, 403],
  ['a page of another port', 'POST', { origin: 'http://logs.example:8080', host: 'logs.example:3100' }, 403],
  ['a page that hides its origin', 'POST', { origin: 'null', host: 'logs.example' }, 403],
  [
    'a WebSocket of another site',
    'GET',
    { origin: 'https://evil.example', host: 'logs.example', upgrade: 'websocket' },
    403,
  ],
  ['a read, which the page cannot see', 'GET', { origin: 'https://evil.example', host: 'logs.example' }, 200],
]
for (const [name, method, headers, status] of PAGES) {
  t.test(`${status === 200 ? 'accepts' : 'rejects'} a password from ${name}`, async (t) => {
    const app = await buildApp(t, { MILLRACE_USERS: USERS })
    const authorization = basic('ann', 'pässwörd')
    const response = await app.inject({ method, url: '/loki/api/v1/push', headers: { ...headers, authorization } })
    t.equal(response.statusCode, status)
    if (status === 403) t.equal(response.json().code, 'host_refused')
  })
}
