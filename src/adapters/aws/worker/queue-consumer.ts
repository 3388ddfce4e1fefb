/** The log queue as its worker sees it: receives, deletes, hides; and puts aside what nobody can read. */

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

/** What is used of the SDK's `SQS`. */
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

/** A message that is ours until its visibility timeout is over. */
export interface HeldMessage {
  readonly id: string
  readonly receipt: string
  readonly body: string
  /** Attributes that are texts. */
  readonly attributes: ReadonlyMap<string, string>
  /** How often it was received, this time included. */
  readonly receives: number
  /** Milliseconds since the epoch. */
  readonly sentMs: number
}

/** The entries of one batch call. See the quotas of Amazon SQS. */
const BATCH_MAX = 10
/** SQS hides no message for longer than 12 hours. */
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
   * At most ten messages, hidden for `visibilityMs`; waits for the first of them as long as `waitMs`, at most 20 s.
   * Resolves to none when `signal` is aborted: what SQS gave meanwhile comes again. Rejects with store_unavailable or
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
      throw storeFailure('SQS did not give messages', cause)
    }
  }

  /** Resolves to the messages that could not be deleted, and will come again. Never rejects. */
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
   * Hides the messages for `visibilityMs` from now; 0 shows them again at once. Never rejects: one that cannot be
   * hidden comes again sooner, and its lines are known by their ids.
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

/** Attributes that tell why a message was put aside; whoever brings it back takes them off. */
export const REASON_ATTRIBUTES = { code: 'reason_code', text: 'reason', message: 'reason_message_id' } as const
/** Attributes of one message. See "Amazon SQS message metadata". */
const ATTRIBUTES_MAX = 10

/** The dead-letter queue as the place where a worker puts what it cannot read. */
export class DeadLetterSender {
  readonly #client: Lazy<QueueClient>
  readonly #url: string

  constructor(client: Lazy<QueueClient>, url: string) {
    this.#client = client
    this.#url = url
  }

  /**
   * Resolves when the message is in the queue with the reason. Rejects with store_unavailable or overloaded, also for
   * a message so large that the reason does not fit.
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
    throw storeFailure('SQS did not take a message', cause)
  }
}
