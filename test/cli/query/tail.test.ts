import { createServer } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { ShownEntry } from '../../../src/cli/client-answer.ts'
import { TailMemory } from '../../../src/cli/query/tail-memory.ts'
import { type ListeningApp, listen, manyLines, portOf, type Ran, type RunOptions, runAsking } from '../asking.ts'

const SHOP = '{app="shop"}'

interface Running {
  /** Resolves once this text was written. */
  shown(text: string): Promise<void>
  /** Ends the tail and returns its output. */
  end(): Promise<Ran>
}

/** A tail that runs until `end` is called. */
function tail(t: Test, app: ListeningApp, args: readonly string[], options: Partial<RunOptions> = {}): Running {
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  let out = ''
  let look = (): void => undefined
  const running = runAsking(['tail', SHOP, '--output', 'raw', ...args], {
    nowMs: () => app.clock.nowMs(),
    url: app.url,
    signal: abort.signal,
    // A turn of the event loop, so that the broken connection is noticed.
    wait: () => new Promise((resolve) => setImmediate(resolve)),
    onOut: (text) => {
      out += text
      look()
    },
    ...options,
  })
  const shown = (text: string): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (out.includes(text)) resolve()
      }
      look()
    })
  const end = (): Promise<Ran> => {
    abort.abort()
    return running
  }
  return { shown, end }
}

const one = (app: ListeningApp, line: string, agoMs = 0) =>
  app.push([{ stream: { app: 'shop' }, values: [[String(app.clock.nowNs - BigInt(agoMs) * 1_000_000n), line]] }])

t.test('a tail starts with the newest lines and shows new lines as they arrive', async (t) => {
  const app = await listen(t)
  await app.push(manyLines(30, app.clock.nowNs))
  const { shown, end } = tail(t, app, ['--limit', '2'])
  await shown('line 30')
  await one(app, 'live')
  await shown('live')
  t.match(await end(), { code: 0, lines: ['line 29', 'line 30', 'live'], notes: '' })
})

/** A proxy between tail and gateway that can break all connections. */
async function breakable(t: Test, port: number) {
  const sockets = new Set<Socket>()
  let isDown = false
  const server = createTcpServer((near) => {
    if (isDown) {
      near.destroy()
      return
    }
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    near.pipe(far).pipe(near)
    near.on('close', () => far.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const setDown = (down: boolean): void => {
    isDown = down
    if (down) for (const socket of sockets) socket.destroy()
  }
  return { url: `http://127.0.0.1:${portOf(server.address())}`, setDown }
}

t.test('a tail reconnects after a broken connection, without gaps or duplicates', async (t) => {
  const app = await listen(t)
  const between = await breakable(t, portOf(app.app.server.address()))
  await app.push(manyLines(5, app.clock.nowNs))
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  let sleeps = 0
  const wait = async (): Promise<void> => {
    sleeps++
    await turn()
  }
  const { shown, end } = tail(t, app, ['--limit', '3'], { url: between.url, wait })
  await shown('line 5')
  const wanted = ['line 3', 'line 4', 'line 5']
  for (let round = 1; round <= 3; round++) {
    between.setDown(true)
    // It notices, and its retries fail.
    for (const before = sleeps; sleeps < before + 3; ) await turn()
    app.clock.ms += 20_000
    for (let i = 1; i <= 1200; i++) wanted.push(`gone ${round} ${i}`)
    const at = (i: number): string => String(app.clock.nowNs - 2_000_000n + BigInt(i))
    const values = Array.from({ length: 1200 }, (_, i) => [at(i), `gone ${round} ${i + 1}`])
    await app.push([{ stream: { app: 'shop' }, values }])
    await one(app, `late ${round}`, 15_000)
    wanted.push(`late ${round}`)
    between.setDown(false)
    await shown(`gone ${round} 1200`)
    await one(app, `back ${round}`)
    await shown(`back ${round}`)
    wanted.push(`back ${round}`)
  }
  const { lines, notes } = await end()
  t.strictSame(lines.toSorted(), wanted.toSorted())
  t.equal(notes.split('retrying').length, 4, 'each broken connection is reported once')
})

t.test('a tail reconnects when the connection is silent for a minute', async (t) => {
  const app = await listen(t)
  await app.push(manyLines(2, app.clock.nowNs))
  const running = new Set<() => void>()
  const waits: number[] = []
  const timer = (ms: number, run: () => void) => {
    waits.push(ms)
    running.add(run)
    return () => running.delete(run)
  }
  const { shown, end } = tail(t, app, [], { timer })
  await shown('line 2')
  t.equal(running.size, 1, 'what came before is no longer waited for')
  const before = waits.length
  for (const run of running) run()
  await one(app, 'after')
  await shown('after')
  while (waits.length === before) await new Promise((resolve) => setImmediate(resolve))
  t.ok(waits.every((ms) => ms === 60_000))
  t.match(await end(), { code: 0, lines: ['line 1', 'line 2', 'after'] })
  t.equal(running.size, 0)
})

t.test('a tail polls when no WebSocket gets through', async (t) => {
  const app = await listen(t)
  await app.push(manyLines(5, app.clock.nowNs))
  // Like a Lambda function: the same responses, but no live tail.
  const server = createServer(async (request, response) => {
    if (request.url?.startsWith('/loki/api/v1/tail')) {
      response.writeHead(404).end()
      return
    }
    const answer = await fetch(`${app.url}${request.url}`, { headers: request.headers as Record<string, string> })
    response.writeHead(answer.status).end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { shown, end } = tail(t, app, ['--limit', '2'], { url: `http://127.0.0.1:${portOf(server.address())}` })
  await shown('line 5')
  await one(app, 'later')
  await shown('later')
  await one(app, 'late', 900)
  await shown('late\n')
  t.match(await end(), { code: 0, lines: ['line 4', 'line 5', 'later', 'late'], notes: /polling every 2 seconds/ })
})

const REFUSED: readonly (readonly [name: string, args: readonly string[], code: number, text: RegExp])[] = [
  ['a malformed query', ['{app='], 1, /responded with 400: parse error/],
  ['a metric query', ['count_over_time({app="shop"}[1m])'], 1, /only log queries can be tailed/],
  ['wrong credentials', [SHOP, '--user', 'reader:wrong'], 1, /responded with 401/],
  ['no query', [], 2, /got 0 queries/],
  ['too many initial lines', [SHOP, '--limit', '5001'], 2, /--limit is more than 5000/],
]
for (const [name, args, code, text] of REFUSED) {
  t.test(`a tail fails immediately for ${name}`, async (t) => {
    const { run } = await listen(t, { MILLRACE_USERS: 'reader:secret' })
    t.match(await run(['tail', '--user', 'reader:secret', ...args]), { code, out: '', notes: text })
  })
}

t.test('a tail fails immediately if the gateway is unreachable', async (t) => {
  const ran = await runAsking(['tail', SHOP], { url: 'http://127.0.0.1:1', nowMs: () => 0 })
  t.match(ran, { code: 1, notes: /cannot be reached/ })
})

const entry = (ns: bigint, line: string): ShownEntry => ({
  ns,
  line,
  labels: [],
  stream: '{}',
  metadata: [],
  parsed: [],
})

t.test('a line from the future does not hide earlier lines that arrive later', async (t) => {
  const shown: string[] = []
  const show = ({ line }: ShownEntry) => void shown.push(line)
  const memory = new TailMemory({ startNs: 0n, limit: 1, nowNs: () => 100_000_000_000n, show })
  memory.take([entry(99_000_000_000n, 'now'), entry(900_000_000_000n, 'future')])
  t.equal(memory.resumeNs, 99_000_000_000n, 'not before the past that was shown')
  memory.take([entry(900_000_000_000n, 'future'), entry(99_500_000_000n, 'next'), entry(98_000_000_000n, 'older')])
  t.strictSame(shown, ['now', 'future', 'next'])
})

t.test('the memory of a tail is bounded', async (t) => {
  let count = 0
  const memory = new TailMemory({ startNs: 0n, limit: 1, nowNs: () => 0n, show: () => void count++ })
  const entries = Array.from({ length: 50_001 }, (_, i) => entry(1n, `line ${i}`))
  memory.take(entries)
  memory.take(entries.slice(-49_000))
  t.equal(count, 50_001)
  memory.take(entries.slice(0, 1))
  t.equal(count, 50_002, 'the oldest was forgotten')
})
