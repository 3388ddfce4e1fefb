import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { buildTestApp, pushJson, storedLines, type TestApp } from '../support/test-app.ts'
import { CONTENT_TYPES, ENCODINGS, JSON_DETAILS, LEGACY, SIZES } from './push-form-rows.ts'
import { VALIDATION, WHOLES } from './push-refusal-rows.ts'
import { NS, OK_JSON, PROTOBUF, push, type Row, type Rows, stream, typed } from './push-row.ts'

/** Each row has its own tenant in one application, or its own application if it needs settings. */
async function checkRows(rows: Rows): Promise<void> {
  let shared: TestApp | undefined
  await t.test('an application for rows without settings', async (t) => {
    shared = await buildTestApp(t)
    for (const [i, [name, row]] of rows.entries()) {
      if (row.env !== undefined) continue
      await t.test(name, (t) => checkRow(t, shared as TestApp, row, `row-${i}`))
    }
  })
  for (const [name, row] of rows) {
    if (row.env === undefined) continue
    t.test(name, async (t) => checkRow(t, await buildTestApp(t, row.env), row, 'fake'))
  }
}

async function checkRow(t: Test, testApp: TestApp, row: Row, tenant: string): Promise<void> {
  const response = await testApp.app.inject({
    method: 'POST',
    url: row.url ?? '/loki/api/v1/push',
    headers: { 'x-scope-orgid': tenant, ...row.headers },
    payload: typeof row.body === 'string' ? Buffer.from(row.body) : Buffer.from(row.body),
  })
  checkAnswer(t, response, row)
  t.strictSame(await storedLines(testApp, tenant), row.lines ?? [], 'the lines that are stored')
}

function checkAnswer(t: Test, response: LightMyRequestResponse, { status, text }: Row): void {
  t.equal(response.statusCode, status, response.body)
  if (status === 204) t.equal(response.body, '')
  if (typeof text === 'string') t.equal(response.body, text)
  else if (text !== undefined) t.match(response.body, text)
  if (status < 400) return
  t.equal(response.headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(response.headers['x-content-type-options'], 'nosniff')
  t.match(response.body, /^[^\n]+\n$/, 'one line and its newline')
}

for (const rows of [CONTENT_TYPES, ENCODINGS, SIZES, JSON_DETAILS, WHOLES, VALIDATION, LEGACY]) await checkRows(rows)

t.test('responds with JSON on request', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_LINE_BYTES_MAX: '5' })
  const headers = { accept: 'application/json' }
  const send = (payload: Uint8Array) =>
    app.inject({
      method: 'POST',
      url: '/loki/api/v1/push',
      headers: { ...typed(PROTOBUF), ...headers },
      payload: Buffer.from(payload),
    })

  const whole = await send(push([stream('{app="a"}', 'one')]))
  t.equal(whole.statusCode, 200)
  t.equal(whole.body, OK_JSON)

  const part = await send(push([stream('{app="a"}', 'two', 'much too long')]))
  t.equal(part.statusCode, 400)
  t.match(part.headers['content-type'], /^application\/json/)
  t.match(part.json(), {
    status: 'partial',
    accepted: 1,
    rejected: 1,
    reasons: { line_too_long: 1 },
    error: /^max entry size/,
  })

  const none = await pushJson(app, [{ stream: { app: 'a' }, values: [[NS, 'much too long']] }], headers)
  t.match(none.json(), { status: 'error', accepted: 0, rejected: 1 })
})

t.test('a retried push is stored once and gets the same response', async (t) => {
  const testApp = await buildTestApp(t)
  const body = [
    {
      stream: { app: 'a' },
      values: [
        [NS, 'one'],
        [NS, 'two'],
        [NS, 'one', { k: 'v' }],
      ],
    },
  ]
  for (const _ of [1, 2]) {
    const response = await pushJson(testApp.app, body)
    t.equal(response.statusCode, 200)
    t.equal(response.body, '{"status":"success","count":3}')
  }
  t.strictSame((await storedLines(testApp)).sort(), ['one', 'one', 'two'], 'other metadata makes another entry')
})

t.test('different spellings of a label set are the same stream', async (t) => {
  const testApp = await buildTestApp(t)
  const spellings = [
    '{app="é", b="c"}',
    "{ b='c' , app=`é`, }",
    '{app="\\xc3\\xa9",b="c",empty=""}',
    '{b="\\143", app="\\u00e9"}',
  ]
  for (const labels of spellings) {
    const response = await testApp.app.inject({
      method: 'POST',
      url: '/loki/api/v1/push',
      headers: typed(PROTOBUF),
      payload: Buffer.from(push([stream(labels, 'one')])),
    })
    t.equal(response.statusCode, 204, labels)
  }
  t.strictSame(await storedLines(testApp), ['one'])
})

t.test('tenants', async (t) => {
  await t.test('do not see each other', async (t) => {
    const testApp = await buildTestApp(t)
    for (const tenant of ['a', 'b']) {
      await pushJson(testApp.app, [{ stream: { app: 'a' }, values: [[NS, `of ${tenant}`]] }], {
        'x-scope-orgid': tenant,
      })
    }
    t.strictSame(await storedLines(testApp, 'a'), ['of a'])
    t.strictSame(await storedLines(testApp, 'b'), ['of b'])
    t.strictSame(await storedLines(testApp), [])
  })

  await t.test('the header is needed where there is no default', async (t) => {
    const { app } = await buildTestApp(t, { MILLRACE_DEFAULT_TENANT: '' })
    const response = await pushJson(app, [{ stream: { app: 'a' }, values: [] }])
    t.equal(response.statusCode, 401)
    t.equal(response.body, 'no org id\n')
  })

  const refused = [
    ['of more than 150 characters', 'x'.repeat(151)],
    ['of other characters', 'a/b'],
    ['one dot', '.'],
    ['two dots', '..'],
    ['several at once', 'a|b'],
  ] as const
  const { app } = await buildTestApp(t)
  for (const [name, tenant] of refused) {
    const response = await pushJson(app, [{ stream: { app: 'a' }, values: [] }], { 'x-scope-orgid': tenant })
    t.equal(response.statusCode, 400, name)
  }
})

t.test('a wrong password is answered 401 with a challenge', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_USERS: 'agent:secret' })
  const body = [{ stream: { app: 'a' }, values: [[NS, 'one']] }]
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  const wrong = await pushJson(app, body, basic('agent:wrong'))
  t.equal(wrong.statusCode, 401)
  t.match(wrong.headers['www-authenticate'], /^Basic /)
  t.equal((await pushJson(app, body)).statusCode, 401)
  t.equal((await pushJson(app, body, basic('agent:secret'))).statusCode, 200)
})

t.test('a GET on the push route is a 404 with a hint', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await app.inject({ method: 'GET', url: '/loki/api/v1/push' })
  t.equal(response.statusCode, 404)
  t.match(response.body, /GET \/loki\/api\/v1\/push/)
})
