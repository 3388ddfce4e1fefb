/** Gzip members into Firehose: packed into records and calls, and each one taken before its append is told so. */

import type { PutRecordBatchCommandInput, PutRecordBatchCommandOutput } from '@aws-sdk/client-firehose'
import type { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import { isRetryable, isThrottling, refusalOf, storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits, WRITE_RETRIES } from '../retry.ts'

/** What is used of the SDK's `Firehose`. */
export interface RecordClient {
  putRecordBatch(input: PutRecordBatchCommandInput): Promise<PutRecordBatchCommandOutput>
}

/** A record may have 1,000 KiB before base64, a call 500 records and 4 MiB. See the quotas of Amazon Data Firehose. */
export const RECORD_BYTES_MAX = 1_000_000
const CALL_RECORDS_MAX = 500
const CALL_BYTES_MAX = 4_000_000
/**
 * While a call is under way, members wait this long for others. Firehose bills records in steps of 5 KB: small pushes of
 * one moment cost a fraction together. A push that comes alone, as every one in Lambda does, never waits.
 */
const GATHER_MS = 5

const WHAT = 'Firehose did not take a record'

/** Members of one `put`, and how many of them are not taken yet. */
interface Delivery {
  left: number
  readonly resolve: () => void
  readonly reject: (error: GatewayError) => void
}

/** A record in the making: members, one behind the other, and whose they are. */
interface PendingRecord {
  readonly members: Uint8Array[]
  readonly deliveries: Delivery[]
  bytes: number
}

export class FirehoseRecords {
  readonly #client: Lazy<RecordClient>
  readonly #stream: string
  readonly #pacing: Pacing
  readonly #retries: RetryLimits
  #waiting: PendingRecord[] = []
  #calls = 0
  #isScheduled = false

  constructor(client: Lazy<RecordClient>, stream: string, pacing: Pacing, retries: RetryLimits = WRITE_RETRIES) {
    this.#client = client
    this.#stream = stream
    this.#pacing = pacing
    this.#retries = retries
  }

  /**
   * Resolves when Firehose has taken every one of the members, each of at most RECORD_BYTES_MAX and ending with whole
   * lines. Rejects with overloaded or store_unavailable when one of them was not taken after all tries; others may have
   * been.
   */
  put(members: readonly Uint8Array[]): Promise<void> {
    if (members.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const delivery = { left: members.length, resolve, reject }
      for (const member of members) this.#add(member, delivery)
      this.#schedule()
    })
  }

  /** Into the last record when it has room; a record that is nearly full gains nothing from one more member. */
  #add(member: Uint8Array, delivery: Delivery): void {
    const last = this.#waiting.at(-1)
    if (last !== undefined && last.bytes + member.length <= RECORD_BYTES_MAX) {
      last.members.push(member)
      last.deliveries.push(delivery)
      last.bytes += member.length
    } else this.#waiting.push({ members: [member], deliveries: [delivery], bytes: member.length })
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Alone: once this turn is over, so that what comes in the same one goes along.
    const gathered = this.#calls === 0 ? Promise.resolve() : this.#pacing.wait(GATHER_MS)
    void gathered.then(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  #send(): void {
    const records = this.#waiting
    this.#waiting = []
    for (const call of splitCalls(records)) {
      this.#calls++
      void this.#deliver(call).finally(() => {
        this.#calls--
      })
    }
  }

  /** Sends the records, then those that were refused, until none is left or no attempt is. Never rejects. */
  async #deliver(records: readonly PendingRecord[]): Promise<void> {
    const attempts = new Attempts(this.#retries, this.#pacing)
    let left = records
    for (;;) {
      const { refused, failure, isFinal } = await this.#call(left)
      for (const record of left) if (!refused.includes(record)) settle(record)
      if (refused.length === 0) return
      left = refused
      if (isFinal || !(await attempts.next())) {
        for (const { deliveries } of left) for (const { reject } of deliveries) reject(failure)
        return
      }
    }
  }

  /** One call. A record is taken only where the answer says so. */
  async #call(records: readonly PendingRecord[]): Promise<Outcome> {
    try {
      const client = await this.#client()
      const { RequestResponses: answers = [] } = await client.putRecordBatch({
        DeliveryStreamName: this.#stream,
        Records: records.map(({ members }) => ({
          Data: members.length === 1 ? (members[0] as Uint8Array) : Buffer.concat(members),
        })),
      })
      const isTaken = (i: number): boolean => answers[i]?.RecordId !== undefined && answers[i]?.ErrorCode === undefined
      const refused = records.filter((_, i) => !isTaken(i))
      const codes = records.flatMap((_, i) => (isTaken(i) ? [] : [answers[i]?.ErrorCode ?? 'NoAnswer']))
      const code = codes.find(isThrottling) ?? codes[0] ?? ''
      return { refused, failure: refusalOf(WHAT, code), isFinal: false }
    } catch (cause) {
      return { refused: records, failure: storeFailure(WHAT, cause), isFinal: !isRetryable(cause) }
    }
  }
}

interface Outcome {
  readonly refused: readonly PendingRecord[]
  /** Why, where any were refused. */
  readonly failure: GatewayError
  /** Asking again is of no use. */
  readonly isFinal: boolean
}

function settle({ deliveries }: PendingRecord): void {
  for (const delivery of deliveries) {
    delivery.left--
    if (delivery.left === 0) delivery.resolve()
  }
}

function splitCalls(records: readonly PendingRecord[]): PendingRecord[][] {
  const calls: PendingRecord[][] = []
  let bytes = 0
  for (const record of records) {
    const call = calls.at(-1)
    if (call === undefined || call.length >= CALL_RECORDS_MAX || bytes + record.bytes > CALL_BYTES_MAX) {
      calls.push([record])
      bytes = record.bytes
    } else {
      call.push(record)
      bytes += record.bytes
    }
  }
  return calls
}
