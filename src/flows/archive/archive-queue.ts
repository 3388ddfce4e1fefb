/** The queue worker outside Lambda: receives, archives and deletes messages until it is stopped. */

import { GatewayError } from '../../domain/errors.ts'
import { backoffMs, type Wait } from '../../kit/backoff.ts'
import { type ArchiveParts, archiveMessages, type QueuedMessage } from './archive-messages.ts'

/** A received message, which is ours until its visibility timeout. */
export interface ReceivedMessage extends QueuedMessage {
  /** The handle of this receive, for deleting and extending. */
  readonly receipt: string
}

/** A queue that hides received messages for a while, and redelivers them unless they are deleted. */
export interface MessageQueue {
  /**
   * Receives at most ten messages and hides them for `visibilityMs`. Waits for the first one up to `waitMs`; resolves to
   * none if there are none or `signal` is aborted. Rejects with overloaded or store_unavailable.
   */
  receive(order: { waitMs: number; visibilityMs: number }, signal: AbortSignal): Promise<readonly ReceivedMessage[]>
  /** Resolves to the messages that could not be deleted, which will be redelivered. Never rejects. */
  remove(messages: readonly ReceivedMessage[]): Promise<readonly ReceivedMessage[]>
  /** Hides the messages for `visibilityMs` from now; ignores those that cannot be hidden. Never rejects. */
  hide(messages: readonly ReceivedMessage[], visibilityMs: number): Promise<void>
}

export interface QueueWork extends ArchiveParts {
  readonly queue: MessageQueue
  readonly wait: Wait
  /** Calls `beat` every `ms` until the returned function is called. */
  repeat(beat: () => void, ms: number): () => void
  /** A random number from 0 to 1, for backoff. */
  readonly random: () => number
  /** Receiving failed; called for each failed attempt. Must not throw. */
  receiveFailed(error: GatewayError): void
  /** Archived messages could not be deleted. Must not throw. */
  removeFailed(count: number): void
}

/** SQS's longest poll. See WaitTimeSeconds in its API reference. */
const POLL_MS = 20_000
/** Messages are hidden for this long, repeatedly while the work continues. */
const VISIBILITY_MS = 60_000
const BEAT_MS = 20_000
/** Receives are collected into one delivery while they are full: fewer, larger objects cost less to write and read. */
const GATHER_MESSAGES_MAX = 100
const GATHER_BYTES_MAX = 8 * 2 ** 20
const FULL_RECEIVE = 10
/**
 * The wait while the archive or the queue fails; half of it is random, so that workers do not retry at the same time.
 */
const BACKOFF = { firstMs: 1000, maxMs: 60_000, jitter: 0.5 }
/**
 * With the usual five receives a message survives an outage of 25 minutes before it is moved to the dead letters, and it is
 * archived while its lines are still in the recent items, within an hour.
 */
const RETRY = { firstMs: 30_000, maxMs: 900_000, factor: 4 }

/**
 * Works until `signal` is aborted; then it stops receiving, and resolves when the received messages are archived and
 * deleted. A message is deleted only after its lines are durable. While the archive or the queue fails, it retries with
 * increasing waits, and a failed message is hidden for increasing times. Never rejects.
 */
export async function archiveQueue(work: QueueWork, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const isFine = await archiveOnce(work, signal)
    failures = isFine ? 0 : failures + 1
    if (failures > 0) await work.wait(backoffMs(failures, BACKOFF, work.random), signal)
  }
}

/** Handles one delivery. False if the next should wait: receiving or a message failed. */
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

/** Receives into `held` until a receive is not full. False if receiving failed. */
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
    // SQS may deliver a message twice; only the later receipt can delete it.
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

/** A message that was received once, or has no count, waits the shortest time. */
function retryMs({ receives }: QueuedMessage, { random }: QueueWork): number {
  return backoffMs(Math.max(1, receives), RETRY, random)
}
