/** The lines of the Logs screen: a first page, more of them on request, none lost and none twice. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { askLines, type LinesAnswer, nsOf, type Range } from '../api/loki.ts'
import { isAbort, isWrongQuery, wordsOf } from '../api/request.ts'
import { compareNs, type Entry, keyOf } from '../lines/entry.ts'

export const LINES_MAX = 100_000
const FIRST = 500
/** Each page is as long as all before, up to this. */
const MORE_MAX = 5000

interface State {
  readonly entries: readonly Entry[]
  readonly isBusy: boolean
  readonly hasMore: boolean
  readonly fault: string | undefined
  /** Whether the fault is the query's own: no other question about it can be answered. */
  readonly isWrong: boolean
  /** Whether lines before the first one are left out, so that the line of a link is there. */
  readonly isCut: boolean
  /** Of the first page. */
  readonly bytes: number
  readonly ms: number
}

export interface Lines extends State {
  readonly more: () => void
}

const NONE: State = {
  entries: [],
  isBusy: true,
  hasMore: false,
  fault: undefined,
  isWrong: false,
  isCut: false,
  bytes: 0,
  ms: 0,
}

type Direction = 'forward' | 'backward'

/**
 * Asks when an input changes; undefined asks nothing. Where the line at `wantedNs`, nanoseconds as text, is not in the
 * first page, the lines begin at it.
 */
export function useLines(
  query: string | undefined,
  range: Range,
  direction: Direction,
  wantedNs: string | undefined,
): Lines {
  const [state, setState] = useState<State>(NONE)
  const isGrowing = useRef(false)
  const wanted = useRef(wantedNs)
  wanted.current = wantedNs
  useEffect(() => {
    if (query === undefined) return
    const abort = new AbortController()
    const began = performance.now()
    setState((before) => ({ ...before, isBusy: true }))
    isGrowing.current = false
    firstPage(query, range, direction, wanted.current, abort.signal)
      .then(({ entries, bytes, isCut }) => {
        if (abort.signal.aborted) return
        const hasMore = entries.length >= FIRST
        setState({ ...NONE, entries, isBusy: false, hasMore, isCut, bytes, ms: performance.now() - began })
      })
      .catch((error: unknown) => {
        if (isAbort(error) || abort.signal.aborted) return
        setState({ ...NONE, isBusy: false, fault: wordsOf(error), isWrong: isWrongQuery(error) })
      })
    return () => abort.abort()
  }, [query, range, direction])
  const latest = useRef(state)
  latest.current = state
  const more = useCallback(() => {
    const { entries, hasMore, isBusy } = latest.current
    const last = entries.at(-1)
    if (
      query === undefined ||
      last === undefined ||
      !hasMore ||
      isBusy ||
      isGrowing.current ||
      entries.length >= LINES_MAX
    )
      return
    isGrowing.current = true
    pageAfter(query, range, direction, entries, Math.min(entries.length, MORE_MAX, LINES_MAX - entries.length))
      .then(({ fresh, hasMore: goesOn }) => {
        if (!isGrowing.current) return
        setState((before) =>
          before.entries === entries ? { ...before, entries: [...entries, ...fresh], hasMore: goesOn } : before,
        )
      })
      .catch((error: unknown) => {
        setState((before) => ({ ...before, fault: wordsOf(error), hasMore: false }))
      })
      .finally(() => {
        isGrowing.current = false
      })
  }, [query, range, direction])
  return { ...state, more }
}

async function firstPage(
  query: string,
  range: Range,
  direction: Direction,
  wantedNs: string | undefined,
  signal: AbortSignal,
): Promise<LinesAnswer & { isCut: boolean }> {
  const edges = { start: nsOf(range.start), end: nsOf(range.end) }
  const page = await askLines({ query, ...edges, limit: FIRST, direction }, { signal })
  const last = page.entries.at(-1)
  const sign = direction === 'forward' ? 1 : -1
  const isBeyond =
    wantedNs !== undefined &&
    last !== undefined &&
    page.entries.length >= FIRST &&
    compareNs(wantedNs, last.ns) * sign > 0
  if (!isBeyond) return { ...page, isCut: false }
  const from = edgesFrom(wantedNs, range, direction)
  return { ...(await askLines({ query, ...from, limit: FIRST, direction }, { signal })), isCut: true }
}

/** The rest of the range from this nanosecond on, itself included. */
const edgesFrom = (ns: string, range: Range, direction: Direction): { start: string; end: string } =>
  direction === 'forward'
    ? { start: ns, end: nsOf(range.end) }
    : { start: nsOf(range.start), end: String(BigInt(ns) + 1n) }

/** The lines behind those; what has the nanosecond of the last one comes again and is left out. */
export async function pageAfter(
  query: string,
  range: Range,
  direction: Direction,
  entries: readonly Entry[],
  limit: number,
  signal?: AbortSignal,
): Promise<{ fresh: readonly Entry[]; hasMore: boolean }> {
  const last = entries.at(-1) as Entry
  const twins = new Set<string>()
  for (let i = entries.length - 1; i >= 0 && entries[i]?.ns === last.ns; i--) twins.add(keyOf(entries[i] as Entry))
  const asked = Math.min(limit + twins.size, MORE_MAX)
  const edges = edgesFrom(last.ns, range, direction)
  const answer = await askLines({ query, ...edges, limit: asked, direction }, { signal })
  const fresh = answer.entries.filter((entry) => !twins.has(keyOf(entry)))
  return { fresh, hasMore: answer.entries.length >= asked && fresh.length > 0 }
}
