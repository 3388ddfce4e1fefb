/** The lines of the Logs screen: a first page, more of them on request, none lost and none twice. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { askLines, nsOf, type Range } from '../api/loki.ts'
import { isAbort, wordsOf } from '../api/request.ts'
import { type Entry, keyOf } from '../lines/entry.ts'

export const LINES_MAX = 100_000
const FIRST = 500
/** Each page is as long as all before, up to this. */
const MORE_MAX = 5000

export interface Lines {
  readonly entries: readonly Entry[]
  readonly isBusy: boolean
  readonly hasMore: boolean
  readonly fault: string | undefined
  /** Of the first page. */
  readonly bytes: number
  readonly ms: number
  readonly more: () => void
}

interface State {
  readonly entries: readonly Entry[]
  readonly isBusy: boolean
  readonly hasMore: boolean
  readonly fault: string | undefined
  readonly bytes: number
  readonly ms: number
}

const NONE: State = { entries: [], isBusy: true, hasMore: false, fault: undefined, bytes: 0, ms: 0 }

/** Asks when an input changes; undefined asks nothing. */
export function useLines(query: string | undefined, range: Range, direction: 'forward' | 'backward'): Lines {
  const [state, setState] = useState<State>(NONE)
  const isGrowing = useRef(false)
  useEffect(() => {
    if (query === undefined) return
    const abort = new AbortController()
    const began = performance.now()
    setState((before) => ({ ...before, isBusy: true }))
    isGrowing.current = false
    askLines(
      { query, start: nsOf(range.start), end: nsOf(range.end), limit: FIRST, direction },
      { signal: abort.signal },
    )
      .then(({ entries, bytes }) => {
        if (abort.signal.aborted) return
        setState({
          entries,
          isBusy: false,
          hasMore: entries.length >= FIRST,
          fault: undefined,
          bytes,
          ms: performance.now() - began,
        })
      })
      .catch((error: unknown) => {
        if (!isAbort(error) && !abort.signal.aborted) setState({ ...NONE, isBusy: false, fault: wordsOf(error) })
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

/** The lines behind those; what has the nanosecond of the last one comes again and is left out. */
export async function pageAfter(
  query: string,
  range: Range,
  direction: 'forward' | 'backward',
  entries: readonly Entry[],
  limit: number,
  signal?: AbortSignal,
): Promise<{ fresh: readonly Entry[]; hasMore: boolean }> {
  const last = entries.at(-1) as Entry
  const twins = new Set<string>()
  for (let i = entries.length - 1; i >= 0 && entries[i]?.ns === last.ns; i--) twins.add(keyOf(entries[i] as Entry))
  const edges =
    direction === 'forward'
      ? { start: last.ns, end: nsOf(range.end) }
      : { start: nsOf(range.start), end: String(BigInt(last.ns) + 1n) }
  const asked = Math.min(limit + twins.size, MORE_MAX)
  const answer = await askLines({ query, ...edges, limit: asked, direction }, { signal })
  const fresh = answer.entries.filter((entry) => !twins.has(keyOf(entry)))
  return { fresh, hasMore: answer.entries.length >= asked && fresh.length > 0 }
}
