import t, { type Test } from 'tap'
import type { LogStore, ReadBlock } from '../../../../src/ports/log-store.ts'
import { buildTestApp, type TestApp } from '../../../support/test-app.ts'

const QUERIES: readonly (readonly [name: string, url: string])[] = [
  ['query_range', '/loki/api/v1/query_range?query={app="shop"}'],
  ['a count', '/loki/api/v1/query?query=sum(count_over_time({app="shop"}[1h]))'],
  ['statistics', '/loki/api/v1/index/stats?query={app="shop"}'],
  ['GET /logs', '/logs'],
]

/** An application whose store returns nothing until a read is aborted, or `released` resolves. */
function buildStuck(t: Test, env: Record<string, string>, released?: Promise<void>): Promise<TestApp> {
  async function* stuck(signal: AbortSignal | undefined): AsyncGenerator<ReadBlock> {
    if (signal === undefined) throw new Error('this read has no signal')
    signal.throwIfAborted()
    const aborted = new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    await Promise.race([aborted, ...(released ? [released] : [])])
  }
  const wrapStore = (store: LogStore): LogStore =>
    Object.assign(Object.create(store) as LogStore, {
      append: (batch: never) => store.append(batch),
      read: (_request: never, signal?: AbortSignal) => stuck(signal),
      figures: () => store.figures(),
      trouble: () => store.trouble(),
      version: () => undefined,
    })
  return buildTestApp(t, env, { wrapStore })
}

t.test('every kind of query has a timeout', async (t) => {
  const { app } = await buildStuck(t, { MILLRACE_QUERY_TIMEOUT: '20ms' })
  for (const [name, url] of QUERIES) {
    const response = await app.inject({ url })
    t.equal(response.statusCode, 504, name)
    t.match(response.body, /request timed out/, name)
  }
})

t.test('a query that waits for its turn has a timeout', async (t) => {
  const limits = { MILLRACE_QUERIES_RUNNING_MAX: '1', MILLRACE_QUERIES_WAITING_MAX: '3' }
  const { app } = await buildStuck(t, { ...limits, MILLRACE_QUERY_TIMEOUT: '20ms' })
  const [, url] = QUERIES[0] as [string, string]
  const responses = await Promise.all(Array.from({ length: 4 }, () => app.inject({ url })))
  t.strictSame(
    responses.map(({ statusCode }) => statusCode),
    [504, 504, 504, 504],
  )
  t.match((await app.inject({ url: '/metrics' })).body, /^millrace_queries_waiting 0$/m)
})

t.test('queries beyond the running ones wait, and beyond the waiting ones get 429', async (t) => {
  const limits = { MILLRACE_QUERIES_RUNNING_MAX: '2', MILLRACE_QUERIES_WAITING_MAX: '3' }
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { app } = await buildStuck(t, { ...limits, MILLRACE_QUERY_TIMEOUT: '1d' }, released)
  const [, url] = QUERIES[0] as [string, string]
  let refusals = 0
  const responses = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const response = await app.inject({ url })
      if (response.statusCode === 429 && ++refusals === 5) release()
      return response
    }),
  )
  const statuses = responses.map(({ statusCode }) => statusCode).sort()
  t.strictSame(statuses, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429])
  const refused = responses.find(({ statusCode }) => statusCode === 429)
  t.match(refused?.body, /too many outstanding requests/)
  t.equal(refused?.headers['retry-after'], '1')
  const metrics = await app.inject({ url: '/metrics' })
  t.match(metrics.body, /^millrace_queries_running 0$/m)
  t.match(metrics.body, /^millrace_queries_waiting 0$/m)
})
