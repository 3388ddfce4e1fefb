/** Tells people of transitions: at once where possible, again until it worked, never more often than they can read. */

import { murmur128 } from '../domain/murmur3.ts'
import { DIGEST_PENDING, type Message, type OutboxItem } from '../domain/notification.ts'
import type { IncidentStore, Notifier } from '../ports/incidents.ts'
import type { Clock } from '../ports.ts'

export interface NotifySettings {
  /** Messages a minute, over all processes; what comes beyond waits for the digest of the next minute. */
  readonly perMinuteMax: number
  /** How long a notifier may take for one message. */
  readonly timeoutMs: number
  /** How long an item belongs to whoever took it: longer than all its notifiers may take. */
  readonly leaseMs: number
}

export interface NotifyParts {
  readonly store: IncidentStore
  readonly notifiers: readonly Notifier[]
  readonly clock: Clock
  readonly settings: NotifySettings
  readonly events: NotifyEvents
  /** A signal that aborts after so long; a test hands in its own. */
  readonly timeoutSignal: (ms: number) => AbortSignal
}

/** What is told beside the work, for logs and metrics. Must not throw. */
export interface NotifyEvents {
  sent(notifier: string, notifications: number): void
  /** A notifier did not take a message: it is tried again, unless `isGivenUp`. */
  sendFailed(notifier: string, cause: unknown, isGivenUp: boolean): void
  /** The outbox could not be read or written: its items come again. */
  outboxFailed(cause: unknown): void
}

/** Before an attempt after the first, the second...: doubles up to an hour. */
const RETRY_MS = 5_000
const RETRY_MS_MAX = 3600_000
/** Who could not be told of something for so long is not told of it any more: the incident itself stays. */
const GIVE_UP_MS = 24 * 3600_000
const MINUTE_MS = 60_000
/** Items taken out of the outbox at once, and notifications of one digest. */
const TAKEN_MAX = 500
export const DIGEST_MAX = TAKEN_MAX
/** Messages on their way at once, and items that wait for that in memory: of more, the outbox remembers. */
const SENDING_MAX = 4
const WAITING_MAX = 1_000

export class NotifyDesk {
  readonly #parts: NotifyParts
  readonly #waiting: OutboxItem[] = []
  readonly #running = new Set<Promise<void>>()
  /** The minute whose messages are used up. */
  #fullMinute = -1

  constructor(parts: NotifyParts) {
    this.#parts = parts
  }

  /** Sends an item whose lease the caller has, without waiting for it. Never throws. */
  offer(item: OutboxItem): void {
    if (this.#waiting.length >= WAITING_MAX) return
    this.#waiting.push(item)
    this.#pump()
  }

  /** Resolves when all that was offered was tried. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running)
  }

  /** Takes what is due out of the outbox and tries it; resolves when all of it was tried. Never rejects. */
  async sendDue(): Promise<void> {
    const { store, clock, settings, events } = this.#parts
    try {
      const nowMs = clock.nowMs()
      const items = await store.takeDue(nowMs, nowMs + settings.leaseMs, TAKEN_MAX)
      for (const digest of digestsOf(items)) await this.#sendDigest(digest.id, digest.items)
      for (const item of items) if (item.digestId === undefined) this.offer(item)
    } catch (cause) {
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
    if (await this.#hasRoom()) return this.#send(item.notification.id, [item])
    await this.#parts.store.settle({ ...item, digestId: DIGEST_PENDING, dueMs: this.#nextMinuteMs() })
  }

  async #sendDigest(id: string, items: readonly OutboxItem[]): Promise<void> {
    if (await this.#hasRoom()) return this.#send(id, items)
    for (const item of items) await this.#parts.store.settle({ ...item, dueMs: this.#nextMinuteMs() })
  }

  #nextMinuteMs(): number {
    return (minuteOf(this.#parts.clock.nowMs()) + 1) * MINUTE_MS
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

  /** One message to every target that has not taken it yet; what failed is written down for later. */
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
    for (const item of items) await this.#parts.store.settle(this.#afterAttempt(item, failed, id, items.length > 1))
  }

  async #sendTo(name: string, message: Message): Promise<boolean> {
    const { notifiers, events, settings, clock, timeoutSignal } = this.#parts
    const notifier = notifiers.find((each) => each.name === name)
    // Its settings are gone: nobody waits for this any more.
    if (notifier === undefined) return true
    try {
      const signal = timeoutSignal(settings.timeoutMs)
      await Promise.race([notifier.send(message, signal), rejectOnAbort(signal)])
      events.sent(name, message.notifications.length)
      return true
    } catch (cause) {
      const isGivenUp = message.notifications.every((each) => isTooOld(each.createdMs, clock.nowMs()))
      events.sendFailed(name, cause, isGivenUp)
      return false
    }
  }

  #afterAttempt(item: OutboxItem, failed: ReadonlySet<string>, id: string, isDigest: boolean): OutboxItem {
    const nowMs = this.#parts.clock.nowMs()
    const isGivenUp = isTooOld(item.notification.createdMs, nowMs)
    const targets = isGivenUp ? [] : item.targets.filter((name) => failed.has(name))
    const attempts = item.attempts + 1
    const dueMs = nowMs + Math.min(RETRY_MS * 2 ** (attempts - 1), RETRY_MS_MAX)
    return { ...item, targets, attempts, dueMs, digestId: isDigest ? id : undefined }
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS)
}

function isTooOld(createdMs: number, nowMs: number): boolean {
  return nowMs - createdMs >= GIVE_UP_MS
}

/** A notifier that does not listen to its signal must not hold the others up. */
function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** Items that wait for a digest, by digest; one that was tried before keeps its id and what is in it. */
function digestsOf(items: readonly OutboxItem[]): readonly { id: string; items: readonly OutboxItem[] }[] {
  const made = new Map<string, OutboxItem[]>()
  const pending: OutboxItem[] = []
  for (const item of items) {
    if (item.digestId === undefined) continue
    if (item.digestId === DIGEST_PENDING) pending.push(item)
    else made.set(item.digestId, [...(made.get(item.digestId) ?? []), item])
  }
  const digests = [...made].map(([id, tried]) => ({ id, items: tried }))
  for (let i = 0; i < pending.length; i += DIGEST_MAX) {
    const part = pending.slice(i, i + DIGEST_MAX)
    const ids = part.map(({ notification }) => notification.id).sort()
    const [only] = ids
    const id = ids.length === 1 ? (only as string) : `digest-${murmur128(new TextEncoder().encode(ids.join(' ')))}`
    digests.push({ id, items: part })
  }
  return digests
}
