import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { buildTestApp, type TestApp } from '../../../support/test-app.ts'

interface Listening extends TestApp {
  readonly port: number
  push(line: string, metadata?: Record<string, string>): Promise<void>
}

async function listen(t: Test, env: Record<string, string> = {}): Promise<Listening> {
  const parts = await buildTestApp(t, env)
  await parts.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = parts.app.server.address() as AddressInfo
  let ns = parts.clock.nowNs - 1_000_000n
  const push = async (line: string, metadata: Record<string, string> = {}): Promise<void> => {
    const values = [[String(ns++), line, metadata]]
    const { statusCode } = await parts.app.inject({
      method: 'POST',
      url: '/loki/api/v1/push',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify({ streams: [{ stream: { app: 'shop' }, values }] }),
    })
    t.ok(statusCode < 300)
  }
  return { ...parts, port, push }
}

/** A WebSocket whose messages are awaited one by one. */
class Tail {
  readonly socket: WebSocket
  readonly #messages: string[] = []
  #wake: () => void = () => undefined

  constructor(port: number, path: string) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    this.socket.addEventListener('message', ({ data }) => {
      this.#messages.push(String(data))
      this.#wake()
    })
  }

  async next(): Promise<string> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  closed(): Promise<{ code: number; reason: string }> {
    return new Promise((resolve) => this.socket.addEventListener('close', (event) => resolve(event as CloseEvent)))
  }
}

/** The response to an upgrade. */
async function upgrade(port: number, path: string, headers: Record<string, string> = {}) {
  const asked = request({
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    },
  })
  asked.end()
  const [response] = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')])
  if (response.statusCode === 101) {
    response.socket.destroy()
    return { status: 101, body: '' }
  }
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode as number, body }
}

const SHOP = encodeURIComponent('{app="shop"}')

t.test('a tail sends the initial lines, then new lines as they arrive', async (t) => {
  const { port, push } = await listen(t)
  await push('before')
  const tail = new Tail(port, `/loki/api/v1/tail?query=${SHOP}`)
  const past = JSON.parse(await tail.next())
  t.equal(past.streams.length, 1)
  t.match(past.streams[0], {
    stream: { app: 'shop', service_name: 'shop', detected_level: 'unknown' },
    values: [[/^\d{19}$/, 'before']],
  })
  await push('live')
  t.equal(JSON.parse(await tail.next()).streams[0].values[0][1], 'live')
  tail.socket.close(1000)
  t.equal((await tail.closed()).code, 1000)
})

t.test('the legacy path has frames in the legacy format', async (t) => {
  const { port, push } = await listen(t)
  await push('before')
  const tail = new Tail(port, `/api/prom/tail?query=${SHOP}`)
  t.strictSame(JSON.parse(await tail.next()), {
    streams: [
      {
        labels: '{app="shop", detected_level="unknown", service_name="shop"}',
        entries: [{ ts: '2026-11-21T11:59:59.999Z', line: 'before' }],
      },
    ],
    dropped_entries: null,
  })
  tail.socket.close()
  await tail.closed()
})

t.test('a line that is pushed while a tail starts is sent exactly once', async (t) => {
  const { port, push } = await listen(t)
  const tail = new Tail(port, `/loki/api/v1/tail?query=${SHOP}`)
  const pushed: string[] = []
  for (let i = 0; i < 30; i++) {
    await push(`line ${i}`)
    pushed.push(`line ${i}`)
  }
  const got: string[] = []
  while (got.length < 30) {
    for (const stream of JSON.parse(await tail.next()).streams) got.push(stream.values[0][1])
  }
  t.strictSame(got.toSorted(), pushed.toSorted())
  tail.socket.close()
  await tail.closed()
})

t.test('with the flag, labels are categorised and the flag follows the streams', async (t) => {
  const { port, push, app } = await listen(t)
  await push('one', { trace: 't1' })
  const answer = await new Promise<string>((resolve, reject) => {
    const asked = request({
      port,
      path: `/loki/api/v1/tail/stream?query=${SHOP}`,
      headers: { 'x-loki-response-encoding-flags': 'categorize-labels', 'accept-encoding': 'gzip' },
    })
    asked.on('response', (response) => {
      t.equal(response.headers['content-type'], 'application/x-ndjson')
      t.equal(response.headers['content-encoding'], undefined, 'compression would delay lines')
      response.once('data', (chunk) => {
        resolve(String(chunk))
        asked.destroy()
      })
    })
    asked.on('error', reject)
    asked.end()
  })
  t.match(
    answer,
    /^\{"streams":\[\{"stream":\{"app":"shop","service_name":"shop"\},"values":\[\["\d+","one",\{"structuredMetadata":\{"detected_level":"unknown","trace":"t1"\}\}\]\]\}\],"encodingFlags":\["categorize-labels"\]\}\n$/,
  )
  await app.close()
})

const REFUSED: readonly (readonly [name: string, parameters: string, status: number, text: RegExp])[] = [
  ['a malformed query', 'query={app=', 400, /^parse error at line 1/],
  ['no query', '', 400, /^parameter 'query' is missing/],
  ['a metric query', `query=${encodeURIComponent('rate({a="b"}[1m])')}`, 400, /only log queries/],
  ['a selector of everything', 'query={}', 400, /^parse error : queries require/],
  ['a long delay', `query=${SHOP}&delay_for=6`, 400, /^delay_for must be a whole number/],
  ['too many lines', `query=${SHOP}&limit=5001`, 400, /^max entries limit per query/],
  ['an invalid start', `query=${SHOP}&start=x`, 400, /^start is 'x'/],
]

t.test('an invalid tail is rejected before the upgrade', async (t) => {
  const { port } = await listen(t)
  for (const [name, parameters, status, text] of REFUSED) {
    for (const path of ['/loki/api/v1/tail', '/loki/api/v1/tail/stream']) {
      const answer = await upgrade(port, `${path}?${parameters}`)
      t.equal(answer.status, status, name)
      t.match(answer.body, text, name)
    }
  }
})

t.test('credentials, host and origin are checked before the upgrade', async (t) => {
  const open = await listen(t)
  const path = `/loki/api/v1/tail?query=${SHOP}`
  t.equal((await upgrade(open.port, path)).status, 101)
  t.equal((await upgrade(open.port, path, { host: 'evil.example' })).status, 403)
  t.equal((await upgrade(open.port, path, { origin: 'http://evil.example' })).status, 403)
  const guarded = await listen(t, { MILLRACE_USERS: 'anna:secret-of-anna' })
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  t.equal((await upgrade(guarded.port, path)).status, 401)
  t.equal((await upgrade(guarded.port, path, basic('anna:wrong'))).status, 401)
  const own = { origin: `http://127.0.0.1:${guarded.port}`, host: `127.0.0.1:${guarded.port}` }
  const right = basic('anna:secret-of-anna')
  t.equal((await upgrade(guarded.port, path, right)).status, 101)
  t.equal((await upgrade(guarded.port, path, { ...right, ...own })).status, 101)
  t.equal((await upgrade(guarded.port, path, { ...right, ...own, origin: 'http://a.example' })).status, 403)
})

t.test('the eleventh tail of a tenant is rejected, and a disconnected client frees its place', async (t) => {
  const { port, push } = await listen(t)
  await push('hello')
  const path = `/loki/api/v1/tail?query=${SHOP}`
  const tails = Array.from({ length: 10 }, () => new Tail(port, path))
  await Promise.all(tails.map((tail) => tail.next()))
  const refused = await upgrade(port, path)
  t.equal(refused.status, 429)
  t.match(refused.body, /^max concurrent tail requests limit exceeded/)
  const [first] = tails as [Tail]
  first.socket.close()
  await first.closed()
  const next = new Tail(port, path)
  t.ok(await next.next(), 'the place is free again')
})

t.test('a plain HTTP request gets an explanation', async (t) => {
  const { app } = await listen(t)
  const answer = await app.inject({ url: `/loki/api/v1/tail?query=${SHOP}` })
  t.equal(answer.statusCode, 400)
  t.match(answer.body, /^this endpoint needs a WebSocket; use \/loki\/api\/v1\/tail\/stream/)
})

t.test('a WebSocket on another route is closed, and the gateway keeps running', async (t) => {
  const { app, port } = await listen(t)
  await upgrade(port, '/ready')
  t.equal((await app.inject({ url: '/ready' })).statusCode, 200)
})

t.test('a stopping gateway closes tails with a reason', async (t) => {
  const { app, port, push } = await listen(t)
  await push('hello')
  const tail = new Tail(port, `/loki/api/v1/tail?query=${SHOP}`)
  await tail.next()
  const closed = tail.closed()
  await app.close()
  t.match(await closed, { code: 1001, reason: 'the gateway is stopping' })
})

t.test('a client that sends too much is disconnected, one that sends a little is not', async (t) => {
  const { port, push } = await listen(t)
  await push('one')
  const tail = new Tail(port, `/loki/api/v1/tail?query=${SHOP}`)
  await tail.next()
  tail.socket.send('hello')
  await push('two')
  t.match(await tail.next(), /two/)
  const closed = tail.closed()
  tail.socket.send('x'.repeat(5000))
  t.equal((await closed).code, 1009)
})

t.test('disconnected HTTP streams free their place', async (t) => {
  const { port, push } = await listen(t)
  await push('one')
  const path = `/loki/api/v1/tail/stream?query=${SHOP}`
  const opened = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const asked = request({ port, path, agent: false })
      asked.on('error', () => undefined)
      asked.end()
      const [response] = await once(asked, 'response')
      await once(response, 'data')
      return asked
    }),
  )
  t.equal((await upgrade(port, `/loki/api/v1/tail?query=${SHOP}`)).status, 429)
  for (const asked of opened) asked.destroy()
  let status = 429
  // The gateway notices when the sockets close.
  for (let tries = 0; status === 429 && tries < 200; tries++) {
    status = (await upgrade(port, `/loki/api/v1/tail?query=${SHOP}`)).status
  }
  t.equal(status, 101)
})
