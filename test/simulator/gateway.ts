/** One life of the gateway: the real flows over the real embedded store, called directly, as its routes call them. */

import { type Database, openDatabase } from '../../src/adapters/embedded/database.ts'
import { LocalFeed } from '../../src/adapters/embedded/local-feed.ts'
import { SqliteLogStore, type StoreSettings } from '../../src/adapters/embedded/sqlite-log-store.ts'
import { BatchBuilder } from '../../src/domain/entries/batch-builder.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { type PushLimits, QUERY_LIMITS } from '../../src/domain/limits.ts'
import type { MetricResult, ResultStream } from '../../src/domain/query-result.ts'
import {
  cancelDeletion,
  type DeletionOrder,
  hideDeleted,
  processDeletions,
  requestDeletion,
} from '../../src/flows/delete/delete-logs.ts'
import { acceptPush, type PushOutcome } from '../../src/flows/push/accept-push.ts'
import { StreamGateKeeper } from '../../src/flows/push/stream-gate.ts'
import { openTurn, QueryTurns } from '../../src/flows/query/query-turns.ts'
import { type LogQueryRequest, runLogQuery } from '../../src/flows/query/run-log-query.ts'
import { type MetricQueryRequest, runMetricQuery } from '../../src/flows/query/run-metric-query.ts'
import { type TailFrame, type TailRequest, TailSession } from '../../src/flows/query/tail-logs.ts'
import type { Repeat } from '../../src/kit/repeat.ts'
import type { LogStore } from '../../src/ports/log-store.ts'
import { feed, type PlainStream, RecordedEvents } from '../support/helper.ts'
import type { Scheduler, SimulatedClock } from './scheduler.ts'

export interface GatewaySettings {
  readonly store: Omit<StoreSettings, 'dataDir'>
  readonly push: PushLimits
  /** Pages of the write-ahead log at which SQLite copies it into the file. */
  readonly checkpointPages: number
}

export interface PushRequest {
  readonly tenant: string
  readonly origin: 'push' | 'logs'
  readonly streams: readonly PlainStream[]
}

export class Gateway {
  readonly events = new RecordedEvents()
  readonly store: SqliteLogStore
  /** What queries read: without entries that are due to be deleted. */
  readonly reader: LogStore
  readonly #clock: SimulatedClock
  readonly #settings: GatewaySettings
  readonly #feed = new LocalFeed()
  readonly #gate: StreamGateKeeper
  readonly #turns: QueryTurns
  #database: Database | undefined
  #looks = 0

  /** Throws the error of a failed start. */
  constructor(dataDir: string, scheduler: Scheduler, clock: SimulatedClock, settings: GatewaySettings) {
    this.#clock = clock
    this.#settings = settings
    this.#gate = new StreamGateKeeper(settings.push, clock)
    // A turn lasts for a few readings of the clock, so that queries take turns although nothing takes time.
    this.#turns = new QueryTurns({
      nowMs: () => this.#looks++,
      afterOthers: (run) => {
        scheduler.turn('gateway', run)
      },
    })
    const open = (folder: string): Database => {
      this.#database = openDatabase(folder)
      this.#database.writer.exec(`PRAGMA wal_autocheckpoint = ${settings.checkpointPages}`)
      return this.#database
    }
    this.store = new SqliteLogStore({ ...settings.store, dataDir }, clock, this.events, { open, repeat })
    this.reader = hideDeleted(this.store, this.store.deletions)
  }

  async push({ tenant, origin, streams }: PushRequest): Promise<PushOutcome> {
    const limits = this.#settings.push
    const builder = new BatchBuilder({
      tenant,
      limits,
      nowMs: this.#clock.nowMs(),
      discoverServiceName: false,
      discoverLevels: false,
      labelCountMax: limits.labelCountMax,
      acceptsAnyAge: false,
      dropped: [],
      streams: this.#gate,
    })
    feed(builder, streams)
    const ports = { store: this.reader, feed: this.#feed }
    return acceptPush(ports, builder, { origin, rate: { gate: this.#gate, limits } })
  }

  async query(request: LogQueryRequest, signal: AbortSignal): Promise<readonly ResultStream[]> {
    const turn = openTurn(this.#turns, request.tenant, signal)
    return (await runLogQuery(this.reader, this.#clock, QUERY_LIMITS, request, turn)).streams
  }

  async measure(request: MetricQueryRequest, signal: AbortSignal): Promise<MetricResult> {
    const turn = openTurn(this.#turns, request.tenant, signal)
    return (await runMetricQuery(this.reader, this.#clock, QUERY_LIMITS, request, turn)).result
  }

  requestDeletion(order: DeletionOrder): Promise<void> {
    return requestDeletion(this.store.deletions, this.#clock, order)
  }

  cancelDeletion(tenant: string, id: string): Promise<void> {
    return cancelDeletion(this.store.deletions, this.#clock, tenant, id)
  }

  processDeletions(): Promise<void> {
    return processDeletions(this.store.deletions, this.#clock)
  }

  /** Calls `onFrame` with each frame until the returned function is called. */
  async tail(request: TailRequest, onFrame: (frame: TailFrame) => void): Promise<() => void> {
    const session = new TailSession(request)
    const take = (): void => {
      for (let frame = session.takeFrame(this.#clock.monotonicMs()); frame; ) {
        onFrame(frame)
        frame = session.takeFrame(this.#clock.monotonicMs())
      }
    }
    const leave = this.#feed.subscribe(request.tenant, (batch) => session.offer(batch, this.#clock.monotonicMs()))
    const timer = setInterval(take, 1000)
    await session.load(this.reader, this.#clock.monotonicMs())
    return () => {
      take()
      clearInterval(timer)
      leave()
    }
  }

  /** A clean end. */
  close(): Promise<void> {
    return this.store.close()
  }

  /** Frees what the kernel would free after a kill. */
  abandon(): void {
    try {
      this.#database?.close()
    } catch {}
    this.#database = undefined
  }
}

/** Repeats like the home, with the current timers. */
const repeat: Repeat = (run, ms) => {
  const timer = setInterval(run, ms)
  return () => clearInterval(timer)
}

/** What a client sees of an error. */
export function statusOf(error: unknown): number {
  if (!(error instanceof GatewayError)) throw error
  return error.status
}
