/** Fetches any number of lines page by page, without duplicates or gaps. */

import { GatewayError } from '../../domain/errors.ts'
import { askJson, type GatewayAddress } from '../client.ts'
import { type QueryAnswer, readQueryAnswer, type ShownEntry } from '../client-answer.ts'

export interface PagedQuery {
  readonly query: string
  /** ns; the end is exclusive. */
  readonly start: bigint
  readonly end: bigint
  /** Total lines of all pages. */
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  /** For metric queries, in seconds. */
  readonly step?: number | undefined
}

/** Lines per page; gateways reject more than 5000 by default. */
const PAGE_LINES = 1000
const PAGE_LINES_MAX = 5000

/**
 * The pages of a log query, or the single result of a metric query. Throws like askJson, and query_refused if more lines
 * have the same time than fit in a page.
 */
export async function* readPages(gateway: GatewayAddress, query: PagedQuery): AsyncGenerator<QueryAnswer> {
  const { direction } = query
  let { start, end } = query
  let left = query.limit
  let size = PAGE_LINES
  let edge: Edge = { ns: undefined, counts: new Map() }
  while (left > 0 && start < end) {
    const limit = Math.min(size, left + edgeSize(edge))
    const asked = { query: query.query, start, end, limit, direction, step: query.step }
    const answer = readQueryAnswer(await askJson(gateway, '/loki/api/v1/query_range', asked), direction)
    if (answer.kind !== 'lines') {
      yield answer
      return
    }
    const fresh = withoutSeen(answer.entries, edge)
    if (fresh.length > 0) yield { kind: 'lines', entries: fresh }
    left -= fresh.length
    if (answer.entries.length < limit) return
    if (fresh.length === 0) size = widen(size)
    else edge = edgeOf(edge, fresh)
    // This page may end within a nanosecond, so the next page starts with that nanosecond again.
    if (edge.ns === undefined) return
    if (direction === 'forward') start = edge.ns
    else end = edge.ns + 1n
  }
}

/** Entries already returned from the nanosecond where pages meet: counts by stream and line. */
interface Edge {
  readonly ns: bigint | undefined
  readonly counts: ReadonlyMap<string, number>
}

function edgeSize({ counts }: Edge): number {
  return counts.values().reduce((sum, count) => sum + count, 0)
}

function edgeOf(before: Edge, fresh: readonly ShownEntry[]): Edge {
  const ns = fresh.at(-1)?.ns
  // A query can turn several lines into the same text, so they are counted.
  const counts = new Map(ns === before.ns ? before.counts : [])
  for (const entry of fresh) {
    if (entry.ns === ns) counts.set(keyOf(entry), (counts.get(keyOf(entry)) ?? 0) + 1)
  }
  return { ns, counts }
}

function withoutSeen(entries: readonly ShownEntry[], edge: Edge): ShownEntry[] {
  const left = new Map(edge.counts)
  return entries.filter((entry) => {
    if (entry.ns !== edge.ns) return true
    const count = left.get(keyOf(entry)) ?? 0
    if (count > 0) left.set(keyOf(entry), count - 1)
    return count === 0
  })
}

/** Equal for lines that differ only in time. */
export function keyOf({ stream, line, metadata }: ShownEntry): string {
  return JSON.stringify([stream, line, metadata.map(({ name, value }) => [name, value])])
}

function widen(size: number): number {
  if (size < PAGE_LINES_MAX) return PAGE_LINES_MAX
  const text = `more than ${PAGE_LINES_MAX} lines have the same time; narrow the query`
  throw new GatewayError('query_refused', text)
}
