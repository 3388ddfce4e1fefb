/**
 * Encodes and decodes the summaries of a block's runs, version 1:
 *
 * - the CRC-32 of all that follows, seeded with the CRC-32 of the block's stream ids (u32 LE), so that summaries of other
 *   streams are detected; the oldest time of the first run (i64 LE, ns);
 * - the number of metadata names, and each name as a length and UTF-8 bytes;
 * - for each run: the metadata names as a bit set (bit i + 1: name i; bit 0: others that are not listed), the number of
 *   parts; for each part: its oldest time as a difference from the newest time of the part before (for the first part of a
 *   run, the oldest time of the first run; then the difference may be negative, and bit 0 of twice its size says so), its
 *   newest as a difference from its oldest, the number of levels, and for each level its code, entries and bytes.
 *
 * Numbers without another format are varints: seven bits per byte, low bits first.
 */

import { crc32 } from 'node:zlib'
import type { LevelCount, SummarisedRun, SummaryPart } from '../../domain/entries/run-summary.ts'
import { GatewayError } from '../../domain/errors.ts'

const CHECKSUM_BYTES = 4
const HEADER_BYTES = CHECKSUM_BYTES + 8
/** Bits of a varint that a 32-bit operation can read. */
const SMALL_BITS = 28

/** Encodes the summaries of all runs in order; `streamIds` are the bytes that the block is stored with. */
export function encodeSummaries(runs: readonly SummarisedRun[], streamIds: Uint8Array): Uint8Array {
  const base = runs[0]?.parts[0]?.oldest ?? 0n
  const names = [...new Set(runs.flatMap(({ metadataNames = [] }) => metadataNames))]
  const writer = new VarintWriter(HEADER_BYTES + 32 * (runs.length + names.length))
  writer.number(names.length)
  for (const name of names) writer.text(name)
  for (const { metadataNames, parts } of runs) {
    // SUMMARY_NAMES_MAX names fit the bits of a number.
    writer.number(metadataNames?.reduce((bits, name) => bits | (2 << names.indexOf(name)), 0) ?? 1)
    writer.number(parts.length)
    let before: bigint | undefined
    for (const { oldest, newest, counts } of parts) {
      if (before !== undefined) writer.bigint(oldest - before)
      else writer.bigint(oldest < base ? 2n * (base - oldest) + 1n : 2n * (oldest - base))
      writer.bigint(newest - oldest)
      before = newest
      writer.number(counts.length)
      for (const { level, entries, bytes } of counts) {
        writer.number(level)
        writer.number(entries)
        writer.number(bytes)
      }
    }
  }
  const encoded = writer.finish()
  const view = new DataView(encoded.buffer)
  view.setBigInt64(CHECKSUM_BYTES, base, true)
  view.setUint32(0, checksum(encoded, streamIds), true)
  return encoded
}

/**
 * The summaries of all runs. Throws store_damaged if the bytes are damaged or belong to other streams; the block itself may
 * be whole.
 */
export function decodeSummaries(encoded: Uint8Array, streamIds: Uint8Array): SummarisedRun[] {
  if (encoded.length < HEADER_BYTES) throw damaged('cut short')
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.length)
  if (view.getUint32(0, true) !== checksum(encoded, streamIds)) throw damaged('not those it was written with')
  const reader = new VarintReader(encoded, HEADER_BYTES)
  const base = view.getBigInt64(CHECKSUM_BYTES, true)
  const names = Array.from({ length: reader.number() }, () => reader.text())
  const namesOf = new Map<number, readonly string[] | undefined>([[1, undefined]])
  const runs: SummarisedRun[] = []
  while (!reader.isAtEnd) {
    const bits = reader.number()
    if (!namesOf.has(bits)) {
      namesOf.set(
        bits,
        names.filter((_, i) => (bits & (2 << i)) !== 0),
      )
    }
    runs.push({ parts: decodeParts(reader, base), metadataNames: namesOf.get(bits) })
  }
  return runs
}

function decodeParts(reader: VarintReader, base: bigint): SummaryPart[] {
  const parts: SummaryPart[] = []
  let before: bigint | undefined
  for (let left = reader.number(); left > 0; left--) {
    const oldest: bigint = before === undefined ? firstTime(reader, base) : reader.bigint(before)
    const newest = reader.bigint(oldest)
    const counts: LevelCount[] = []
    let sum = 0
    for (let levels = reader.number(); levels > 0; levels--) {
      const level = reader.number()
      const entries = reader.number()
      counts.push({ level, entries, bytes: reader.number() })
      sum += entries
    }
    parts.push({ oldest, newest, entries: sum, counts })
    before = newest
  }
  return parts
}

function firstTime(reader: VarintReader, base: bigint): bigint {
  const double = reader.bigint(0n)
  return (double & 1n) === 1n ? base - (double >> 1n) : base + (double >> 1n)
}

function damaged(how: string): GatewayError {
  return new GatewayError('store_damaged', `the summaries of a stored block are ${how}; its lines are read instead`)
}

function checksum(encoded: Uint8Array, streamIds: Uint8Array): number {
  return crc32(encoded.subarray(CHECKSUM_BYTES), crc32(streamIds))
}

class VarintWriter {
  #bytes: Uint8Array
  #at = HEADER_BYTES

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** A whole number from 0 to 2^53. */
  number(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  /** From 0 to 2^65. */
  bigint(value: bigint): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 0x80n) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#at++] = Number(rest)
  }

  text(value: string): void {
    const bytes = UTF8.encode(value)
    this.number(bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = new Uint8Array(2 * (this.#at + bytes))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

const UTF8 = new TextEncoder()
const UTF8_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/** Reads bytes whose checksum is right. */
class VarintReader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    let value = 0
    for (let shift = 0; shift < SMALL_BITS; shift += 7) {
      const byte = this.#bytes[this.#at++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    for (let factor = 2 ** SMALL_BITS; ; factor *= 0x80) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }

  /** A difference, added to `base`. */
  bigint(base: bigint): bigint {
    const start = this.#at
    const value = this.number()
    if (value === 0) return base
    if (value <= Number.MAX_SAFE_INTEGER) return base + BigInt(value)
    let exact = 0n
    for (let at = this.#at - 1; at >= start; at--) exact = (exact << 7n) | BigInt((this.#bytes[at] as number) & 0x7f)
    return base + exact
  }

  text(): string {
    const length = this.number()
    this.#at += length
    return UTF8_TEXT.decode(this.#bytes.subarray(this.#at - length, this.#at))
  }
}
