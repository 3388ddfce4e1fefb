/** The embedded flow from accepted lines to notifications, over a real store and a virtual clock. */

import type { Test } from 'tap'
import { SqliteIncidents } from '../../../src/adapters/embedded/sqlite-incidents.ts'
import type { Message } from '../../../src/domain/incidents/notification.ts'
import { AcceptedCounter } from '../../../src/flows/incidents/count-accepted.ts'
import {
  IncidentLoop,
  LINES_EVERY_MS,
  OUTBOX_EVERY_MS,
  type Schedule,
  SWEEP_EVERY_MS,
} from '../../../src/flows/incidents/incident-loop.ts'
import { NotifyDesk, type NotifySettings } from '../../../src/flows/incidents/notify-incidents.ts'
import type { LineRules } from '../../../src/flows/incidents/open-counter.ts'
import { IncidentDesk } from '../../../src/flows/incidents/raise-incidents.ts'
import type { CommittedBlocks, IncidentStore, Notifier } from '../../../src/ports/incidents.ts'
import { CLOSED_KEPT_MS, EVENT_MEMORY_MS, HASH } from '../../contract/incident-store.ts'
import type { FixedClock } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

/** A notifier that records messages, and fails on demand. */
export class RecordingNotifier implements Notifier {
  readonly name: string
  readonly messages: Message[] = []
  readonly sentAtMs: number[] = []
  readonly #clock: FixedClock
  /** Receives a message and returns whether it fails `after` or `before` it was recorded. */
  fault: (message: Message) => 'before' | 'after' | 'hang' | undefined = () => undefined

  constructor(clock: FixedClock, name = 'recording') {
    this.#clock = clock
    this.name = name
  }

  async send(message: Message): Promise<void> {
    const fault = this.fault(message)
    if (fault === 'hang') return new Promise(() => undefined)
    if (fault === 'before') throw new Error('the receiver is down')
    this.messages.push(message)
    this.sentAtMs.push(this.#clock.ms)
    if (fault === 'after') throw new Error('the answer was lost')
  }

  /** Ids of the recorded messages, without duplicates. */
  get reported(): string[] {
    return [...new Set(this.messages.flatMap(({ notifications }) => notifications.map(({ id }) => id)))]
  }
}

export const RULES: LineRules = {
  levelMin: 6,
  accepts: undefined,
  keepsRows: false,
  identityLabels: ['service_name', 'log_group'],
  closesAfterMs: 60_000,
}
export const NOTIFY: NotifySettings = { perMinuteMax: 20, timeoutMs: 10_000, leaseMs: 30_000 }

export interface FlowOptions {
  /** The blocks from which lines are counted; none if they are counted otherwise. */
  readonly blocks?: CommittedBlocks
  readonly dataDir?: string
  readonly rules?: LineRules
  readonly notify?: NotifySettings
  readonly notifiers?: readonly Notifier[]
  /** Wraps the store of the flow. */
  readonly wrapStore?: (store: IncidentStore) => IncidentStore
  /** A signal that is already aborted acts as a timeout. */
  readonly timeoutSignal?: () => AbortSignal
}

export interface OpenedFlow {
  readonly store: SqliteIncidents
  readonly desk: IncidentDesk
  readonly notify: NotifyDesk
  readonly counter: AcceptedCounter
  readonly failures: unknown[]
  close(): Promise<void>
}

export function openFlow(t: Test, clock: FixedClock, options: FlowOptions = {}): OpenedFlow {
  const { dataDir = testFolder(t), rules = RULES, notifiers = [], notify: settings = NOTIFY } = options
  const failures: unknown[] = []
  const fail = (cause: unknown): void => void failures.push(cause)
  const base = new SqliteIncidents(
    dataDir,
    { eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS },
    () => clock.ms,
  )
  t.teardown(() => base.close())
  const store = options.wrapStore?.(base) ?? base
  const notify = new NotifyDesk({
    store,
    hash: HASH,
    notifiers,
    clock,
    settings,
    events: { sent: () => undefined, sendFailed: (_name, cause) => fail(cause), outboxFailed: fail },
    timeoutSignal: options.timeoutSignal ?? (() => new AbortController().signal),
  })
  const desk = new IncidentDesk({
    store,
    hash: HASH,
    clock,
    settings: {
      targets: notifiers.map(({ name }) => name),
      leaseMs: settings.leaseMs,
      singlesMax: settings.perMinuteMax,
    },
    onWritten: (item) => notify.offer(item),
  })
  const { blocks = NO_BLOCKS } = options
  const counter = new AcceptedCounter({ rules, hash: HASH, desk, store, blocks, clock, onFailure: fail })
  return { store: base, desk, notify, counter, failures, close: () => base.close() }
}

const NO_BLOCKS: CommittedBlocks = {
  last: () => 0,
  listen: () => undefined,
  keepAfter: () => undefined,
  async *since() {},
}

/** A virtual clock that advances in steps, at most to the next scheduled call. */
export class VirtualTime {
  readonly #clock: FixedClock
  readonly #plans = new Set<{ readonly run: () => void; readonly dueMs: number }>()

  constructor(clock: FixedClock) {
    this.#clock = clock
  }

  readonly schedule: Schedule = (run, ms) => {
    const plan = { run, dueMs: this.#clock.ms + ms }
    this.#plans.add(plan)
    return () => this.#plans.delete(plan)
  }

  /** Advances by `ms`; work that has started gets its turns before each step. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#clock.ms + ms
    for (;;) {
      await settle()
      const next = [...this.#plans].sort((a, b) => a.dueMs - b.dueMs)[0]
      if (next === undefined || next.dueMs > endMs) break
      this.#plans.delete(next)
      this.#clock.ms = Math.max(this.#clock.ms, next.dueMs)
      next.run()
    }
    this.#clock.ms = endMs
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

export function makeLoop({ counter, notify, desk, failures }: OpenedFlow, time: VirtualTime): IncidentLoop {
  const rounds = [
    { everyMs: LINES_EVERY_MS, run: () => counter.round() },
    { everyMs: OUTBOX_EVERY_MS, run: () => notify.sendDue() },
    { everyMs: SWEEP_EVERY_MS, run: () => desk.sweep() },
  ]
  return new IncidentLoop(rounds, time.schedule, (cause) => void failures.push(cause))
}

/** The store, whose calls are rejected while `fails` returns true for their name. */
export function failing(base: IncidentStore, fails: (call: PropertyKey) => boolean): IncidentStore {
  return new Proxy(base, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return fails(name) ? () => Promise.reject(new Error('the store is down')) : value.bind(target)
    },
  })
}
