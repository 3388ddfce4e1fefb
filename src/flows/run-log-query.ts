/** Runs a LogQL query for lines over a store. */

import { metadataWithLevel } from '../domain/batch.ts'
import { startOf } from '../domain/block.ts'
import { GatewayError } from '../domain/errors.ts'
import type { QueryLimits } from '../domain/limits.ts'
import { parseExpr } from '../logql/parse.ts'
import type { LogStore } from '../ports.ts'
import { listLogs } from './list-logs.ts'

export interface LogQueryRequest {
  readonly tenant: string
  readonly query: string
  readonly start: bigint
  readonly end: bigint
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  readonly intervalNs: bigint
}

void [metadataWithLevel, startOf, GatewayError]

export async function runLogQuery(
  store: LogStore,
  _limits: QueryLimits,
  request: LogQueryRequest,
  signal?: AbortSignal,
) {
  const expr = parseExpr(request.query)
  if (expr.kind !== 'log' || expr.stages.length > 0) throw new GatewayError('query_unsupported', 'interim')
  const page = await listLogs(
    store,
    {
      ...request,
      labels: expr.matchers.map((m) => [m.name, m.value] as const),
      isWanted: () => true,
      after: undefined,
    },
    signal,
  )
  const byKey = new Map<
    string,
    { labels: import('../domain/labels.ts').Labels; entries: import('../domain/query-result.ts').ResultEntry[] }
  >()
  for (const e of page.entries) {
    const key = JSON.stringify(e.labels)
    const s = byKey.get(key) ?? { labels: e.labels, entries: [] }
    byKey.set(key, s)
    s.entries.push({ ns: e.ns, line: e.line, metadata: e.metadata, parsed: [] })
  }
  return {
    streams: [...byKey.values()],
    stats: { bytes: 0, lines: 0, linesAfterFilter: 0, entriesReturned: 0, seconds: 0 },
  }
}
