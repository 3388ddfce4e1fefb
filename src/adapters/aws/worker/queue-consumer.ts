/** The worker's access to the log queue: receive, delete, hide, and move unreadable messages to the dead letters. */

import type {
  ChangeMessageVisibilityBatchCommandInput,
  ChangeMessageVisibilityBatchCommandOutput,
  DeleteMessageBatchCommandInput,
  DeleteMessageBatchCommandOutput,
  Message,
  ReceiveMessageCommandInput,
  ReceiveMessageCommandOutput,
  SendMessageCommandInput,
  SendMessageCommandOutput,
} from '@aws-sdk/client-sqs'
import type { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import { storeFailure } from '../aws-errors.ts'

/** The used part of the SDK's `SQS`. */
export interface QueueClient {
  receiveMessage(
    input: ReceiveMessageCommandInput,
    options?: { abortSignal?: AbortSignal },
  ): Promise<ReceiveMessageCommandOutput>
  deleteMessageBatch(input: DeleteMessageBatchCommandInput): Promise<DeleteMessageBatchCommandOutput>
  changeMessageVisibilityBatch(
    input: ChangeMessageVisibilityBatchCommandInput,
  ): Promise<ChangeMessageVisibilityBatchCommandOutput>
  sendMessage(input: SendMessageCommandInput): Promise<SendMessageCommandOutput>
}

/** A received message, which is ours until its visibility timeout. */
export interface HeldMessage {
  readonly id: string
  readonly receipt: string
  readonly body: string
  /** String attributes. */
  readonly attributes: ReadonlyMap<string, string>
  /** How often it was received, including this time. */
  readonly receives: number
  /** Milliseconds since the epoch. */
  readonly sentMs: number
}

/** Maximum number of entries per batch call. See the quotas of Amazon SQS. */
const BATCH_MAX = 10
/** SQS's maximum visibility timeout, 12 hours. */
const HIDE_SECONDS_MAX = 43_200

/** Messages of one queue. */
export class QueueConsumer {
  readonly #client: Lazy<QueueClient>
  readonly #url: string

  constructor(client: Lazy<QueueClient>, url: string) {
    this.#client = client
    this.#url = url
  }

  /**
   * Receives at most ten messages and hides them for `visibilityMs`; waits for the first one up to `waitMs`, at most 20 s.
   * Resolves to none if `signal` is aborted: SQS redelivers messages received meanwhile. Rejects with store_unavailable or
   * overloaded.
   */
  async receive(
    order: { readonly waitMs: number; readonly visibilityMs: number },
    signal?: AbortSignal,
  ): Promise<HeldMessage[]> {
    const input: ReceiveMessageCommandInput = {
      QueueUrl: this.#url,
      MaxNumberOfMessages: BATCH_MAX,
      WaitTimeSeconds: Math.floor(order.waitMs / 1000),
      VisibilityTimeout: Math.ceil(order.visibilityMs / 1000),
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
      MessageAttributeNames: ['All'],
    }
    try {
      const client = await this.#client()
      const { Messages = [] } = await client.receiveMessage(input, signal && { abortSignal: signal })
      return Messages.map(readMessage)
    } catch (cause) {
      if (signal?.aborted === true) return []
      throw storeFailure('receiving from SQS failed', cause)
    }
  }

  /** Resolves to the messages that could not be deleted, which SQS will redeliver. Never rejects. */
  async remove<M extends Pick<HeldMessage, 'receipt'>>(messages: readonly M[]): Promise<readonly M[]> {
    const left: M[] = []
    for (const batch of batchesOf(messages)) {
      const entries = batch.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt }))
      try {
        const client = await this.#client()
        const { Failed = [] } = await client.deleteMessageBatch({ QueueUrl: this.#url, Entries: entries })
        for (const { Id } of Failed) left.push(batch[Number(Id)] as M)
      } catch {
        left.push(...batch)
      }
    }
    return left
  }

  /**
   * Hides the messages for `visibilityMs` from now; 0 makes them visible immediately. Never rejects: a message that cannot
   * be hidden is redelivered sooner, and its lines are deduplicated by id.
   */
  async hide(messages: readonly Pick<HeldMessage, 'receipt'>[], visibilityMs: number): Promise<void> {
    const seconds = Math.min(Math.ceil(visibilityMs / 1000), HIDE_SECONDS_MAX)
    const calls = batchesOf(messages).map(async (batch) => {
      const entries = batch.map(({ receipt }, index) => ({
        Id: String(index),
        ReceiptHandle: receipt,
        VisibilityTimeout: seconds,
      }))
      const client = await this.#client()
      await client.changeMessageVisibilityBatch({ QueueUrl: this.#url, Entries: entries })
    })
    await Promise.allSettled(calls)
  }
}

function readMessage(message: Message): HeldMessage {
  const { MessageId = '', ReceiptHandle = '', Body = '', Attributes = {}, MessageAttributes = {} } = message
  const texts = Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue] as const)
  return {
    id: MessageId,
    receipt: ReceiptHandle,
    body: Body,
    attributes: new Map(texts.filter((pair): pair is [string, string] => pair[1] !== undefined)),
    receives: Number(Attributes.ApproximateReceiveCount ?? 1),
    sentMs: Number(Attributes.SentTimestamp ?? 0),
  }
}

function batchesOf<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / BATCH_MAX)
  return Array.from({ length: count }, (_, index) => items.slice(index * BATCH_MAX, (index + 1) * BATCH_MAX))
}

/** Attributes with the reason why a message was moved to the dead letters; redrive removes them. */
export const REASON_ATTRIBUTES = { code: 'reason_code', text: 'reason', message: 'reason_message_id' } as const
/** Maximum number of attributes per message. See "Amazon SQS message metadata". */
const ATTRIBUTES_MAX = 10

/** Moves unreadable messages to the dead-letter queue. */
export class DeadLetterSender {
  readonly #client: Lazy<QueueClient>
  readonly #url: string

  constructor(client: Lazy<QueueClient>, url: string) {
    this.#client = client
    this.#url = url
  }

  /**
   * Resolves when the message is in the queue with the reason. Rejects with store_unavailable or overloaded, also if the
   * message is too large to add the reason.
   */
  async send(message: Pick<HeldMessage, 'id' | 'body' | 'attributes'>, reason: GatewayError): Promise<void> {
    const reasons = [
      [REASON_ATTRIBUTES.code, reason.code],
      [REASON_ATTRIBUTES.text, reason.message],
      [REASON_ATTRIBUTES.message, message.id],
    ] as const
    const own = withoutReasons(message.attributes).slice(0, ATTRIBUTES_MAX - reasons.length)
    await sendMessage(this.#client, this.#url, message.body, [...own, ...reasons])
  }
}

export function withoutReasons(attributes: ReadonlyMap<string, string>): (readonly [string, string])[] {
  const names: readonly string[] = Object.values(REASON_ATTRIBUTES)
  return Array.from(attributes).filter(([name]) => !names.includes(name))
}

/** Rejects with store_unavailable or overloaded. */
export async function sendMessage(
  client: Lazy<Pick<QueueClient, 'sendMessage'>>,
  url: string,
  body: string,
  attributes: readonly (readonly [name: string, value: string])[],
): Promise<void> {
  const written = attributes.map(([name, value]) => [name, { DataType: 'String', StringValue: value }] as const)
  try {
    const sqs = await client()
    await sqs.sendMessage({ QueueUrl: url, MessageBody: body, MessageAttributes: Object.fromEntries(written) })
  } catch (cause) {
    throw storeFailure('SQS did not accept a message', cause)
  }
}
