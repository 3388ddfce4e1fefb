/** The limits of Firehose per call and per second. */

import type { Clock } from '../../src/ports/log-store.ts'
import { AwsFailure } from './json-service.ts'

/** A record on the wire: base64. */
export interface WireRecord {
  readonly Data: string
}

const RECORDS_MAX = 500
/** 1,000 KiB before base64. */
const RECORD_BYTES_MAX = 1_024_000
const CALL_BYTES_MAX = 4 * 1024 * 1024

/** The records' bytes. Throws the service's error for a call that is too large. */
export function checkPut(records: readonly WireRecord[]): Buffer[] {
  if (records.length === 0) refuse(`Value '[]' at 'records'`, 'length greater than or equal to 1')
  if (records.length > RECORDS_MAX) refuse(`Value at 'records'`, `length less than or equal to ${RECORDS_MAX}`)
  const data = records.map(({ Data }) => Buffer.from(Data, 'base64'))
  const tooLong = data.findIndex(({ length }) => length > RECORD_BYTES_MAX)
  if (tooLong !== -1) {
    const { length } = data[tooLong] as Buffer
    const value = `Value 'java.nio.HeapByteBuffer[pos=0 lim=${length} cap=${length}]'`
    refuse(`${value} at 'records.${tooLong + 1}.member.data'`, `length less than or equal to ${RECORD_BYTES_MAX}`)
  }
  if (data.reduce((sum, { length }) => sum + length, 0) > CALL_BYTES_MAX) {
    throw new AwsFailure('InvalidArgumentException', 'Records size exceeds 4 MB limit')
  }
  return data
}

function refuse(what: string, wanted: string): never {
  const message = `1 validation error detected: ${what} failed to satisfy constraint: Member must have ${wanted}`
  throw new AwsFailure('ValidationException', message)
}

/** The quota of direct puts to one stream in us-east-1; other regions have less. */
const PER_SECOND = { requests: 2000, records: 500_000, bytes: 5 * 1024 * 1024 }

export class PutQuota {
  readonly #clock: Clock
  #second = 0
  #used = { requests: 0, records: 0, bytes: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The number of leading records that fit into this second; 0 if the call itself does not. */
  take(data: readonly Buffer[]): number {
    const second = Math.floor(this.#clock.nowMs() / 1000)
    if (second !== this.#second) this.#used = { requests: 0, records: 0, bytes: 0 }
    this.#second = second
    if (++this.#used.requests > PER_SECOND.requests) return 0
    let taken = 0
    for (const { length } of data) {
      if (this.#used.records + 1 > PER_SECOND.records || this.#used.bytes + length > PER_SECOND.bytes) break
      this.#used.records++
      this.#used.bytes += length
      taken++
    }
    return taken
  }
}
