/** Refuses requests while the heap is nearly full: Node ends the process when it is full. */

import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import type { Clock } from '../../ports/log-store.ts'

/** The memory of the JavaScript heap. */
export interface Heap {
  /** Bytes in use, garbage included. */
  usedBytes(): number
  /** Bytes at which Node ends the process. */
  readonly limitBytes: number
  /** Frees all garbage; stops everything else meanwhile. */
  collect(): void
}

/** The part of the limit from which on requests are refused. */
const USED_MAX = 0.85
/** How often garbage is collected in order to see what is really in use. */
const COLLECT_MS = 2000
/** What must be served for operators to see what is wrong. */
const ALWAYS_SERVED = new Set(['/healthz', '/ready', '/metrics'])

export class HeapGuard {
  readonly #heap: Heap
  readonly #clock: Clock
  #collectedMs = Number.NEGATIVE_INFINITY

  constructor(heap: Heap, clock: Clock) {
    this.#heap = heap
    this.#clock = clock
  }

  /** Throws overloaded if the heap is nearly full of what is in use. */
  assertRoom(): void {
    if (!this.#isTight()) return
    const nowMs = this.#clock.monotonicMs()
    // Without this, the garbage of earlier requests would keep out all later ones.
    if (nowMs - this.#collectedMs >= COLLECT_MS) {
      this.#heap.collect()
      this.#collectedMs = nowMs
      if (!this.#isTight()) return
    }
    const { limitBytes } = this.#heap
    const text = `the gateway has used more than ${USED_MAX * 100} % of its ${limitBytes} bytes of memory; retry later, or give Node more with NODE_OPTIONS=--max-old-space-size`
    throw new GatewayError('overloaded', text)
  }

  #isTight(): boolean {
    return this.#heap.usedBytes() > this.#heap.limitBytes * USED_MAX
  }
}

/** To be called before all routes. */
export function registerHeapGuard(app: FastifyInstance, guard: HeapGuard): void {
  app.addHook('onRequest', async (request) => {
    if (!ALWAYS_SERVED.has(request.routeOptions.url ?? '')) guard.assertRoom()
  })
}
