/** Responses of POST /v1/logs: ExportLogsServiceResponse and google.rpc.Status, in protobuf and JSON. */

import { writeVarint } from '../../domain/entries/batch.ts'

export type OtlpEncoding = 'protobuf' | 'json'

export const OTLP_MEDIA_TYPE = { protobuf: 'application/x-protobuf', json: 'application/json' } as const

/** What was not stored. Zero entries with a message are a warning. */
export interface PartialSuccess {
  readonly entries: number
  /** The reason, for the operator of the sender. */
  readonly message: string
}

/** ExportLogsServiceResponse; without a partial success an empty message: no bytes, or `{}`. */
export function encodeOtlpResponse(partial: PartialSuccess | undefined, encoding: OtlpEncoding): Uint8Array {
  if (partial === undefined) return encoding === 'json' ? UTF8.encode('{}') : new Uint8Array(0)
  const { entries, message } = partial
  // int64 is text in protobuf's JSON.
  if (encoding === 'json') {
    return toJson({ partialSuccess: { rejectedLogRecords: String(entries), errorMessage: message } })
  }
  return lengthField(1, joined(varintField(1, entries), textField(2, message)))
}

/** google.rpc.Status with only a message: OTLP's body of every error. */
export function encodeOtlpStatus(message: string, encoding: OtlpEncoding): Uint8Array {
  return encoding === 'json' ? toJson({ message }) : textField(2, message)
}

const UTF8 = new TextEncoder()

function toJson(value: unknown): Uint8Array {
  return UTF8.encode(JSON.stringify(value))
}

/** A count below 2^31 with a field number below 16; zero is omitted, as in all of proto3. */
function varintField(field: number, value: number): Uint8Array {
  if (value === 0) return new Uint8Array(0)
  const bytes = new Uint8Array(6)
  bytes[0] = field * 8
  return bytes.subarray(0, writeVarint(bytes, 1, value))
}

function textField(field: number, text: string): Uint8Array {
  return text === '' ? new Uint8Array(0) : lengthField(field, UTF8.encode(text))
}

function lengthField(field: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(6)
  head[0] = field * 8 + 2
  return joined(head.subarray(0, writeVarint(head, 1, value.length)), value)
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}
