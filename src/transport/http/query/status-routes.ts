/** GET /status: what comes in, what is refused, the store and the queries, in one answer for the page. */

import type { FastifyInstance } from 'fastify'
import { msToNs } from '../../../domain/time.ts'
import { measureIndex } from '../../../flows/query/measure-index.ts'
import { bodyOf } from '../../../protocol/bytes/body-writer.ts'
import type { Metrics, Observed } from '../../../telemetry/metrics.ts'
import { type QueryParts, registerQuery } from './query-route.ts'

export interface StatusParts {
  readonly metrics: Metrics
  readonly observed: Observed
  readonly version: string
  readonly home: 'embedded' | 'aws'
}

const HOUR_MS = 3_600_000

/**
 * `lastHour` is what the store has of the tenant's last hour, in both homes. `process` and `queries` count what this process
 * did since it started, for all tenants; in the aws home others have counters of their own.
 */
export function registerStatus(app: FastifyInstance, parts: QueryParts, status: StatusParts): void {
  const { metrics, observed, version, home } = status
  const startedMs = parts.clock.nowMs()
  registerQuery(app, parts, {
    url: '/status',
    summary: 'What comes in, what is refused, the store and the queries',
    parameters: [],
    knownParametersOnly: true,
    answer: async ({ tenant, turn }) => {
      const nowMs = parts.clock.nowMs()
      const range = { tenant, matchers: [], start: msToNs(nowMs - HOUR_MS), end: msToNs(nowMs + 1) }
      const { entries, bytes, streams } = await measureIndex(parts.store, range, turn)
      const { running, waiting } = observed.queries
      const { bytes: cacheBytes, hits, misses } = observed.answers.figures
      const answer = {
        version,
        home,
        startedAt: new Date(startedMs).toISOString(),
        now: new Date(nowMs).toISOString(),
        trouble: observed.store.trouble() ?? null,
        lastHour: { lines: entries, bytes, streams },
        process: await countersOf(metrics),
        store: observed.store.figures(),
        queries: { running, waiting, cacheBytes, cacheHits: hits, cacheMisses: misses },
      }
      return bodyOf(`${JSON.stringify(answer)}\n`)
    },
  })
}

interface Counted {
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number | undefined>>
    readonly value: number
  }[]
}

async function countersOf(metrics: Metrics): Promise<object> {
  const { accepted, duplicates, refused, dropped, lineBytes, errors } = metrics
  const sum = async (counter: { get(): Promise<Counted> }): Promise<number> =>
    (await counter.get()).values.reduce((total, { value }) => total + value, 0)
  const by = async (counter: { get(): Promise<Counted> }, label: string): Promise<[name: string, count: number][]> => {
    const { values } = await counter.get()
    return values
      .map(({ labels, value }): [string, number] => [String(labels[label]), value])
      .sort(([, a], [, b]) => b - a)
  }
  return {
    accepted: await sum(accepted),
    duplicates: await sum(duplicates),
    lineBytes: await sum(lineBytes),
    dropped: await sum(dropped),
    refused: (await by(refused, 'reason')).map(([reason, lines]) => ({ reason, lines })),
    errors: (await by(errors, 'code')).map(([code, requests]) => ({ code, requests })),
  }
}
