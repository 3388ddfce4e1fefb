/** Lines of any number, page by page: none twice, none left out. */

import { GatewayError } from '../../domain/errors.ts'
import { askJson, type GatewayAddress } from '../client.ts'
import { type QueryAnswer, readQueryAnswer, type ShownEntry } from '../client-answer.ts'

export interface PagedQuery {
  readonly query: string
  /** ns; the end is exclusive. */
  readonly start: bigint
  readonly end: bigint
  /** Lines of all pages together. */
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  /** Of metric queries, in seconds. */
  readonly step?: number | undefined
}

/** Lines that a page asks for; gateways refuse more than 5000 unless they were told otherwise. */
const PAGE_LINES = 1000
const PAGE_LINES_MAX = 5000

/**
 * The pages of a log query, or the one answer of a metric query. Throws as askJson, and query_refused where more lines
 * have one and the same time than a page may have.
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
    // The next page begins with the whole nanosecond that this one may have cut.
    if (edge.ns === undefined) return
    if (direction === 'forward') start = edge.ns
    else end = edge.ns + 1n
  }
}

/** What was given of the nanosecond where the pages meet: how often, by stream and line. */
interface Edge {
  readonly ns: bigint | undefined
  readonly counts: ReadonlyMap<string, number>
}

function edgeSize({ counts }: Edge): number {
  return counts.values().reduce((sum, count) => sum + count, 0)
}

function edgeOf(before: Edge, fresh: readonly ShownEntry[]): Edge {
  const ns = fresh.at(-1)?.ns
  // A query can make one text of several lines: they are counted, not put together.
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

/** The same for lines that cannot be told apart but by their time. */
export function keyOf({ stream, line, metadata }: ShownEntry): string {
  return JSON.stringify([stream, line, metadata.map(({ name, value }) => [name, value])])
}

function widen(size: number): number {
  if (size < PAGE_LINES_MAX) return PAGE_LINES_MAX
  const text = `more than ${PAGE_LINES_MAX} lines have one and the same time; narrow the query down`
  throw new GatewayError('query_refused', text)
}
