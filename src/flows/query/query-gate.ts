/** Limits concurrent queries and queues the others, so that a burst of heavy queries cannot exhaust the memory. */

import { GatewayError } from '../../domain/errors.ts'

/** Maximum number of waiting queries of all tenants. */
const WAITING_TOTAL_MAX = 1000

export interface QueryGateSettings {
  /** Maximum concurrent queries of all tenants. */
  readonly runningMax: number
  /** Maximum concurrent queries of one tenant, which leaves slots for other tenants. */
  readonly tenantRunningMax: number
  /** Maximum waiting queries of one tenant. */
  readonly waitingMax: number
}

/** Must be called when the query has ended. */
export type Leave = () => void

interface TenantQueries {
  running: number
  /** Callbacks that admit the waiting queries, in order of arrival. */
  readonly waiting: Set<() => void>
}

export class QueryGate {
  readonly #settings: QueryGateSettings
  /** Tenants with running or waiting queries; of those with waiting queries, the first one is next. */
  readonly #tenants = new Map<string, TenantQueries>()
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
   * Resolves when the query may run; waiting tenants take turns. Throws rate_limited if too many queries of the tenant wait,
   * overloaded if too many queries of all tenants wait, and the signal's reason if it is aborted.
   */
  async enter(tenant: string, signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted()
    const own = this.#tenants.get(tenant) ?? { running: 0, waiting: new Set() }
    if (this.#hasPlace(own)) this.#begin(tenant, own)
    else await this.#wait(tenant, own, signal)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#end(tenant, own)
    }
  }

  #hasPlace(own: TenantQueries): boolean {
    const { runningMax, tenantRunningMax } = this.#settings
    return this.#running < runningMax && own.running < tenantRunningMax
  }

  #begin(tenant: string, own: TenantQueries): void {
    own.running++
    this.#running++
    this.#tenants.set(tenant, own)
  }

  #end(tenant: string, own: TenantQueries): void {
    own.running--
    this.#running--
    this.#forgetIdle(tenant, own)
    this.#letNextIn()
  }

  #wait(tenant: string, own: TenantQueries, signal: AbortSignal): Promise<void> {
    this.#assertRoom(own.waiting.size)
    this.#tenants.set(tenant, own)
    return new Promise((resolve, reject) => {
      const stopWaiting = (): void => {
        signal.removeEventListener('abort', giveUp)
        own.waiting.delete(letIn)
        this.#waitingCount--
      }
      const letIn = (): void => {
        stopWaiting()
        resolve()
      }
      const giveUp = (): void => {
        stopWaiting()
        this.#forgetIdle(tenant, own)
        reject(signal.reason)
      }
      signal.addEventListener('abort', giveUp, { once: true })
      own.waiting.add(letIn)
      this.#waitingCount++
    })
  }

  /** The texts start with Loki's message, which clients match. */
  #assertRoom(waiting: number): void {
    const { waitingMax } = this.#settings
    if (waiting >= waitingMax) {
      const text = `too many outstanding requests: ${waiting} queries of this tenant are waiting, which is the maximum; retry later or raise MILLRACE_QUERIES_WAITING_MAX`
      throw new GatewayError('rate_limited', text)
    }
    if (this.#waitingCount >= WAITING_TOTAL_MAX) {
      const text = `too many outstanding requests: ${this.#waitingCount} queries of all tenants are waiting; retry later`
      throw new GatewayError('overloaded', text)
    }
  }

  #forgetIdle(tenant: string, own: TenantQueries): void {
    if (own.running > 0 || own.waiting.size > 0) return
    if (this.#tenants.get(tenant) === own) this.#tenants.delete(tenant)
  }

  /** Admits a query of the first tenant that may run one, and moves the tenant to the end. */
  #letNextIn(): void {
    for (const [tenant, own] of this.#tenants) {
      const [letIn] = own.waiting
      if (letIn === undefined || !this.#hasPlace(own)) continue
      this.#tenants.delete(tenant)
      this.#begin(tenant, own)
      letIn()
      return
    }
  }
}
