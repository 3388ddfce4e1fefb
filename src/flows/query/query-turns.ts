/** Time slicing on one thread: a query runs for some milliseconds, then other work has its turn. */

import { finishSlices, type Slices } from '../../kit/slices.ts'

/** The event loop and a clock for measuring turns. */
export interface EventLoop {
  /** Milliseconds that never go backwards, from any start. */
  nowMs(): number
  /** Calls `run` once, after the event loop has handled its pending events, such as requests and responses. */
  afterOthers(run: () => void): void
}

/** Lets one query use the thread in turns. */
export interface QueryTurn {
  /** Aborted with the error to return if the query must end. */
  readonly signal: AbortSignal | undefined
  /** Runs the work, a slice in each turn. Throws what the work throws, and the signal's reason once it is aborted. */
  run<T>(work: Slices<T>): Promise<T>
  /** Resolves immediately during the turn, otherwise at the start of the next one. */
  pause(): Promise<void>
}

/** Without time slicing: for tests, and for work outside of a gateway. */
export const UNSHARED: QueryTurn = {
  signal: undefined,
  run: async (work) => finishSlices(work),
  pause: async () => undefined,
}

/** A turn for the query; without `turns`, an unshared one. */
export function openTurn(turns: QueryTurns | undefined, tenant: string, signal: AbortSignal): QueryTurn {
  return turns?.open(tenant, signal) ?? { ...UNSHARED, signal }
}

/** Duration of a query's turn, ms. It ends at the first yield after that. */
const TURN_MS = 4

/**
 * One query runs at a time. Waiting tenants take turns, and so do the queries of each tenant, so that many queries of a
 * tenant slow down only that tenant. Between two turns the event loop runs.
 */
export class QueryTurns {
  readonly #loop: EventLoop
  readonly #turnMs: number
  /** Callbacks that start the next turn of each waiting query, by tenant; the first tenant is next. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #holder: object | undefined
  #startedMs = 0
  #isScheduled = false

  constructor(loop: EventLoop, turnMs = TURN_MS) {
    this.#loop = loop
    this.#turnMs = turnMs
  }

  open(tenant: string, signal?: AbortSignal): QueryTurn {
    const holder = {}
    const pause = (): Promise<void> => (this.#lasts(holder) ? RESOLVED : this.#wait(tenant, holder))
    const run = async <T>(work: Slices<T>): Promise<T> => {
      for (;;) {
        await pause()
        signal?.throwIfAborted()
        do {
          const { value, done } = work.next()
          if (done === true) return value
        } while (this.#lasts(holder))
      }
    }
    return { signal, run, pause }
  }

  #lasts(holder: object): boolean {
    return this.#holder === holder && this.#loop.nowMs() - this.#startedMs < this.#turnMs
  }

  #wait(tenant: string, holder: object): Promise<void> {
    return new Promise((resolve) => {
      const begin = (): void => {
        this.#holder = holder
        this.#startedMs = this.#loop.nowMs()
        resolve()
      }
      const own = this.#waiting.get(tenant)
      if (own === undefined) this.#waiting.set(tenant, [begin])
      else own.push(begin)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return
    this.#isScheduled = true
    this.#loop.afterOthers(() => {
      this.#isScheduled = false
      this.#beginNext()
      this.#schedule()
    })
  }

  #beginNext(): void {
    const [next] = this.#waiting
    if (next === undefined) return
    const [tenant, own] = next
    const begin = own.shift()
    this.#waiting.delete(tenant)
    if (own.length > 0) this.#waiting.set(tenant, own)
    begin?.()
  }
}

const RESOLVED = Promise.resolve()
