/** How many queries run at once, and who waits: a storm of heavy queries takes its turns, not all memory. */

import { GatewayError } from '../../domain/errors.ts'

/** Queries of all tenants that wait, where there are many tenants. */
const WAITING_TOTAL_MAX = 1000

export interface QueryGateSettings {
  readonly runningMax: number
  /** Queries of one tenant. */
  readonly waitingMax: number
}

/** To be called once a query is over. */
export type Leave = () => void

export class QueryGate {
  readonly #settings: QueryGateSettings
  /** What lets the next query in, by tenant; the tenant whose turn is next stands first. */
  readonly #waiting = new Map<string, Set<() => void>>()
  #running = 0
  #waitingCount = 0

  constructor(settings: QueryGateSettings) {
    this.#settings = settings
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waitingCount
  }

  /**
   * Resolves when the query may run; the tenants that wait take turns. Throws rate_limited when too many queries of
   * the tenant wait, overloaded when too many of all do, and the signal's reason once it is aborted.
   */
  async enter(tenant: string, signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted()
    if (this.#running < this.#settings.runningMax) this.#running++
    else await this.#wait(tenant, signal)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#next()
    }
  }

  #wait(tenant: string, signal: AbortSignal): Promise<void> {
    const own = this.#waiting.get(tenant) ?? new Set()
    this.#assertRoom(own.size)
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', giveUp)
        this.#forget(tenant, own, go)
        resolve()
      }
      const giveUp = (): void => {
        this.#forget(tenant, own, go)
        reject(signal.reason)
      }
      signal.addEventListener('abort', giveUp, { once: true })
      own.add(go)
      this.#waiting.set(tenant, own)
      this.#waitingCount++
    })
  }

  /** The first words are Loki's, which clients know. */
  #assertRoom(waiting: number): void {
    const { waitingMax } = this.#settings
    if (waiting >= waitingMax) {
      const text = `too many outstanding requests: ${waiting} queries of this tenant wait, as many as may; retry later or raise MILLRACE_QUERIES_WAITING_MAX`
      throw new GatewayError('rate_limited', text)
    }
    if (this.#waitingCount >= WAITING_TOTAL_MAX) {
      const text = `too many outstanding requests: ${this.#waitingCount} queries of all tenants wait; retry later`
      throw new GatewayError('overloaded', text)
    }
  }

  #forget(tenant: string, own: Set<() => void>, go: () => void): void {
    if (own.delete(go)) this.#waitingCount--
    if (own.size === 0 && this.#waiting.get(tenant) === own) this.#waiting.delete(tenant)
  }

  /** Hands the place of a query that is over to the next, and its tenant goes to the end. */
  #next(): void {
    for (const [tenant, own] of this.#waiting) {
      const [go] = own
      if (go === undefined) continue
      this.#waiting.delete(tenant)
      if (own.size > 1) this.#waiting.set(tenant, own)
      go()
      return
    }
    this.#running--
  }
}
