/** Live lines: shown at once where nobody reads, held back while somebody does, counted where they are too many. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { nsOf } from '../api/loki.ts'
import { follow } from '../api/tail.ts'
import type { Entry } from '../lines/entry.ts'

export const LIVE_MAX = 10_000
const HELD_MAX = 5000
const DRAW_MS = 250
const RATE_MS = 5000
const PAST_MS = 3_600_000
/** A tab that nobody sees gives its tail back. */
const HIDDEN_MS = 60_000

export interface Live {
  readonly entries: readonly Entry[]
  /** Lines that wait until they are asked for. */
  readonly held: number
  /** Lines that the gateway or the page left out, because more came than could be shown or held. */
  readonly lost: number
  /** Lines a second, over the last five. */
  readonly rate: number
  readonly trouble: string | undefined
  readonly flush: () => void
}

interface State {
  readonly entries: readonly Entry[]
  readonly held: number
  readonly lost: number
  readonly rate: number
}

const NONE: State = { entries: [], held: 0, lost: 0, rate: 0 }

/** Lines without those of before the start, which come at once and are no rate. */
function countNew(entries: readonly Entry[], began: { readonly ms: number; readonly at: number }): number {
  if (performance.now() - began.at > RATE_MS) return entries.length
  return entries.filter(({ ms }) => ms >= began.ms).length
}

/** Undefined follows nothing. While `isHolding`, lines are held back. */
export function useLive(query: string | undefined, isHolding: boolean): Live {
  const [state, setState] = useState<State>(NONE)
  const [trouble, setTrouble] = useState<string>()
  const [turn, setTurn] = useState(0)
  const held = useRef<Entry[]>([])
  const incoming = useRef<Entry[]>([])
  const lost = useRef(0)
  const holding = useRef(isHolding)
  holding.current = isHolding
  const show = useCallback((entries: readonly Entry[]) => {
    setState((before) => ({ ...before, entries: [...entries, ...before.entries].slice(0, LIVE_MAX), held: 0 }))
  }, [])
  const flush = useCallback(() => {
    show(held.current)
    held.current = []
  }, [show])
  useEffect(() => {
    if (query === undefined) return
    const abort = new AbortController()
    const arrivals: [at: number, count: number][] = []
    const began = { ms: Date.now(), at: performance.now() }
    held.current = []
    incoming.current = []
    lost.current = 0
    setState(NONE)
    let hiddenTimer: ReturnType<typeof setTimeout> | undefined
    const onHidden = (): void => {
      clearTimeout(hiddenTimer)
      if (document.hidden) hiddenTimer = setTimeout(() => abort.abort(), HIDDEN_MS)
      else if (abort.signal.aborted) setTurn((before) => before + 1)
    }
    document.addEventListener('visibilitychange', onHidden)
    const sink = {
      lines: (entries: readonly Entry[], dropped: number) => {
        incoming.current = [...entries, ...incoming.current]
        lost.current += dropped
        arrivals.push([performance.now(), countNew(entries, began) + dropped])
      },
      trouble: setTrouble,
    }
    void follow(query, nsOf(Date.now() - PAST_MS), sink, abort.signal)
    const timer = setInterval(() => {
      const now = performance.now()
      while ((arrivals[0]?.[0] ?? now) < now - RATE_MS) arrivals.shift()
      const rate = arrivals.reduce((sum, [, count]) => sum + count, 0) / (RATE_MS / 1000)
      const fresh = incoming.current
      incoming.current = []
      if (!holding.current) {
        const all = [...fresh, ...held.current]
        held.current = []
        if (all.length > 0) show(all)
      } else {
        const all = [...fresh, ...held.current]
        lost.current += Math.max(0, all.length - HELD_MAX)
        held.current = all.slice(0, HELD_MAX)
      }
      setState((before) =>
        before.held === held.current.length && before.lost === lost.current && before.rate === rate
          ? before
          : { ...before, held: held.current.length, lost: lost.current, rate },
      )
    }, DRAW_MS)
    return () => {
      clearInterval(timer)
      clearTimeout(hiddenTimer)
      document.removeEventListener('visibilitychange', onHidden)
      abort.abort()
    }
  }, [query, turn])
  return { ...state, trouble, flush }
}
