/** The dead-letter queue as its operator sees it: what is there, why, and the way back. */

import type { Lazy } from '../../../kit/lazy.ts'
import {
  type HeldMessage,
  type QueueClient,
  QueueConsumer,
  REASON_ATTRIBUTES,
  sendMessage,
  withoutReasons,
} from './queue-consumer.ts'

/** A message that was given up, held for a while. */
export interface DeadLetter {
  readonly id: string
  /** When it came to the queue it was in first, or was put aside: milliseconds since the epoch. */
  readonly sentMs: number
  readonly bytes: number
  /** Undefined for a message that was received too often: the worker's log has the reasons. */
  readonly reason: { readonly code: string; readonly text: string } | undefined
  readonly held: HeldMessage
}

/** Long enough to look at all, or to bring ten back. */
const HOLD_MS = 300_000
const WAIT_MS = 1_000

export class DeadLetters {
  readonly #client: Lazy<QueueClient>
  readonly #queueUrl: string
  readonly #letters: QueueConsumer

  constructor(client: Lazy<QueueClient>, urls: { readonly queueUrl: string; readonly deadLetterUrl: string }) {
    this.#client = client
    this.#queueUrl = urls.queueUrl
    this.#letters = new QueueConsumer(client, urls.deadLetterUrl)
  }

  /** Up to ten, held for five minutes; none when all are held. Rejects with store_unavailable or overloaded. */
  async take(): Promise<readonly DeadLetter[]> {
    const messages = await this.#letters.receive({ waitMs: WAIT_MS, visibilityMs: HOLD_MS })
    return messages.map(readLetter)
  }

  /** Lets go of what is held. Never rejects: what cannot be let go of comes back by itself. */
  release(letters: readonly DeadLetter[]): Promise<void> {
    const held = letters.map((letter) => letter.held)
    return this.#letters.hide(held, 0)
  }

  /**
   * Resolves when the log queue has the message and the dead letters do not; false when it is in both: its lines are
   * archived twice then, and known by their ids. Rejects with store_unavailable or overloaded when the log queue did
   * not take it.
   */
  async bringBack({ held }: DeadLetter): Promise<boolean> {
    await sendMessage(this.#client, this.#queueUrl, held.body, withoutReasons(held.attributes))
    return (await this.#letters.remove([held])).length === 0
  }
}

function readLetter(held: HeldMessage): DeadLetter {
  const { attributes, id, sentMs, body } = held
  const code = attributes.get(REASON_ATTRIBUTES.code)
  const text = attributes.get(REASON_ATTRIBUTES.text) ?? ''
  const original = attributes.get(REASON_ATTRIBUTES.message) ?? id
  return { id: original, sentMs, bytes: body.length, reason: code === undefined ? undefined : { code, text }, held }
}
