/** Sends notifications of transitions: immediately if possible, with retries, and at a limited rate. */

import { GatewayError } from '../../domain/errors.ts'
import type { KeyedHash } from '../../domain/incidents/incident.ts'
import {
  DIGEST_PENDING,
  type Message,
  minuteOf,
  nextDigestMs,
  type OutboxItem,
} from '../../domain/incidents/notification.ts'
import { backoffMs, NO_CHANCE } from '../../kit/backoff.ts'
import { CircuitBreaker } from '../../kit/circuit-breaker.ts'
import type { IncidentStore, Notifier } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'

export interface NotifySettings {
  /**
   * Maximum number of messages per minute over all processes; further notifications wait for the next minute's digest.
   */
  readonly perMinuteMax: number
  /** Timeout of a notifier for one message. */
  readonly timeoutMs: number
  /** Lease of a process on an item that it took; longer than all its notifiers may take. */
  readonly leaseMs: number
}

export interface NotifyParts {
  readonly store: IncidentStore
  readonly notifiers: readonly Notifier[]
  readonly clock: Clock
  readonly settings: NotifySettings
  /** For the ids of digests. */
  readonly hash: KeyedHash
  readonly events: NotifyEvents
  /** A signal that is aborted after `ms`. */
  readonly timeoutSignal: (ms: number) => AbortSignal
}

/** Events for logs and metrics. Must not throw. */
export interface NotifyEvents {
  sent(notifier: string, notifications: number): void
  /** A notifier failed to send a message; it is retried, unless `isGivenUp`. */
  sendFailed(notifier: string, cause: unknown, isGivenUp: boolean): void
  /** The outbox could not be read or written; its items are retried. */
  outboxFailed(cause: unknown): void
}

/** The wait before a retry; doubles up to an hour. */
const RETRY = { firstMs: 5_000, maxMs: 3600_000 }
/** A notification that could not be sent for this long is given up; the incident remains. */
const GIVE_UP_MS = 24 * 3600_000
/** Maximum number of items taken from the outbox at once. */
const TAKEN_MAX = 500
/** Maximum number of notifications in a digest: a minute of a storm. */
const DIGEST_MAX = 10_000
/** Maximum concurrent sends, and items that wait for one in memory; further items stay in the outbox. */
const SENDING_MAX = 4
const WAITING_MAX = 1_000

export class NotifyDesk {
  readonly #parts: NotifyParts
  readonly #waiting: OutboxItem[] = []
  readonly #running = new Set<Promise<void>>()
  /** One per notifier, so that one that hangs does not block the others. */
  readonly #breakers: ReadonlyMap<string, CircuitBreaker>
  readonly #outbox: CircuitBreaker
  readonly #abandoned = new AbortController()
  /** The minute in which perMinuteMax was reached. */
  #fullMinute = -1

  constructor(parts: NotifyParts) {
    this.#parts = parts
    this.#breakers = new Map(parts.notifiers.map(({ name }) => [name, new CircuitBreaker(parts.clock)]))
    this.#outbox = new CircuitBreaker(parts.clock)
  }

  /** Sends an item on which the caller has the lease, without waiting. Never throws. */
  offer(item: OutboxItem): void {
    if (this.#waiting.length >= WAITING_MAX) return
    this.#waiting.push(item)
    this.#pump()
  }

  /** Resolves when all offered items have been tried. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running)
  }

  /** Abandons current and future sends: they are sent after the next start. */
  abandon(): void {
    this.#abandoned.abort(new GatewayError('source_unavailable', 'the process stops; it is sent after the next start'))
  }

  /** Takes the due items from the outbox and tries them; resolves when all have been tried. Never rejects. */
  async sendDue(): Promise<void> {
    const { store, clock, settings, events } = this.#parts
    const nowMs = clock.nowMs()
    if (!this.#outbox.admits(0)) return
    try {
      const singles: OutboxItem[] = []
      const together: OutboxItem[] = []
      for (let more = true; more && together.length < DIGEST_MAX; ) {
        const items = await store.takeDue(nowMs, nowMs + settings.leaseMs, TAKEN_MAX)
        for (const item of items) {
          if (item.digestId === undefined && singles.length < settings.perMinuteMax) singles.push(item)
          else together.push(withoutSamples(item))
        }
        more = items.length >= TAKEN_MAX
      }
      // More than a minute takes one by one go with the digest. It is sent first: single ones would leave it no room.
      const isStorm = together.some(({ digestId }) => digestId === undefined)
      if (isStorm) together.push(...singles.splice(0).map(withoutSamples))
      for (const { id, items } of this.#digestsOf(together)) await this.#sendDigest(id, items)
      for (const item of singles) this.offer(item)
      this.#outbox.succeed()
    } catch (cause) {
      this.#outbox.fail()
      events.outboxFailed(cause)
    }
    await this.settled()
  }

  #pump(): void {
    while (this.#running.size < SENDING_MAX) {
      const item = this.#waiting.shift()
      if (item === undefined) return
      const run: Promise<void> = this.#sendSingle(item)
        .catch((cause: unknown) => this.#parts.events.outboxFailed(cause))
        .finally(() => {
          this.#running.delete(run)
          this.#pump()
        })
      this.#running.add(run)
    }
  }

  async #sendSingle(item: OutboxItem): Promise<void> {
    if (this.#isLeft([item])) return
    if (await this.#hasRoom()) return this.#send(item.notification.id, [item])
    // Together with all waiting items, in one write.
    const together = [item, ...this.#waiting.splice(0).filter((each) => !this.#isLeft([each]))]
    await this.#postpone(together)
  }

  async #sendDigest(id: string, items: readonly OutboxItem[]): Promise<void> {
    if (this.#isLeft(items)) return
    if (await this.#hasRoom()) return this.#send(id, items)
    await this.#postpone(items)
  }

  /** The lease of an item that waited too long in memory has expired: the outbox returns it again. */
  #isLeft(items: readonly OutboxItem[]): boolean {
    if (this.#abandoned.signal.aborted) return true
    const { clock, settings } = this.#parts
    const endMs = clock.nowMs() + settings.timeoutMs
    return items.some(({ dueMs }) => dueMs < endMs)
  }

  async #postpone(items: readonly OutboxItem[]): Promise<void> {
    const { store, clock } = this.#parts
    const dueMs = nextDigestMs(clock.nowMs())
    await store.settle(items.map((item) => ({ ...item, digestId: item.digestId ?? DIGEST_PENDING, dueMs })))
  }

  async #hasRoom(): Promise<boolean> {
    const { store, clock, settings } = this.#parts
    const nowMs = clock.nowMs()
    const minute = minuteOf(nowMs)
    if (this.#fullMinute === minute) return false
    const isRoom = (await store.countSending(nowMs)) <= settings.perMinuteMax
    if (!isRoom) this.#fullMinute = minute
    return isRoom
  }

  /**
   * Items that wait for a digest, grouped by digest. A digest's id is derived from its items: a retry of the same items
   * has the same id; if the outbox returns them in parts, each part gets its own id.
   */
  #digestsOf(items: readonly OutboxItem[]): readonly { id: string; items: readonly OutboxItem[] }[] {
    const digests = Map.groupBy(items, ({ digestId = DIGEST_PENDING }) => digestId)
    return [...digests.values()].map((together) => ({ id: this.#digestIdOf(together), items: together }))
  }

  #digestIdOf(items: readonly OutboxItem[]): string {
    const ids = items.map(({ notification }) => notification.id).sort()
    const [only] = ids
    return ids.length === 1 ? (only as string) : `digest-${this.#parts.hash(ids)}`
  }

  /** Sends one message to every remaining target; failed and untried targets are written to the outbox for later. */
  async #send(id: string, items: readonly OutboxItem[]): Promise<void> {
    const names = new Set(items.flatMap(({ targets }) => targets))
    const failed = new Set<string>()
    await Promise.all(
      [...names].map(async (name) => {
        const wanted = items.filter(({ targets }) => targets.includes(name))
        const message = { id, notifications: wanted.map(({ notification }) => notification) }
        if (!(await this.#sendTo(name, message))) failed.add(name)
      }),
    )
    const { store, clock } = this.#parts
    // The same time for all items of a digest, so that they are due together.
    const nowMs = clock.nowMs()
    const digestId = items.length > 1 ? id : undefined
    await store.settle(items.map((item) => ({ ...afterAttempt(item, failed, nowMs), digestId })))
  }

  async #sendTo(name: string, message: Message): Promise<boolean> {
    const { notifiers, events, settings, clock, timeoutSignal } = this.#parts
    const notifier = notifiers.find((each) => each.name === name)
    // The notifier is no longer configured, so nothing remains to do.
    if (notifier === undefined) return true
    const breaker = this.#breakers.get(name) as CircuitBreaker
    const isGivenUp = message.notifications.every((each) => isTooOld(each.createdMs, clock.nowMs()))
    // Counts as a failure, without waiting for it.
    if (!isGivenUp && !breaker.admits(settings.timeoutMs)) return false
    try {
      const signal = AbortSignal.any([timeoutSignal(settings.timeoutMs), this.#abandoned.signal])
      await Promise.race([notifier.send(message, signal), rejectOnAbort(signal)])
      breaker.succeed()
      events.sent(name, message.notifications.length)
      return true
    } catch (cause) {
      breaker.fail()
      events.sendFailed(name, cause, isGivenUp)
      return false
    }
  }
}

function afterAttempt(item: OutboxItem, failed: ReadonlySet<string>, nowMs: number): OutboxItem {
  const isGivenUp = isTooOld(item.notification.createdMs, nowMs)
  const targets = isGivenUp ? [] : item.targets.filter((name) => failed.has(name))
  const attempts = item.attempts + 1
  return { ...item, targets, attempts, dueMs: nowMs + backoffMs(attempts, RETRY, NO_CHANCE) }
}

function isTooOld(createdMs: number, nowMs: number): boolean {
  return nowMs - createdMs >= GIVE_UP_MS
}

/** A notifier that ignores its signal must not block the others. */
function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** Without lines: those of thousands of items would take too much memory. */
function withoutSamples(item: OutboxItem): OutboxItem {
  const { notification } = item
  return { ...item, notification: { ...notification, incident: { ...notification.incident, samples: [] } } }
}
