/** The dead letters of one consumer as its operator sees them: what is there, why, and the way back. */

import type { InvokeCommandInput, InvokeCommandOutput } from '@aws-sdk/client-lambda'
import type { Lazy } from '../../../kit/lazy.ts'
import { storeFailure } from '../aws-errors.ts'
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
  /** False for one that another consumer gave up: it stays where it is. */
  readonly isOwn: boolean
  readonly held: HeldMessage
}

/** Where dead letters came from. */
export interface DeadLetterOrigin {
  readonly kind: 'queue' | 'function'
  /** Resolves when it has the message. Rejects with store_unavailable or overloaded. */
  take(message: HeldMessage): Promise<void>
}

/** The used part of the SDK's `Lambda`. */
export interface FunctionClient {
  invoke(input: InvokeCommandInput): Promise<InvokeCommandOutput>
}

/** Long enough to look at all, or to bring ten back. */
const HOLD_MS = 300_000
const WAIT_MS = 1_000
/**
 * Attributes that Lambda adds to an event that a function failed on: the status, the first kilobyte of the error. See
 * "Adding a dead-letter queue" in the AWS Lambda developer guide.
 */
const LAMBDA_ATTRIBUTES = { request: 'RequestID', code: 'ErrorCode', text: 'ErrorMessage' } as const

export class DeadLetters {
  readonly #letters: QueueConsumer
  readonly #origin: DeadLetterOrigin

  constructor(client: Lazy<QueueClient>, deadLetterUrl: string, origin: DeadLetterOrigin) {
    this.#letters = new QueueConsumer(client, deadLetterUrl)
    this.#origin = origin
  }

  /** Up to ten, held for five minutes; none when all are held. Rejects with store_unavailable or overloaded. */
  async take(): Promise<readonly DeadLetter[]> {
    const messages = await this.#letters.receive({ waitMs: WAIT_MS, visibilityMs: HOLD_MS })
    return messages.map((held) => readLetter(held, this.#origin.kind))
  }

  /** Lets go of what is held. Never rejects: what cannot be let go of comes back by itself. */
  release(letters: readonly DeadLetter[]): Promise<void> {
    const held = letters.map((letter) => letter.held)
    return this.#letters.hide(held, 0)
  }

  /**
   * Resolves when the origin has the message and the dead letters do not; false when both have it: its lines are known
   * by their ids, or its counts by their delivery, and count once. Rejects with store_unavailable or overloaded when the
   * origin did not take it.
   */
  async bringBack({ held }: DeadLetter): Promise<boolean> {
    await this.#origin.take(held)
    return (await this.#letters.remove([held])).length === 0
  }
}

/** The queue that a consumer of messages reads. */
export function queueOrigin(client: Lazy<QueueClient>, queueUrl: string): DeadLetterOrigin {
  return {
    kind: 'queue',
    take: ({ body, attributes }) => sendMessage(client, queueUrl, body, withoutReasons(attributes)),
  }
}

/** A function that was called without waiting: it is called so again, with the same event. */
export function functionOrigin(client: Lazy<FunctionClient>, functionName: string): DeadLetterOrigin {
  const take = async ({ body }: HeldMessage): Promise<void> => {
    try {
      const lambda = await client()
      await lambda.invoke({ FunctionName: functionName, InvocationType: 'Event', Payload: Buffer.from(body) })
    } catch (cause) {
      throw storeFailure('Lambda did not accept an event', cause)
    }
  }
  return { kind: 'function', take }
}

function readLetter(held: HeldMessage, kind: DeadLetterOrigin['kind']): DeadLetter {
  const { attributes, id, sentMs, body } = held
  const isEvent = attributes.has(LAMBDA_ATTRIBUTES.request) && attributes.has(LAMBDA_ATTRIBUTES.code)
  const facts = { sentMs, bytes: Buffer.byteLength(body), isOwn: isEvent === (kind === 'function'), held }
  if (isEvent) {
    const code = `Lambda ${attributes.get(LAMBDA_ATTRIBUTES.code)}`
    const reason = { code, text: attributes.get(LAMBDA_ATTRIBUTES.text) ?? '' }
    return { ...facts, id: attributes.get(LAMBDA_ATTRIBUTES.request) ?? id, reason }
  }
  const code = attributes.get(REASON_ATTRIBUTES.code)
  const text = attributes.get(REASON_ATTRIBUTES.text) ?? ''
  const original = attributes.get(REASON_ATTRIBUTES.message) ?? id
  return { ...facts, id: original, reason: code === undefined ? undefined : { code, text } }
}
