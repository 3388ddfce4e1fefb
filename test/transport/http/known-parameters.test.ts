import type { InjectOptions } from 'fastify'
import t from 'tap'
import { buildTestApp } from '../../support/test-app.ts'

const LOG = JSON.stringify({ message: 'x' })
const JSON_TYPE = { 'content-type': 'application/json' }

t.test('a route of our own rejects a parameter that it does not have, and names the nearest', async (t) => {
  const { app } = await buildTestApp(t)
  const get = (url: string): InjectOptions => ({ url })
  const post = (url: string, body: string): InjectOptions => ({ method: 'POST', url, headers: JSON_TYPE, body })
  const rows: readonly [name: string, request: InjectOptions, message: string][] = [
    ['a letter is missing', get('/logs?sevrity=error'), 'unknown parameter "sevrity"; did you mean severity?'],
    ['beside a known one', get('/logs?limit=5&untill=1'), 'unknown parameter "untill"; did you mean until?'],
    [
      'nothing is near',
      get('/logs?colour=red'),
      'unknown parameter "colour"; use limit, severity, since, until, q, nextToken',
    ],
    ['a long name', get(`/logs?${'x'.repeat(500)}=1`), `unknown parameter "${'x'.repeat(64)}"; use limit`],
    ['a name of Object', get('/logs?constructor=1'), 'unknown parameter "constructor"; use limit'],
    ['a push', post('/logs?tenant=other', LOG), 'unknown parameter "tenant"; this route has no parameters'],
    ['sources', get('/sources?project=demo'), 'unknown parameter "project"; this route has no parameters'],
    ['status', get('/status?tenant=other'), 'unknown parameter "tenant"; this route has no parameters'],
  ]
  for (const [name, request, message] of rows) {
    const { statusCode, body } = await app.inject(request)
    t.equal(statusCode, 400, name)
    const text = body.startsWith('{') ? JSON.parse(body).error.message : body
    t.ok(text.startsWith(message), `${name}: ${text}`)
    t.notMatch(body, /red|other|ann/, `${name}: values are not shown`)
  }
  t.equal((await app.inject('/logs')).json().items.length, 0, 'the push was not stored')
})

t.test('known parameters, and any parameter of a route of Loki or of a probe, are accepted', async (t) => {
  const { app } = await buildTestApp(t)
  const rows = [
    '/logs?limit=5&severity=error&since=1700000000&until=1700000001&q=x',
    '/status',
    '/loki/api/v1/labels?sart=1',
    '/loki/api/v1/query_range?query={a="b"}&setp=5',
    '/healthz?probe=1',
    '/metrics?name=x',
  ]
  for (const url of rows) t.equal((await app.inject(url)).statusCode, 200, url)
})

t.test('a request without credentials gets a 401, whatever its parameters', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_USERS: 'ann:right' })
  for (const url of ['/logs?sevrity=x', '/status?x=1']) t.equal((await app.inject(url)).statusCode, 401, url)
})
