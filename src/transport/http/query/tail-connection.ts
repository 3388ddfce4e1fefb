/** Drives one live tail over one connection, and knows of all that are open. */

import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { QueryGate } from '../../../flows/query/query-gate.ts'
import type { TailFrame, TailSession } from '../../../flows/query/tail-logs.ts'
import type { Clock, LiveFeed, LogStore } from '../../../ports/log-store.ts'

/** Where frames go: a WebSocket, or an HTTP answer that does not end. */
export interface TailSink {
  /** Bytes that were sent and that the client has not taken. */
  readonly waitingBytes: number
  /** Calls `onRoom` when the client has taken something. */
  listen(onRoom: () => void): void
  send(frame: string): void
  /** Tells the client, and whatever stands between, that the tail lives. */
  ping(): void
  /** Ends the connection, with words for the client. */
  end(reason: TailEnd): void
}

export interface TailEnd {
  readonly kind: 'failed' | 'expired' | 'stopped' | 'slow'
  readonly text: string
}

export interface TailParts {
  readonly store: LogStore
  readonly clock: Clock
  readonly feed: LiveFeed
  /** The past is a query among the others. */
  readonly gate: QueryGate
  readonly timeoutMs: number
}

/** Tails of one tenant at a time: Loki's max_concurrent_tail_requests. */
export const TAILS_MAX = 10
/** Tails of all tenants: each may hold some megabytes of lines that wait. */
const TAILS_TOTAL_MAX = 200
/** How long a tail may go on: Loki's tail_max_duration. */
const DURATION_MS_MAX = 3600_000
/** Bytes that may wait in the connection before frames are held back. */
const WAITING_BYTES_MAX = 256 * 1024
/** A client that takes nothing for so long while frames wait is cut off. */
const STALLED_MS_MAX = 30_000
const TICK_MS = 1000

/** The tails that are open. */
export class TailHub {
  readonly #open = new Map<string, Set<TailConnection>>()

  /** Throws rate_limited when the tenant has as many tails as it may, overloaded when all together have. */
  assertRoom(tenant: string): void {
    if (this.size >= TAILS_TOTAL_MAX) {
      throw new GatewayError('overloaded', `${TAILS_TOTAL_MAX} tails are open, as many as there may be; retry later`)
    }
    const count = (this.#open.get(tenant)?.size ?? 0) + 1
    if (count <= TAILS_MAX) return
    const text = `max concurrent tail requests limit exceeded, count > limit (${count} > ${TAILS_MAX}); close one of them`
    throw new GatewayError('rate_limited', text)
  }

  add(tenant: string, connection: TailConnection): () => void {
    const connections = this.#open.get(tenant) ?? new Set<TailConnection>()
    this.#open.set(tenant, connections)
    connections.add(connection)
    return () => {
      connections.delete(connection)
      if (connections.size === 0 && this.#open.get(tenant) === connections) this.#open.delete(tenant)
    }
  }

  get size(): number {
    let size = 0
    for (const connections of this.#open.values()) size += connections.size
    return size
  }

  /** Ends all of them: the gateway stops. */
  endAll(): void {
    for (const connections of [...this.#open.values()]) {
      for (const connection of [...connections]) connection.end({ kind: 'stopped', text: 'the gateway stops' })
    }
  }
}

export interface TailOrder {
  readonly tenant: string
  readonly session: TailSession
  readonly format: (frame: TailFrame) => string
}

/** From the first frame until the client goes, the time is up, or the gateway stops. */
export class TailConnection {
  readonly #parts: TailParts
  readonly #order: TailOrder
  readonly #sink: TailSink
  readonly #log: FastifyRequest['log']
  readonly #startedMs: number
  readonly #abort = new AbortController()
  readonly #cleanups: (() => void)[] = []
  #isEnded = false
  #isFlushing = false
  #movedMs: number
  #waitingBytes = 0

  constructor(parts: TailParts, order: TailOrder, sink: TailSink, log: FastifyRequest['log']) {
    this.#parts = parts
    this.#order = order
    this.#sink = sink
    this.#log = log
    this.#startedMs = parts.clock.monotonicMs()
    this.#movedMs = this.#startedMs
    sink.listen(() => this.flush())
  }

  /**
   * Listens first and reads the past then, so that nothing falls between the two. Ends at once where others took the
   * last room since it was looked for.
   */
  start(hub: TailHub): void {
    const { tenant, session } = this.#order
    try {
      hub.assertRoom(tenant)
    } catch (error) {
      this.#fail(error)
      return
    }
    const { feed, clock, timeoutMs } = this.#parts
    this.#cleanups.push(hub.add(tenant, this))
    this.#cleanups.push(
      feed.subscribe(tenant, (batch) => {
        try {
          if (session.offer(batch, clock.monotonicMs())) this.#flushSoon()
        } catch (error) {
          // The push that brought the batch is stored: what goes wrong here is this tail's alone.
          this.#fail(error)
        }
      }),
    )
    const timer = setInterval(() => this.tick(), TICK_MS)
    this.#cleanups.push(() => clearInterval(timer))
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)])
    this.#load(signal).then(
      () => this.flush(),
      (error: unknown) => this.#fail(error),
    )
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { store, clock, gate } = this.#parts
    const { tenant, session } = this.#order
    const leave = await gate.enter(tenant, signal)
    try {
      await session.load(store, clock.monotonicMs(), signal)
    } finally {
      leave()
    }
  }

  /** Once a second. */
  tick(): void {
    if (this.#isEnded) return
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#startedMs >= DURATION_MS_MAX) {
      this.end({ kind: 'expired', text: 'reached tail max duration limit' })
      return
    }
    const { waitingBytes } = this.#sink
    if (waitingBytes < WAITING_BYTES_MAX || waitingBytes < this.#waitingBytes) this.#movedMs = nowMs
    this.#waitingBytes = waitingBytes
    if (nowMs - this.#movedMs >= STALLED_MS_MAX) {
      this.end({ kind: 'slow', text: 'the client reads too slowly' })
      return
    }
    this.#sink.ping()
    this.flush()
  }

  /** Sends what is due, as far as the client keeps up. */
  flush(): void {
    while (!this.#isEnded && this.#sink.waitingBytes < WAITING_BYTES_MAX) {
      const frame = this.#order.session.takeFrame(this.#parts.clock.monotonicMs())
      if (frame === undefined) return
      this.#sink.send(this.#order.format(frame))
    }
  }

  end(reason: TailEnd): void {
    if (this.#isEnded) return
    this.closed()
    this.#sink.end(reason)
  }

  /** The connection is gone: lets go of everything. */
  closed(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#abort.abort()
    for (const cleanup of this.#cleanups) cleanup()
  }

  /** Not at once: the push that brought the lines is answered first, and those that come together share a frame. */
  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    setImmediate(() => {
      this.#isFlushing = false
      this.flush()
    })
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return
    const isKnown = error instanceof GatewayError
    if (!isKnown) this.#log.error({ err: error }, 'a tail failed')
    this.end({ kind: 'failed', text: isKnown ? error.message : 'the tail failed; the log of the gateway tells more' })
  }
}
