import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { buildTestApp, storedLines } from '../support/test-app.ts'

interface Page {
  readonly items: readonly Record<string, unknown>[]
  readonly hasMore: boolean
  readonly nextToken?: string
}

function post(
  app: FastifyInstance,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<LightMyRequestResponse> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body)
  return app.inject({
    method: 'POST',
    url: '/logs',
    headers: { 'content-type': 'application/json', ...headers },
    payload,
  })
}

async function page(app: FastifyInstance, query: Readonly<Record<string, string>> = {}): Promise<Page> {
  const response = await app.inject({ method: 'GET', url: `/logs?${new URLSearchParams(query)}` })
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${response.body}`)
  return response.json<Page>()
}

async function allMessages(app: FastifyInstance, query: Readonly<Record<string, string>> = {}): Promise<unknown[]> {
  const messages: unknown[] = []
  let token: string | undefined
  do {
    const next: Page = await page(app, token === undefined ? query : { ...query, nextToken: token })
    messages.push(...next.items.map(({ message }) => message))
    token = next.nextToken
  } while (token !== undefined)
  return messages
}

t.test('a log that is posted is there at once, with its severity, message and fields', async (t) => {
  const { app } = await buildTestApp(t)
  const body = '{"severity":"ERROR","message":"no space left","service":"disk","n":1.50,"nested":{"a":[null]}}'
  const created = await post(app, body)
  t.equal(created.statusCode, 201)
  const { id, datetime } = created.json<{ id: string; datetime: string }>()
  t.match(id, /^[0-9a-f-]{36}$/)
  t.equal(datetime, '2026-11-21T12:00:00.000Z')
  const response = await app.inject({ method: 'GET', url: '/logs' })
  t.match(response.headers['content-type'], /^application\/json/)
  t.equal(
    response.body,
    `{"items":[{"id":"${id}","datetime":"${datetime}","severity":"error","message":"no space left","service":"disk","n":1.50,"nested":{"a":[null]}}],"hasMore":false}`,
    'numbers as they were written',
  )
})

t.test('without a severity it is info, without a message empty', async (t) => {
  const { app } = await buildTestApp(t)
  t.equal((await post(app, {})).statusCode, 201)
  t.match((await page(app)).items, [{ severity: 'info', message: '' }])
})

t.test('without logs the page is empty', async (t) => {
  const { app } = await buildTestApp(t)
  t.strictSame(await page(app), { items: [], hasMore: false })
})

t.test('posted logs are also in a Loki stream', async (t) => {
  const testApp = await buildTestApp(t)
  await post(testApp.app, { message: 'hello', service: 'disk' })
  t.strictSame(await storedLines(testApp), ['{"message":"hello","service":"disk"}'])
})

t.test('bodies that are refused, with the reason and never with an exception', async (t) => {
  const { app } = await buildTestApp(t)
  const rows = [
    ['no body', '', 400, 'body_malformed'],
    ['no JSON', '{"message":', 400, 'body_malformed'],
    ['a number', '7', 400, 'body_malformed'],
    ['a text', '"hello"', 400, 'body_malformed'],
    ['null', 'null', 400, 'body_malformed'],
    ['an empty array', '[]', 400, 'body_malformed'],
    ['a severity that is a number', '{"severity":5,"message":"x"}', 400, 'body_malformed'],
    ['a severity that is an object', '{"severity":{},"message":"x"}', 400, 'body_malformed'],
    ['a severity that nobody knows', '{"severity":"loud","message":"x"}', 400, 'body_malformed'],
    ['a message that is an array', '{"message":["x"]}', 400, 'body_malformed'],
    ['an id that is a number', '{"id":1,"message":"x"}', 400, 'body_malformed'],
    ['an id that is too long', JSON.stringify({ id: 'x'.repeat(257) }), 400, 'body_malformed'],
    ['an array of more than 10 000 logs', JSON.stringify(new Array(10_001).fill({})), 413, 'body_too_large'],
  ] as const
  for (const [name, body, status, code] of rows) {
    await t.test(name, async (t) => {
      const response = await post(app, body)
      t.equal(response.statusCode, status)
      t.match(response.headers['content-type'], /^application\/json/)
      const answer = response.json<{ error?: { code: string; message: string }; items?: unknown[] }>()
      const error = answer.error ?? (answer.items?.[0] as { error?: { code: string; message: string } })?.error
      t.equal(error?.code, code)
      t.notMatch(response.body, /Error|at .*\.ts/, 'no exception text')
    })
  }
  t.strictSame((await page(app)).items, [], 'nothing of it is stored')
})

t.test('Content-Types', async (t) => {
  const { app } = await buildTestApp(t)
  t.equal((await post(app, {}, { 'content-type': 'application/json; charset=utf-8' })).statusCode, 201)
  t.equal((await post(app, '{}\n{}', { 'content-type': 'application/x-ndjson' })).statusCode, 201)
  for (const type of ['text/plain', 'application/x-protobuf', '']) {
    const response = await post(app, {}, { 'content-type': type })
    t.equal(response.statusCode, 400, type)
    t.match(response.json(), { error: { code: 'media_type_invalid' } })
  }
})

t.test('an array gets a result for each log, and valid ones are stored', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await post(app, [{ message: 'one' }, { message: 'two', severity: 7 }, 'three', { id: 'four' }])
  t.equal(response.statusCode, 201)
  t.match(response.json(), {
    accepted: 2,
    rejected: 2,
    items: [
      { id: /.+/, datetime: /Z$/ },
      { index: 1, error: { code: 'body_malformed', message: /severity of log 1 is a number/ } },
      { index: 2, error: { code: 'body_malformed', message: /log 2 is a string/ } },
      { id: 'four' },
    ],
  })
  t.strictSame(await allMessages(app), ['', 'one'])
})

t.test('an array without valid logs gets 400', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await post(app, [1, 2])
  t.equal(response.statusCode, 400)
  t.match(response.json(), { accepted: 0, rejected: 2 })
})

t.test('NDJSON with an invalid line', async (t) => {
  const { app } = await buildTestApp(t)
  const body = '{"message":"one"}\r\n\nnot json\n{"message":"two"}\n'
  const response = await post(app, body, { 'content-type': 'application/x-ndjson' })
  t.equal(response.statusCode, 201)
  t.match(response.json(), { accepted: 2, rejected: 1, items: [{}, { index: 1, error: {} }, {}] })
  t.strictSame(await allMessages(app), ['two', 'one'])
})

t.test('a log over a limit is rejected with its position', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_LINE_BYTES_MAX: '40' })
  const single = await post(app, { message: 'x'.repeat(40) })
  t.equal(single.statusCode, 400)
  t.match(single.json(), { error: { code: 'entries_refused', message: /^max entry size '40' bytes exceeded/ } })
  const several = await post(app, [{ message: 'fits' }, { message: 'x'.repeat(40) }])
  t.match(several.json(), { accepted: 1, rejected: 1, items: [{}, { index: 1, error: { code: 'entries_refused' } }] })
})

t.test('an id makes a retry idempotent', async (t) => {
  await t.test('also when the text differs, and the first time is answered', async (t) => {
    const { app, clock } = await buildTestApp(t)
    const first = await post(app, { id: 'a-1', message: 'first' })
    clock.ms += 5000
    const second = await post(app, { id: 'a-1', message: 'second' })
    t.equal(second.statusCode, 201)
    t.strictSame(second.json(), first.json())
    t.strictSame(await allMessages(app), ['first'])
  })

  await t.test('also inside one request', async (t) => {
    const { app } = await buildTestApp(t)
    const response = await post(app, [
      { id: 'a', message: 'one' },
      { id: 'a', message: 'one' },
    ])
    const { items } = response.json<{ items: unknown[] }>()
    t.strictSame(items[0], items[1])
    t.strictSame(await allMessages(app), ['one'])
  })

  await t.test('also after a restart', async (t) => {
    const before = await buildTestApp(t)
    const first = await post(before.app, { id: 'a', message: 'one' })
    await before.close()
    const after = await buildTestApp(t, {}, { dataDir: before.dataDir, clock: before.clock })
    after.clock.ms += 60_000
    t.strictSame((await post(after.app, { id: 'a', message: 'one' })).json(), first.json())
    t.strictSame(await allMessages(after.app), ['one'])
  })

  await t.test('of its own tenant only', async (t) => {
    const { app } = await buildTestApp(t)
    for (const tenant of ['a', 'b']) await post(app, { id: 'x', message: tenant }, { 'x-scope-orgid': tenant })
    const response = await app.inject({ method: 'GET', url: '/logs', headers: { 'x-scope-orgid': 'b' } })
    t.match(response.json<Page>().items, [{ message: 'b' }])
  })
})

t.test('logs posted at the same instant keep their order', async (t) => {
  const { app } = await buildTestApp(t)
  for (const n of [1, 2, 3]) await post(app, { message: `single ${n}` })
  await post(app, [{ message: 'array 1' }, { message: 'array 2' }])
  t.strictSame(await allMessages(app), ['array 2', 'array 1', 'single 3', 'single 2', 'single 1'])
})

t.test('pages', async (t) => {
  await t.test('pages have all logs, each once, while others are written', async (t) => {
    const { app, clock } = await buildTestApp(t)
    const messages = Array.from({ length: 250 }, (_, i) => `old ${i}`)
    await post(
      app,
      messages.map((message) => ({ message })),
    )
    const seen: unknown[] = []
    let token: string | undefined
    for (let i = 0; i === 0 || token !== undefined; i++) {
      const next: Page = await page(app, { limit: '30', ...(token === undefined ? {} : { nextToken: token }) })
      seen.push(...next.items.map(({ message }) => message))
      t.equal(next.hasMore, next.nextToken !== undefined)
      token = next.nextToken
      clock.ms += i % 2
      await post(app, [{ message: `new ${i}` }])
    }
    t.strictSame(seen, messages.toReversed())
  })

  await t.test('pages within one nanosecond have all its logs', async (t) => {
    const { app, clock } = await buildTestApp(t)
    const values = Array.from({ length: 20 }, (_, i) => [String(clock.nowNs), `{"message":"${i}"}`])
    const streams = [{ stream: { source: 'logs', severity: 'info' }, values }]
    await app.inject({
      method: 'POST',
      url: '/loki/api/v1/push',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify({ streams }),
    })
    const messages = await allMessages(app, { limit: '3' })
    t.equal(messages.length, 20)
    t.equal(new Set(messages).size, 20)
  })

  await t.test('outlive a restart', async (t) => {
    const before = await buildTestApp(t)
    await post(before.app, [{ message: 'one' }, { message: 'two' }])
    const { nextToken = '' } = await page(before.app, { limit: '1' })
    await before.close()
    const after = await buildTestApp(t, {}, { dataDir: before.dataDir, clock: before.clock })
    t.match((await page(after.app, { limit: '1', nextToken })).items, [{ message: 'one' }])
  })

  await t.test('reject a token that was changed, or that is for other filters', async (t) => {
    const { app } = await buildTestApp(t)
    await post(app, [{ message: 'one' }, { message: 'two' }])
    const { nextToken = '' } = await page(app, { limit: '1' })
    const flipped = nextToken.slice(0, 20) + (nextToken[20] === 'A' ? 'B' : 'A') + nextToken.slice(21)
    const rows = [
      ['changed', { nextToken: flipped }],
      ['cut', { nextToken: nextToken.slice(0, -1) }],
      ['made up', { nextToken: 'eyJpZCI6MX0' }],
      ['of other filters', { nextToken, severity: 'error' }],
      ['of another text', { nextToken, q: 'one' }],
    ] as const
    for (const [name, query] of rows) {
      const response = await app.inject({ method: 'GET', url: `/logs?${new URLSearchParams(query)}` })
      t.equal(response.statusCode, 400, name)
      t.match(response.json(), { error: { code: 'page_token_invalid' } })
    }
    const headers = { 'x-scope-orgid': 'other' }
    const other = await app.inject({ method: 'GET', url: `/logs?nextToken=${nextToken}`, headers })
    t.equal(other.statusCode, 400, 'of another tenant')
  })
})

t.test('filters', async (t) => {
  const { app, clock } = await buildTestApp(t)
  await post(app, { severity: 'warn', message: 'disk "a" is full' })
  clock.ms += 1000
  await post(app, { severity: 'error', message: 'disk b is gone' })
  clock.ms += 1000
  await post(app, { severity: 'information', message: 'schön' })
  const rows = [
    ['by severity', { severity: 'warning' }, ['disk "a" is full']],
    ['by another word for a severity', { severity: 'WARN' }, ['disk "a" is full']],
    ['by text', { q: 'disk' }, ['disk b is gone', 'disk "a" is full']],
    ['by text with quotes', { q: '"a"' }, ['disk "a" is full']],
    ['by text beyond ASCII', { q: 'schön' }, ['schön']],
    ['by text that is nowhere', { q: 'message' }, []],
    ['since a time', { since: '2026-11-21T12:00:01Z' }, ['schön', 'disk b is gone']],
    ['until a time', { until: '2026-11-21T12:00:01Z' }, ['disk "a" is full']],
    ['by all at once', { severity: 'error', q: 'gone', since: '2026-11-21T12:00:00Z' }, ['disk b is gone']],
  ] as const
  for (const [name, query, messages] of rows) {
    await t.test(name, async (t) => t.strictSame(await allMessages(app, query), messages))
  }
  const refused = [
    ['a severity that nobody knows', 'severity=loud'],
    ['a limit of 0', 'limit=0'],
    ['a limit of 101', 'limit=101'],
    ['a limit that is no number', 'limit=ten'],
    ['an invalid time', 'since=yesterday'],
  ] as const
  for (const [name, query] of refused) {
    await t.test(`refuses ${name}`, async (t) => {
      const response = await app.inject({ method: 'GET', url: `/logs?${query}` })
      t.equal(response.statusCode, 400)
      t.match(response.json(), { error: { code: 'parameter_invalid' } })
    })
  }
})

t.test('a key with a reserved name is neither lost nor mixed up', async (t) => {
  const { app } = await buildTestApp(t)
  await post(app, '{"message":"x","datetime":"mine","__proto__":"p","line.datetime":"other"}')
  const { body } = await app.inject({ method: 'GET', url: '/logs' })
  t.match(body, /"datetime":"2026-11-21T12:00:00.000Z"/)
  t.match(body, /"line\.line\.datetime":"mine"/)
  t.match(body, /"__proto__":"p"/)
})
