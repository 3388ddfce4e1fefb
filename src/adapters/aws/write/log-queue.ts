/** Sends gzip members to the log queue, one message each; the worker writes them as archive objects. */

import type {
  MessageAttributeValue,
  SendMessageBatchCommandInput,
  SendMessageBatchCommandOutput,
  SendMessageCommandInput,
  SendMessageCommandOutput,
} from '@aws-sdk/client-sqs'
import type { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { ArchiveMember } from '../../../protocol/archive/archive-encode.ts'
import { MESSAGE_VERSION } from '../../../protocol/archive/queue-message.ts'
import { isRetryable, isThrottling, refusalOf, storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits, WRITE_RETRIES } from '../retry.ts'

/** The used part of the SDK's `SQS`. */
export interface MessageClient {
  sendMessage(input: SendMessageCommandInput): Promise<SendMessageCommandOutput>
  sendMessageBatch(input: SendMessageBatchCommandInput): Promise<SendMessageBatchCommandOutput>
}

/** A message and a call may have 1 MiB, including attributes. See the quotas of Amazon SQS. */
const CALL_BYTES_MAX = 1_048_576
const CALL_MESSAGES_MAX = 10
/** Upper bound on names, types and values of the attributes. */
const ATTRIBUTE_BYTES = 256
/** Maximum size of a member that fits in a message as base64. */
export const MESSAGE_MEMBER_BYTES_MAX = Math.floor((CALL_BYTES_MAX - ATTRIBUTE_BYTES) / 4) * 3 - 3

const WHAT = 'SQS did not accept a message'

interface Message {
  readonly MessageBody: string
  readonly MessageAttributes: Record<string, MessageAttributeValue>
}

export class LogQueue {
  readonly #client: Lazy<MessageClient>
  readonly #url: string
  readonly #pacing: Pacing
  readonly #retries: RetryLimits

  constructor(client: Lazy<MessageClient>, url: string, pacing: Pacing, retries: RetryLimits = WRITE_RETRIES) {
    this.#client = client
    this.#url = url
    this.#pacing = pacing
    this.#retries = retries
  }

  /**
   * Resolves when the queue has stored all members, each of at most MESSAGE_MEMBER_BYTES_MAX. A message has the attributes
   * `version`, `oldest` and `newest` (times of entries, decimal nanoseconds). Rejects with overloaded or store_unavailable
   * if one was not accepted after all retries; others may have been.
   */
  async send(members: readonly ArchiveMember[]): Promise<void> {
    await Promise.all(splitCalls(members.map(toMessage)).map((messages) => this.#deliver(messages)))
  }

  async #deliver(messages: readonly Message[]): Promise<void> {
    const attempts = new Attempts(this.#retries, this.#pacing)
    let left = messages
    for (;;) {
      const { refused, failure, isFinal } = await this.#call(left)
      if (refused.length === 0) return
      left = refused
      if (isFinal || !(await attempts.next())) throw failure
    }
  }

  async #call(messages: readonly Message[]): Promise<Outcome> {
    try {
      const client = await this.#client()
      const [only] = messages
      if (messages.length === 1 && only !== undefined) {
        await client.sendMessage({ QueueUrl: this.#url, ...only })
        return { refused: [], failure: undefined, isFinal: true }
      }
      const entries = messages.map((message, i) => ({ Id: String(i), ...message }))
      const { Successful = [], Failed = [] } = await client.sendMessageBatch({ QueueUrl: this.#url, Entries: entries })
      const taken = new Set(Successful.map(({ Id }) => Id))
      const codes = Failed.map(({ Code = '' }) => Code)
      return {
        refused: messages.filter((_, i) => !taken.has(String(i))),
        failure: refusalOf(WHAT, codes.find(isThrottling) ?? codes[0] ?? 'NoAnswer'),
        isFinal: Failed.some(({ SenderFault, Code = '' }) => SenderFault === true && !isThrottling(Code)),
      }
    } catch (cause) {
      return { refused: messages, failure: storeFailure(WHAT, cause), isFinal: !isRetryable(cause) }
    }
  }
}

interface Outcome {
  readonly refused: readonly Message[]
  readonly failure: GatewayError | undefined
  readonly isFinal: boolean
}

function toMessage({ bytes, oldest, newest }: ArchiveMember): Message {
  const text = (value: string): MessageAttributeValue => ({ DataType: 'String', StringValue: value })
  return {
    MessageBody: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
    MessageAttributes: {
      version: text(MESSAGE_VERSION),
      oldest: text(String(oldest)),
      newest: text(String(newest)),
    },
  }
}

function splitCalls(messages: readonly Message[]): Message[][] {
  const calls: Message[][] = []
  let bytes = 0
  for (const message of messages) {
    const size = message.MessageBody.length + ATTRIBUTE_BYTES
    const call = calls.at(-1)
    if (call === undefined || call.length >= CALL_MESSAGES_MAX || bytes + size > CALL_BYTES_MAX) {
      calls.push([message])
      bytes = size
    } else {
      call.push(message)
      bytes += size
    }
  }
  return calls
}
