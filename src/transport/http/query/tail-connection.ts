/** Runs a live tail over a connection, and keeps track of all open tails. */

import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { QueryGate } from '../../../flows/query/query-gate.ts'
import type { QueryTurns } from '../../../flows/query/query-turns.ts'
import type { TailFrame, TailSession } from '../../../flows/query/tail-logs.ts'
import type { Clock, LiveFeed, LogStore } from '../../../ports/log-store.ts'

/** The destination of frames: a WebSocket or a streaming HTTP response. */
export interface TailSink {
  /** Bytes sent that the client has not read yet. */
  readonly waitingBytes: number
  /** Calls `onRoom` when the client has read something. */
  listen(onRoom: () => void): void
  send(frame: string): void
  /** Shows the client and proxies that the tail is alive. */
  ping(): void
  /** Ends the connection with a reason for the client. */
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
  /** The initial lines are read by a query that queues like any other. */
  readonly gate: QueryGate
  readonly turns: QueryTurns
  readonly timeoutMs: number
}

/** Concurrent tails per tenant: Loki's max_concurrent_tail_requests. */
export const TAILS_MAX = 10
/** Concurrent tails of all tenants: each may buffer some megabytes of lines. */
const TAILS_TOTAL_MAX = 200
/** The maximum duration of a tail: Loki's tail_max_duration. */
const DURATION_MS_MAX = 3600_000
/** Unread bytes in the connection above which frames are held back. */
const WAITING_BYTES_MAX = 256 * 1024
/** A client that reads nothing for this long while frames wait is disconnected. */
const STALLED_MS_MAX = 30_000
const TICK_MS = 1000
/** How long all tails together may process an accepted push before they defer the rest. */
const LOOK_MS_MAX = 4

/** The open tails. */
export class TailHub {
  readonly #open = new Map<string, Set<TailConnection>>()
  /** When the tails began to process lines in this iteration of the event loop. */
  #startedMs: number | undefined

  /** True once the tails together have processed lines for too long: the response to the push waits for them. */
  isOverdue(): boolean {
    const nowMs = performance.now()
    if (this.#startedMs === undefined) {
      this.#startedMs = nowMs
      setImmediate(() => {
        this.#startedMs = undefined
      })
    }
    return nowMs - this.#startedMs >= LOOK_MS_MAX
  }

  /** Throws rate_limited at the limit of the tenant, and overloaded at the limit of all tenants. */
  assertRoom(tenant: string): void {
    if (this.size >= TAILS_TOTAL_MAX) {
      throw new GatewayError('overloaded', `${TAILS_TOTAL_MAX} tails are open, which is the maximum; retry later`)
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

  /** Ends all tails because the gateway stops. */
  endAll(): void {
    for (const connections of [...this.#open.values()]) {
      for (const connection of [...connections]) connection.end({ kind: 'stopped', text: 'the gateway is stopping' })
    }
  }
}

export interface TailOrder {
  readonly tenant: string
  readonly session: TailSession
  readonly format: (frame: TailFrame) => string
}

/** A tail from the first frame until the client disconnects, the time is up, or the gateway stops. */
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
  #isReading = false
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
   * Subscribes before it reads the initial lines, so that none are missed in between. Ends immediately if the limit was
   * reached since assertRoom.
   */
  start(hub: TailHub): void {
    const { tenant, session } = this.#order
    try {
      hub.assertRoom(tenant)
    } catch (error) {
      this.#fail(error)
      return
    }
    const { feed, clock } = this.#parts
    this.#cleanups.push(hub.add(tenant, this))
    this.#cleanups.push(
      feed.subscribe(tenant, (batch) => {
        try {
          if (!session.offer(batch, clock.monotonicMs(), () => hub.isOverdue())) return
          if (session.hasPending) this.#readPending()
          else this.#flushSoon()
        } catch (error) {
          // The pushed batch is already stored: a failure here affects only this tail.
          this.#fail(error)
        }
      }),
    )
    const timer = setInterval(() => this.tick(), TICK_MS)
    this.#cleanups.push(() => clearInterval(timer))
    this.#load().then(
      () => this.flush(),
      (error: unknown) => this.#fail(error),
    )
  }

  async #load(): Promise<void> {
    const { store, clock, gate, turns, timeoutMs } = this.#parts
    const { tenant, session } = this.#order
    const leave = await gate.enter(tenant, this.#abort.signal)
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)])
    try {
      await session.load(store, clock.monotonicMs(), turns.open(tenant, signal))
    } finally {
      leave()
    }
  }

  /** Reads what was too much to read while the push waited, in turns like a query. */
  #readPending(): void {
    if (this.#isReading) return
    this.#isReading = true
    const { session, tenant } = this.#order
    const turn = this.#parts.turns.open(tenant, this.#abort.signal)
    turn.run(session.readPending()).then(
      () => {
        this.#isReading = false
        this.flush()
        if (session.hasPending && !this.#isEnded) this.#readPending()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  /** Called once a second. */
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

  /** Sends due frames, as far as the client keeps up. */
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

  /** Releases everything after the connection has closed. */
  closed(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#abort.abort()
    for (const cleanup of this.#cleanups) cleanup()
  }

  /** Deferred, so that the push is answered first and concurrent batches share a frame. */
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
    this.end({ kind: 'failed', text: isKnown ? error.message : 'the tail failed; see the log of the gateway' })
  }
}
