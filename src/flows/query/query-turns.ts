/** Takes turns on the one thread: a query works for some milliseconds, then everything else that waits has its turn. */

import { finishSlices, type Slices } from '../../kit/slices.ts'

/** The event loop and a clock for it. */
export interface EventLoop {
  /** Milliseconds that only rise; their beginning does not matter. */
  nowMs(): number
  /** Calls `run` once, after whatever the event loop has to do before: requests that came, answers that left. */
  afterOthers(run: () => void): void
}

/** One query's part of the thread. */
export interface QueryTurn {
  /** Aborted, with the error to answer, when the query is to end. */
  readonly signal: AbortSignal | undefined
  /** Does the work, a slice in each turn. Throws what the work throws, and the signal's reason once it is aborted. */
  run<T>(work: Slices<T>): Promise<T>
  /** Resolves at once while the turn lasts, otherwise with the next one. */
  pause(): Promise<void>
}

/** Without others to take turns with: for tests, and for work outside of a gateway. */
export const UNSHARED: QueryTurn = {
  signal: undefined,
  run: async (work) => finishSlices(work),
  pause: async () => undefined,
}

/** A turn of the query; where nobody else uses the thread, `turns` is undefined. */
export function openTurn(turns: QueryTurns | undefined, tenant: string, signal: AbortSignal): QueryTurn {
  return turns?.open(tenant, signal) ?? { ...UNSHARED, signal }
}

/** How long one turn lasts, ms. It ends at the next yield behind that. */
const TURN_MS = 4

/**
 * One query works at a time. The tenants that wait take turns, and so do the queries of each: a tenant with many queries
 * slows its own. Between two turns the event loop goes round.
 */
export class QueryTurns {
  readonly #loop: EventLoop
  /** What begins the next turn of each query that waits, by tenant; the tenant whose turn is next stands first. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #holder: object | undefined
  #startedMs = 0
  #isScheduled = false

  constructor(loop: EventLoop) {
    this.#loop = loop
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
    return this.#holder === holder && this.#loop.nowMs() - this.#startedMs < TURN_MS
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
