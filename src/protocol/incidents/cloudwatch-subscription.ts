/**
 * Decodes the deliveries of CloudWatch Logs subscriptions: base64 of gzipped JSON. See "SubscriptionFilters" in its
 * user guide.
 */

import { gunzipSync } from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'

export interface SubscriptionEvent {
  /** Its id in its stream, the same in every delivery. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly ms: number
  readonly message: string
}

export interface SubscriptionRecord {
  /** False for CloudWatch's control message, which checks that the target can be reached and has no data. */
  readonly isData: boolean
  readonly logGroup: string
  readonly logStream: string
  readonly events: readonly SubscriptionEvent[]
  /** Number of invalid events: without an id, a time or a text. */
  readonly faults: number
}

/** Maximum base64 characters: Lambda accepts up to 6 MiB. */
const DATA_CHARS_MAX = 8 * 1024 * 1024
/** CloudWatch sends about 1 MiB uncompressed, so a larger record is not from CloudWatch. */
const JSON_BYTES_MAX = 32 * 1024 * 1024
const EVENTS_MAX = 100_000
/** The range of a Date, in milliseconds. */
const MS_MAX = 8.64e15

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Decodes `awslogs.data`, or the data of a Kinesis record. An invalid event is counted, and does not affect others.
 * Throws body_malformed if the whole record is invalid, body_too_large if it is too large uncompressed.
 */
export function decodeSubscription(data: string): SubscriptionRecord {
  if (data.length > DATA_CHARS_MAX) throw tooLarge(`${data.length} characters`)
  if (!BASE64.test(data)) throw malformed('is not base64')
  const parsed = parseObject(unpack(Buffer.from(data, 'base64')))
  const { messageType, logGroup, logStream, logEvents } = parsed
  if (messageType === 'CONTROL_MESSAGE') {
    return { isData: false, logGroup: textOf(logGroup), logStream: textOf(logStream), events: [], faults: 0 }
  }
  if (typeof logGroup !== 'string' || typeof logStream !== 'string' || !Array.isArray(logEvents)) {
    throw malformed('has no logGroup, logStream and logEvents')
  }
  if (logEvents.length > EVENTS_MAX) throw tooLarge(`${logEvents.length} events`)
  const events = logEvents.map(readEvent).filter((event) => event !== undefined)
  return { isData: true, logGroup, logStream, events, faults: logEvents.length - events.length }
}

function unpack(bytes: Buffer): string {
  try {
    return gunzipSync(bytes, { maxOutputLength: JSON_BYTES_MAX }).toString('utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(`more than ${JSON_BYTES_MAX} bytes`)
    throw malformed('is not gzip', cause)
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw malformed('is not JSON', cause)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw malformed('is no JSON object')
  // Its members are validated individually.
  return parsed as Readonly<Record<string, unknown>>
}

function readEvent(event: unknown): SubscriptionEvent | undefined {
  if (typeof event !== 'object' || event === null) return undefined
  const { id, timestamp, message } = event as Readonly<Record<string, unknown>>
  if (typeof id !== 'string' || typeof message !== 'string' || typeof timestamp !== 'number') return undefined
  return Number.isInteger(timestamp) && Math.abs(timestamp) <= MS_MAX ? { id, ms: timestamp, message } : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function malformed(what: string, cause?: unknown): GatewayError {
  const text = `the record ${what}; expected base64 of gzipped JSON, as a CloudWatch Logs subscription sends it`
  return new GatewayError('body_malformed', text, { cause })
}

function tooLarge(size: string): GatewayError {
  const text = `the record holds ${size}, more than CloudWatch Logs sends; look at who invokes this function`
  return new GatewayError('body_too_large', text)
}
