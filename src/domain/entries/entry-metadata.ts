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
  #lastName = ''
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
    this.#take(UTF8.encode(prometheusName(name)), UTF8.encode(clean))
  }

  /** The same from UTF-8 bytes, avoiding strings where possible. */
  addBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const name = bytes.subarray(nameStart, nameEnd)
    const value = bytes.subarray(valueStart, valueEnd)
    // Names that may be level fields or are not Prometheus names, and values beyond ASCII, are handled as strings.
    if (isPlainPair(bytes, nameStart, nameEnd, valueStart, valueEnd)) this.#take(name, value)
    else this.add(UTF8_TEXT.decode(name), UTF8_TEXT.decode(value))
  }

  /** Adds an unknown level word as a pair. */
  addLevel(level: string): void {
    this.#write(UTF8.encode(DETECTED_LEVEL), UTF8.encode(level.toWellFormed()))
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
    this.#lastName = ''
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

  #take(name: Uint8Array, value: Uint8Array): void {
    if (this.#count < this.#countMax) this.#write(name, value)
    else {
      this.#bytes += name.length + value.length
      this.#count++
    }
  }

  #write(name: Uint8Array, value: Uint8Array): void {
    const columns = this.#columns
    columns.reserveMetadata(this.#end + name.length + value.length + 10)
    const before = this.#lastName
    this.#lastName = asciiText(name)
    if (this.#count > 0 && compareText(before, this.#lastName) >= 0) this.#isSorted = false
    let at = writeVarint(columns.metadata, this.#end, name.length)
    columns.metadata.set(name, at)
    at = writeVarint(columns.metadata, at + name.length, value.length)
    columns.metadata.set(value, at)
    this.#end = at + value.length
    this.#bytes += name.length + value.length
    this.#count++
  }

  /** Sorts the pairs; of duplicate names the last value is kept. */
  #sort(): void {
    const values = new Map(readMetadata(this.#columns.metadata, this.#start, this.#end))
    const names = [...values.keys()].sort(compareText)
    this.#end = this.#start
    this.#count = 0
    for (const name of names) this.#write(UTF8.encode(name), UTF8.encode(values.get(name) as string))
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

function asciiText(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}
