/** The structured metadata of an entry during decoding: encodes pairs to bytes and extracts evidence of the level. */

import { compareText } from '../labels.ts'
import { DETECTED_LEVEL, LEVEL_FIELDS } from '../levels/level.ts'
import { type BatchColumns, readMetadata, writeVarint } from './batch.ts'

const UTF8 = new TextEncoder()
const UTF8_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Pairs are written after the metadata of the previous entry, in the format of readMetadata. `keep` assigns them to the
 * entry, `reset` starts the next entry in either case.
 */
export class EntryMetadata {
  readonly #columns: BatchColumns
  readonly #countMax: number
  #start = 0
  #end = 0
  #bytes = 0
  #count = 0
  #isSorted = true
  /** The name of the last pair, in the column. */
  #lastStart = 0
  #lastEnd = 0
  #declaredLevel: string | undefined
  #field: string | undefined
  #fieldRank: number = LEVEL_FIELDS.length
  #severityNumber: string | undefined

  /** Pairs beyond `countMax` are counted but not written, because their entry is refused. */
  constructor(columns: BatchColumns, countMax: number) {
    this.#columns = columns
    this.#countMax = countMax
  }

  /** Number of pairs, without detected_level. */
  get count(): number {
    return this.#count
  }

  /** Total bytes of names and values. */
  get bytes(): number {
    return this.#bytes
  }

  /** The value of `detected_level`, the most trusted evidence of the level. It is not stored as a pair. */
  get declaredLevel(): string | undefined {
    return this.#declaredLevel
  }

  /** The value of the first field with the name of a level field. */
  get fieldLevel(): string | undefined {
    return this.#field
  }

  /** OTLP's severity number. */
  get severityNumber(): string | undefined {
    return this.#severityNumber
  }

  /**
   * Adds a pair. As in Loki, the name becomes a Prometheus name, and U+FFFD in the value becomes a space. So does a
   * lone surrogate, which is U+FFFD in UTF-8, so that adding the result again does not change it.
   */
  add(name: string, value: string): void {
    const text = value.toWellFormed()
    const clean = text.includes('\ufffd') ? text.replaceAll('\ufffd', ' ') : text
    if (this.#takeHint(name, clean)) return
    this.#takeTexts(prometheusName(name), clean)
  }

  /** The same from UTF-8 bytes, avoiding strings where possible. */
  addBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    // Names that may be level fields or are not Prometheus names, and values beyond ASCII, are handled as strings.
    if (isPlainPair(bytes, nameStart, nameEnd, valueStart, valueEnd)) {
      this.#take(bytes, nameStart, nameEnd, bytes, valueStart, valueEnd)
      return
    }
    const name = UTF8_TEXT.decode(bytes.subarray(nameStart, nameEnd))
    this.add(name, UTF8_TEXT.decode(bytes.subarray(valueStart, valueEnd)))
  }

  /** Adds an unknown level word as a pair. */
  addLevel(level: string): void {
    this.#writeTexts(DETECTED_LEVEL, level.toWellFormed())
  }

  /** Assigns the pairs to the entry, in order. Returns their end in the column. */
  keep(): number {
    if (!this.#isSorted) this.#sort()
    this.#start = this.#end
    return this.#end
  }

  reset(): void {
    this.#end = this.#start
    this.#bytes = 0
    this.#count = 0
    this.#isSorted = true
    this.#declaredLevel = undefined
    this.#field = undefined
    this.#fieldRank = LEVEL_FIELDS.length
    this.#severityNumber = undefined
  }

  /** Records a pair that is evidence of the level; true if the pair is only that and must not be stored. */
  #takeHint(name: string, value: string): boolean {
    // An empty value counts as absent, as for labels.
    if (name === DETECTED_LEVEL) {
      if (value !== '') this.#declaredLevel = value
      return true
    }
    if (value === '') return false
    if (name === 'severity_number') this.#severityNumber = value
    const rank = LEVEL_FIELDS.indexOf(name as (typeof LEVEL_FIELDS)[number])
    if (rank >= 0 && rank < this.#fieldRank) {
      this.#fieldRank = rank
      this.#field = value
    }
    return false
  }

  #takeTexts(name: string, value: string): void {
    const [names, values] = [UTF8.encode(name), UTF8.encode(value)]
    this.#take(names, 0, names.length, values, 0, values.length)
  }

  #take(
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    if (this.#count < this.#countMax) this.#write(names, nameStart, nameEnd, values, valueStart, valueEnd)
    else {
      this.#bytes += nameEnd - nameStart + valueEnd - valueStart
      this.#count++
    }
  }

  #writeTexts(name: string, value: string): void {
    const [names, values] = [UTF8.encode(name), UTF8.encode(value)]
    this.#write(names, 0, names.length, values, 0, values.length)
  }

  #write(
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const length = nameEnd - nameStart + valueEnd - valueStart
    this.#columns.reserveMetadata(this.#end + length + 10)
    const { metadata } = this.#columns
    if (this.#count > 0 && !isBefore(metadata, this.#lastStart, this.#lastEnd, names, nameStart, nameEnd)) {
      this.#isSorted = false
    }
    let at = writeVarint(metadata, this.#end, nameEnd - nameStart)
    this.#lastStart = at
    at = copyBytes(names, nameStart, nameEnd, metadata, at)
    this.#lastEnd = at
    at = writeVarint(metadata, at, valueEnd - valueStart)
    this.#end = copyBytes(values, valueStart, valueEnd, metadata, at)
    this.#bytes += length
    this.#count++
  }

  /** Sorts the pairs; of duplicate names the last value is kept. */
  #sort(): void {
    const values = new Map(readMetadata(this.#columns.metadata, this.#start, this.#end))
    const names = [...values.keys()].sort(compareText)
    this.#end = this.#start
    this.#count = 0
    for (const name of names) this.#writeTexts(name, values.get(name) as string)
  }
}

/** A valid Prometheus name: other characters become underscores, and a leading digit gets an underscore in front. */
export function prometheusName(name: string): string {
  if (name === '') return '_'
  const clean = name.replace(/[^a-zA-Z0-9_]/gu, '_')
  return /^[0-9]/.test(clean) ? `_${clean}` : clean
}

/** A pair that can be stored unchanged: an ASCII name that is valid and not a level field, and an ASCII value. */
function isPlainPair(
  bytes: Uint8Array,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
): boolean {
  const first = bytes[nameStart] as number
  if (nameEnd === nameStart || mayTellLevel(first) || (first >= 0x30 && first <= 0x39)) return false
  for (let i = nameStart; i < nameEnd; i++) if (NAME_BYTES[bytes[i] as number] === 0) return false
  for (let i = valueStart; i < valueEnd; i++) if ((bytes[i] as number) >= 0x80) return false
  return true
}

/** The first letters of detected_level, level…, severity…, lvl, in both cases. */
function mayTellLevel(byte: number): boolean {
  return byte === 0x64 || byte === 0x6c || byte === 0x4c || byte === 0x73 || byte === 0x53
}

const NAME_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => (/\w/.test(String.fromCharCode(byte)) ? 1 : 0))

/** Whether one text of ASCII bytes comes before another. */
function isBefore(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  const length = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < length; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number)
    if (difference !== 0) return difference < 0
  }
  return aEnd - aStart < bEnd - bStart
}

/** Up to this many bytes a loop is faster than a native copy. */
const LOOP_BYTES_MAX = 48

function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at)
  else for (let i = start, k = at; i < end; i++, k++) target[k] = source[i] as number
  return at + (end - start)
}
