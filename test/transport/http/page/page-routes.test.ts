import { readdirSync, readFileSync } from 'node:fs'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { readConfig } from '../../../../src/config/read-config.ts'
import { Metrics } from '../../../../src/telemetry/metrics.ts'
import { registerAuth } from '../../../../src/transport/http/auth/auth.ts'
import { registerErrors } from '../../../../src/transport/http/errors.ts'
import { registerOpenApi } from '../../../../src/transport/http/openapi.ts'
import { registerPage } from '../../../../src/transport/http/page/page-routes.ts'
import { FixedClock } from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'

/** The Accept header of Chromium and Firefox for a typed address. */
const ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'
const BROWSER = { accept: ACCEPT, host: 'localhost:3100' }

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly hasPage?: boolean
  readonly hasTails?: boolean
  readonly hasIncidents?: boolean
}

/** Only the page, with the gateway's authentication. */
async function openPage(t: Test, options: Options = {}): Promise<FastifyInstance> {
  const { env = {}, hasPage = true, hasTails = true, hasIncidents = true } = options
  const config = readConfig({ MILLRACE_DATA_DIR: testFolder(t), ...env })
  const app = Fastify()
  registerErrors(app, new Metrics())
  registerOpenApi(app, '1.2.3')
  const auth = await registerAuth(app, { config, clock: new FixedClock(), localIssuerSeed: new Uint8Array(32) })
  if (hasPage) registerPage(app, { auth, credentials: config.auth, version: '1.2.3', hasTails, hasIncidents })
  await app.ready()
  t.teardown(() => app.close())
  return app
}

t.test('a browser gets the page, with a policy that allows only its own script and style', async (t) => {
  const app = await openPage(t)
  const { statusCode, headers, body } = await app.inject({ url: '/', headers: BROWSER })
  t.equal(statusCode, 200)
  t.match(headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    vary: 'Accept',
  })
  t.strictSame(String(headers['content-security-policy']).split('; '), [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ])
  t.notMatch(
    body,
    /<script(?! type="module" crossorigin src="\.\/assets\/)|<style|https?:\/\/(?!www\.w3\.org)/,
    'nothing inline, nothing from elsewhere',
  )
})

t.test('the files of the page are public, and kept for good', async (t) => {
  const app = await openPage(t, { env: { MILLRACE_USERS: 'reader:secret' } })
  const names = readdirSync('web/built/assets')
  t.ok(names.length >= 3)
  for (const name of names) {
    const { statusCode, headers, rawPayload } = await app.inject(`/assets/${name}`)
    t.equal(statusCode, 200)
    t.match(headers['content-type'], name.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
    t.equal(headers['cache-control'], 'public, max-age=31536000, immutable')
    t.same(rawPayload, readFileSync(`web/built/assets/${name}`))
  }
  for (const name of ['none.js', 'index.html', '..%2Findex.html', '__proto__']) {
    t.equal((await app.inject(`/assets/${name}`)).statusCode, 404, name)
  }
})

t.test('the page knows which features are available', async (t) => {
  const facts = async (options: Options): Promise<string | undefined> =>
    /<html [^>]*>/.exec((await (await openPage(t, options)).inject({ url: '/', headers: BROWSER })).body)?.[0]
  t.equal(
    await facts({}),
    '<html lang="en" data-tails="yes" data-incidents="yes" data-version="1.2.3">',
    'all of it, embedded',
  )
  t.equal(
    await facts({ hasTails: false, hasIncidents: false }),
    '<html lang="en" data-tails="no" data-incidents="no" data-version="1.2.3">',
  )
})

const PROGRAMS: readonly (readonly [name: string, headers: Readonly<Record<string, string>>])[] = [
  ['a program without Accept', {}],
  ['curl', { accept: '*/*' }],
  ['a program that reads JSON', { accept: 'application/json, text/plain, */*' }],
  ['a type that only starts like HTML', { accept: 'text/html5' }],
]
for (const [name, headers] of PROGRAMS) {
  t.test(`a client that does not accept HTML gets a 404: ${name}`, async (t) => {
    for (const env of [{}, { MILLRACE_USERS: 'reader:secret' }]) {
      const without = await (await openPage(t, { env, hasPage: false })).inject({ url: '/', headers })
      const withPage = await (await openPage(t, { env })).inject({ url: '/', headers })
      t.equal(withPage.statusCode, 404)
      t.equal(withPage.body, without.body)
      t.equal(withPage.headers['content-type'], without.headers['content-type'])
    }
  })
}

t.test('HEAD returns the headers, other methods a 404', async (t) => {
  const app = await openPage(t)
  const head = await app.inject({ method: 'HEAD', url: '/', headers: BROWSER })
  t.match(head, { statusCode: 200, body: '' })
  t.equal((await app.inject({ method: 'POST', url: '/', headers: BROWSER })).statusCode, 404)
})

t.test('if passwords are accepted, the browser asks for one', async (t) => {
  const app = await openPage(t, { env: { MILLRACE_USERS: 'reader:secret', MILLRACE_LOCAL_ISSUER: 'true' } })
  const refused = await app.inject({ url: '/', headers: BROWSER })
  t.equal(refused.statusCode, 401)
  t.match(refused.headers, { 'www-authenticate': /^Basic realm=/ })
  const authorization = `Basic ${btoa('reader:secret')}`
  t.equal((await app.inject({ url: '/', headers: { ...BROWSER, authorization } })).statusCode, 200)
})

t.test('if only tokens are accepted, the page is public and asks for one itself', async (t) => {
  const app = await openPage(t, { env: { MILLRACE_LOCAL_ISSUER: 'true' } })
  t.equal((await app.inject({ url: '/', headers: BROWSER })).statusCode, 200)
})

t.test('without credentials the page is only for this machine', async (t) => {
  const app = await openPage(t)
  const { statusCode, body } = await app.inject({ url: '/', headers: { ...BROWSER, host: 'evil.example' } })
  t.equal(statusCode, 403)
  t.notMatch(body, '<script')
})

t.test('the page is not in the OpenAPI document', async (t) => {
  const app = await openPage(t)
  t.strictSame(Object.keys((await app.inject('/openapi.json')).json().paths), [])
})
