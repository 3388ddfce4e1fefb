/** The queue's worker outside Lambda: receives, archives, deletes, until it is told to stop. */

import { GatewayError } from '../../domain/errors.ts'
import { backoffMs, type Wait } from '../../kit/backoff.ts'
import { type ArchiveParts, archiveMessages, type QueuedMessage } from './archive-messages.ts'

/** A message that was received and is ours until its visibility timeout is over. */
export interface ReceivedMessage extends QueuedMessage {
  /** Names this reception, for deleting and extending. */
  readonly receipt: string
}

/** A queue that hides what was received for a while, and gives it again unless it is deleted. */
export interface MessageQueue {
  /**
   * At most ten messages, hidden for `visibilityMs`. Waits for the first of them as long as `waitMs`; resolves to none
   * when there are none, or when `signal` is aborted. Rejects with overloaded or store_unavailable.
   */
  receive(order: { waitMs: number; visibilityMs: number }, signal: AbortSignal): Promise<readonly ReceivedMessage[]>
  /** Resolves to the messages that could not be deleted: they will come again. Never rejects. */
  remove(messages: readonly ReceivedMessage[]): Promise<readonly ReceivedMessage[]>
  /** Hides the messages for `visibilityMs` from now; what cannot be hidden any more is passed over. Never rejects. */
  hide(messages: readonly ReceivedMessage[], visibilityMs: number): Promise<void>
}

export interface QueueWork extends ArchiveParts {
  readonly queue: MessageQueue
  readonly wait: Wait
  /** Calls `beat` every `ms` until the returned function is called. */
  repeat(beat: () => void, ms: number): () => void
  /** 0 to 1, for back-off. */
  readonly random: () => number
  /** The queue could not be asked; told once for each failed try. Must not throw. */
  receiveFailed(error: GatewayError): void
  /** Messages that are archived and could not be deleted. Must not throw. */
  removeFailed(count: number): void
}

/** SQS's longest poll. See WaitTimeSeconds in its API reference. */
const POLL_MS = 20_000
/** Hidden this long at first, and again from time to time while the work goes on. */
const VISIBILITY_MS = 60_000
const BEAT_MS = 20_000
/** A delivery is gathered from receives while they come full: fewer, larger objects cost less to write and to read. */
const GATHER_MESSAGES_MAX = 100
const GATHER_BYTES_MAX = 8 * 2 ** 20
const FULL_RECEIVE = 10
/** While the archive or the queue fails; half of it is left to chance, so that workers do not come back together. */
const BACKOFF = { firstMs: 1000, maxMs: 60_000, jitter: 0.5 }
/**
 * With the usual five receives a message outlives trouble of 25 minutes before it goes to the dead letters; and it is
 * archived while its lines are still found among the recent ones, an hour.
 */
const RETRY = { firstMs: 30_000, maxMs: 900_000, factor: 4 }

/**
 * Works until `signal` is aborted; then it stops receiving, and resolves when what it has is archived and deleted. A
 * message is deleted only after its lines are durable. While the archive or the queue fails, it waits longer from try
 * to try, and so does a message that failed. Never rejects.
 */
export async function archiveQueue(work: QueueWork, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const isFine = await archiveOnce(work, signal)
    failures = isFine ? 0 : failures + 1
    if (failures > 0) await work.wait(backoffMs(failures, BACKOFF, work.random), signal)
  }
}

/** One delivery. False when the next should wait: the queue could not be asked, or a message failed. */
async function archiveOnce(work: QueueWork, signal: AbortSignal): Promise<boolean> {
  const held: ReceivedMessage[] = []
  const stop = work.repeat(() => void work.queue.hide(held, VISIBILITY_MS), BEAT_MS)
  try {
    const isReceived = await gather(work, held, signal)
    if (held.length === 0) return isReceived
    const { failed } = await archiveMessages(held, work)
    const isDone = (message: ReceivedMessage): boolean => !failed.has(message.id)
    const left = await work.queue.remove(held.filter(isDone))
    if (left.length > 0) work.removeFailed(left.length)
    stop()
    const retries = held.filter((message) => !isDone(message))
    await Promise.all(retries.map((message) => work.queue.hide([message], retryMs(message, work))))
    return isReceived && retries.length === 0
  } finally {
    stop()
  }
}

/** Receives into `held` until a receive is not full. False when the queue could not be asked. */
async function gather(
  { queue, receiveFailed }: QueueWork,
  held: ReceivedMessage[],
  signal: AbortSignal,
): Promise<boolean> {
  let bytes = 0
  for (;;) {
    let received: readonly ReceivedMessage[]
    try {
      const waitMs = held.length === 0 ? POLL_MS : 0
      received = await queue.receive({ waitMs, visibilityMs: VISIBILITY_MS }, signal)
    } catch (cause) {
      receiveFailed(cause instanceof GatewayError ? cause : new GatewayError('internal', 'the queue failed', { cause }))
      return false
    }
    // SQS may give a message twice in one delivery; the later receipt is the one that deletes.
    for (const message of received) {
      const index = held.findIndex(({ id }) => id === message.id)
      if (index >= 0) held[index] = message
      else held.push(message)
      bytes += message.body.length
    }
    const isMore = received.length === FULL_RECEIVE && held.length + FULL_RECEIVE <= GATHER_MESSAGES_MAX
    if (!isMore || bytes >= GATHER_BYTES_MAX || signal.aborted) return true
  }
}

/** A message that was received once, or never by its own count, waits the shortest time. */
function retryMs({ receives }: QueuedMessage, { random }: QueueWork): number {
  return backoffMs(Math.max(1, receives), RETRY, random)
}
