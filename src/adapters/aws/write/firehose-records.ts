/** Sends gzip members to Firehose, packed into records and calls; an append resolves when all its members are accepted. */

import type { PutRecordBatchCommandInput, PutRecordBatchCommandOutput } from '@aws-sdk/client-firehose'
import type { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import { isRetryable, isThrottling, refusalOf, storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits, WRITE_RETRIES } from '../retry.ts'

/** The used part of the SDK's `Firehose`. */
export interface RecordClient {
  putRecordBatch(input: PutRecordBatchCommandInput): Promise<PutRecordBatchCommandOutput>
}

/** A record may have 1,000 KiB before base64, a call 500 records and 4 MiB. See the quotas of Amazon Data Firehose. */
export const RECORD_BYTES_MAX = 1_000_000
const CALL_RECORDS_MAX = 500
const CALL_BYTES_MAX = 4_000_000
/**
 * While a call is running, members wait this long for others. Firehose bills records in steps of 5 KB, so concurrent small
 * pushes cost much less together. A push that arrives alone, as always in Lambda, never waits.
 */
const GATHER_MS = 5

const WHAT = 'Firehose did not accept a record'

/** The members of one `put`, and how many of them are not accepted yet. */
interface Delivery {
  left: number
  readonly resolve: () => void
  readonly reject: (error: GatewayError) => void
}

/** A record being filled: concatenated members and the deliveries they belong to. */
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
   * Resolves when Firehose has accepted all members, each of at most RECORD_BYTES_MAX and ending with a complete line.
   * Rejects with overloaded or store_unavailable if one of them was not accepted after all retries; others may have been.
   */
  put(members: readonly Uint8Array[]): Promise<void> {
    if (members.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const delivery = { left: members.length, resolve, reject }
      for (const member of members) this.#add(member, delivery)
      this.#schedule()
    })
  }

  /** Adds the member to the last record if it has room; a nearly full record gains nothing from another member. */
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
    // If no call is running, send after this turn of the event loop, to include members of the same turn.
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

  /** Sends the records, and retries rejected ones until none or no attempt is left. Never rejects. */
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

  /** Makes one call. A record counts as accepted only if the response says so. */
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
  /** The reason, if any were rejected. */
  readonly failure: GatewayError
  /** Retrying is useless. */
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
