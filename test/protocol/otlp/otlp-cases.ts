/** Common parts of the tests of both OTLP encodings: a recording sink, and the schema for encoding. */

import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import type { PushSink } from '../../../src/domain/entries/push-sink.ts'
import type { Label } from '../../../src/domain/labels.ts'

const proto = readFileSync(new URL('../../../proto/otlp-logs.proto', import.meta.url), 'utf8')
export const schema = protobuf.parse(proto, { keepCase: false }).root.lookup('millrace.otlp') as protobuf.Namespace

/** Encodes a message of the schema, given in protobuf's JSON names. */
export function encode(type: string, message: object): Uint8Array {
  const messageType = schema.lookupType(type)
  return messageType.encode(messageType.fromObject(message)).finish()
}

export interface SeenEntry {
  readonly labels: Readonly<Record<string, string>>
  /** Seconds and nanos. */
  readonly time: readonly [number, number]
  readonly line: string
  /** `name=value` in order of arrival. */
  readonly metadata: readonly string[]
}

/** A sink that records its calls. */
export class SeeingSink implements PushSink {
  readonly entries: SeenEntry[] = []
  readonly refused: string[] = []
  texts = 0
  #text: Uint8Array = new Uint8Array(0)
  #labels: Readonly<Record<string, string>> = {}
  #metadata: string[] = []

  useText(text: Uint8Array): void {
    this.#text = text
    this.texts++
  }

  beginStream(labels: readonly Label[]): void {
    this.#labels = Object.fromEntries(labels.map(({ name, value }) => [name, value]))
  }

  beginUnreadableStream(): void {
    throw new Error('an OTLP resource is always readable')
  }

  addMetadata(name: string, value: string): void {
    this.#metadata.push(`${name}=${value}`)
  }

  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const text = (start: number, end: number) => new TextDecoder().decode(bytes.subarray(start, end))
    this.addMetadata(text(nameStart, nameEnd), text(valueStart, valueEnd))
  }

  refuseEntry(_reason: string, text: string): void {
    this.refused.push(text)
    this.#metadata = []
  }

  addEntry(seconds: number, nanos: number, start: number, end: number): void {
    if (start > end || end > this.#text.length) throw new Error('a line lies outside the text')
    const line = new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#text.subarray(start, end))
    this.entries.push({ labels: this.#labels, time: [seconds, nanos], line, metadata: this.#metadata })
    this.#metadata = []
  }
}
