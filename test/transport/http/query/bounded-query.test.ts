import t, { type Test } from 'tap'
import type { LogStore, ReadBlock } from '../../../../src/ports/log-store.ts'
import { buildTestApp, type TestApp } from '../../../support/test-app.ts'

const QUERIES: readonly (readonly [name: string, url: string])[] = [
  ['query_range', '/loki/api/v1/query_range?query={app="shop"}'],
  ['a count', '/loki/api/v1/query?query=sum(count_over_time({app="shop"}[1h]))'],
  ['statistics', '/loki/api/v1/index/stats?query={app="shop"}'],
  ['GET /logs', '/logs'],
]

/** An application whose store returns nothing until a read is aborted. */
function buildStuck(t: Test, env: Record<string, string>): Promise<TestApp> {
  async function* stuck(signal: AbortSignal | undefined): AsyncGenerator<ReadBlock> {
    if (signal === undefined) throw new Error('this read has no signal')
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
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

t.test('queries beyond the running ones wait, and beyond the waiting ones get 429', async (t) => {
  const limits = { MILLRACE_QUERIES_RUNNING_MAX: '2', MILLRACE_QUERIES_WAITING_MAX: '3' }
  const { app } = await buildStuck(t, { ...limits, MILLRACE_QUERY_TIMEOUT: '200ms' })
  const [, url] = QUERIES[0] as [string, string]
  const responses = await Promise.all(Array.from({ length: 10 }, () => app.inject({ url })))
  const statuses = responses.map(({ statusCode }) => statusCode).sort()
  t.strictSame(statuses, [429, 429, 429, 429, 429, 504, 504, 504, 504, 504])
  const refused = responses.find(({ statusCode }) => statusCode === 429)
  t.match(refused?.body, /too many outstanding requests/)
  t.equal(refused?.headers['retry-after'], '1')
  const metrics = await app.inject({ url: '/metrics' })
  t.match(metrics.body, /^millrace_queries_running 0$/m)
  t.match(metrics.body, /^millrace_queries_waiting 0$/m)
})
