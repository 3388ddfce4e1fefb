/** An answer of the gateway as state of a component: old content stays while new is asked for. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { isAbort, wordsOf } from '../api/request.ts'

export interface Asked<T> {
  readonly value: T | undefined
  readonly fault: string | undefined
  readonly isBusy: boolean
  readonly again: () => void
}

/** Asks again when one of `inputs` changes; the question before is aborted. */
export function useAsk<T>(question: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Asked<T> {
  const [state, setState] = useState<{ value: T | undefined; fault: string | undefined; isBusy: boolean }>({
    value: undefined,
    fault: undefined,
    isBusy: true,
  })
  const [turn, setTurn] = useState(0)
  const latest = useRef(question)
  latest.current = question
  useEffect(() => {
    const abort = new AbortController()
    setState((before) => ({ ...before, isBusy: true }))
    latest
      .current(abort.signal)
      .then((value) => {
        if (!abort.signal.aborted) setState({ value, fault: undefined, isBusy: false })
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted && !isAbort(error))
          setState((before) => ({ ...before, fault: wordsOf(error), isBusy: false }))
      })
    return () => abort.abort()
  }, [...inputs, turn])
  return { ...state, again: () => setTurn(turn + 1) }
}
