/** Encodes entries as an agent's push: protobuf in one snappy block. For tests and our own clients. */

import protobuf from 'protobufjs/light.js'
import snappy from 'snappyjs'
import { PUSH_SCHEMA } from './push-schema.ts'

export interface PushStream {
  /** The label text, `{name="value"}`. */
  readonly labels: string
  readonly entries: readonly PushEntry[]
}

export interface PushEntry {
  /** Nanoseconds since the epoch. */
  readonly ns: bigint
  readonly line: string
  readonly metadata?: readonly (readonly [name: string, value: string])[]
}

export const PUSH_REQUEST = protobuf.Root.fromJSON(PUSH_SCHEMA).lookupType('logproto.PushRequest')

/** A body for `/loki/api/v1/push` with the media type `application/x-protobuf`. */
export function encodePush(streams: readonly PushStream[]): Uint8Array {
  return snappy.compress(encodePushProtobuf(streams))
}

/** The same before snappy. */
export function encodePushProtobuf(streams: readonly PushStream[]): Uint8Array {
  const message = {
    streams: streams.map(({ labels, entries }) => ({ labels, entries: entries.map(toMessage) })),
  }
  return PUSH_REQUEST.encode(message).finish()
}

function toMessage({ ns, line, metadata = [] }: PushEntry): object {
  const nanos = BigInt.asUintN(64, ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)
  const seconds = (ns - nanos) / 1_000_000_000n
  return {
    // Seconds of 64-bit nanoseconds are far below 2^53.
    timestamp: { seconds: Number(seconds), nanos: Number(nanos) },
    line,
    structuredMetadata: metadata.map(([name, value]) => ({ name, value })),
  }
}
