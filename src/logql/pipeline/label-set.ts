/** The labels of one entry on its way through a pipeline. */

import type { Metadata } from '../../domain/entries/batch.ts'
import { compareText, type Label, type Labels } from '../../domain/labels.ts'
import type { EntryLabels, EntryParts, PipelineEntry } from '../stage.ts'

/** What a stage could not do, as the value of `__error__`. */
export type PipelineError =
  | 'JSONParserErr'
  | 'LogfmtParserErr'
  | 'SampleExtractionErr'
  | 'LabelFilterErr'
  | 'TemplateFormatErr'

export const ERROR_LABEL = '__error__'
export const ERROR_DETAILS_LABEL = '__error_details__'
/** Set beside `__error__` where the query itself looks at errors: a metric query does not fail for such an entry. */
export const PRESERVE_ERROR_LABEL = '__preserve_error__'
/** What a name gets that a stronger source holds already. */
export const EXTRACTED_SUFFIX = '_extracted'

/** Where a label's value came from; ABSENT: there is none now. */
const ABSENT = 0
const STREAM = 1
const METADATA = 2
const PARSED = 3

/** Names remembered between entries. Lines with ever new names make the memory start afresh. */
const NAMES_MAX = 10_000

/**
 * Labels by slot: a name gets a number once and keeps it over all entries, so that an entry costs array writes only.
 *
 * Of one name in several sources the plain name goes to the stream, else to structured metadata, else to the parser;
 * what comes too late is kept as `name_extracted`, where a parsed value replaces metadata. Of two parsed values the
 * first stays. See grafana/loki pull requests 19485, 19568 and 19991.
 */
export class LabelSet implements EntryLabels {
  readonly #slots = new Map<string, number>()
  #names: string[] = []
  #values: string[] = []
  #kinds: number[] = []
  /** True where the entry's stream has the name, whatever the query did to it. */
  #ofStream: boolean[] = []
  /** True where a parser or format stage has set the name for this entry, whatever became of it. */
  #wasParsed: boolean[] = []
  /** Slots that this entry used, some perhaps ABSENT again. */
  #used: number[] = []
  #usedCount = 0
  /** The used slots of an entry before, and their order by name: lines of one kind share it. */
  #sortedFor: number[] = []
  #sorted: number[] = []
  #stream: Labels = []
  /** The stream's own slots are the first that are used. */
  #streamCount = 0
  #streamChanged = false
  #error = ''
  #errorDetails = ''
  #preservesError = false

  reset(stream: Labels, metadata: Metadata): void {
    // Entries of one stream come one after the other: what nobody changed can stay.
    const isSame = stream === this.#stream && !this.#streamChanged && this.#names.length <= NAMES_MAX
    this.#clearFrom(isSame ? this.#streamCount : 0)
    this.#error = ''
    this.#errorDetails = ''
    this.#preservesError = false
    if (!isSame) this.#beginStream(stream)
    for (const [name, value] of metadata) {
      if (value !== '') this.#put(this.#isOfStream(name) ? name + EXTRACTED_SUFFIX : name, value, METADATA)
    }
  }

  get(name: string): string | undefined {
    if (name.startsWith('__')) {
      if (name === ERROR_LABEL) return this.#error === '' ? undefined : this.#error
      if (name === ERROR_DETAILS_LABEL) return this.#errorDetails === '' ? undefined : this.#errorDetails
      if (name === PRESERVE_ERROR_LABEL) return this.#preservesError ? 'true' : undefined
    }
    const slot = this.#slots.get(name)
    return slot === undefined || this.#kinds[slot] === ABSENT ? undefined : this.#values[slot]
  }

  /** As `get`, without `__error__` and the like: what Loki's filters by number, duration and size see. */
  getPlain(name: string): string | undefined {
    return isErrorLabel(name) ? undefined : this.get(name)
  }

  /** True while the stream's own labels are as they came. */
  get hasStreamUnchanged(): boolean {
    return !this.#streamChanged
  }

  /** True when a parser's value for the name goes to `name_extracted`, as a stronger source has the name. */
  isTaken(name: string): boolean {
    const slot = this.#slots.get(name)
    return slot !== undefined && (this.#ofStream[slot] === true || this.#kinds[slot] === METADATA)
  }

  get hasError(): boolean {
    return this.#error !== ''
  }

  /** Sets `__error__`, and `__error_details__` where there are details; those of an error before stay otherwise. */
  setError(error: PipelineError, details?: string): void {
    this.#error = error
    if (details !== undefined) this.#errorDetails = details
  }

  /** Sets `__preserve_error__` where there is an error. */
  preserveError(): void {
    if (this.#error !== '') this.#preservesError = true
  }

  /**
   * What a parser found; false when the name was found or made before, also where it was dropped since. The value may be
   * empty: such a label is shown among the parsed ones only.
   */
  setParsed(name: string, value: string): boolean {
    const slot = this.#parsedSlot(name)
    if (this.#wasParsed[slot] === true) return false
    this.#putAt(slot, value, PARSED)
    return true
  }

  /** The same for a parser that was asked for this name: it replaces what was found before. */
  replaceParsed(name: string, value: string): void {
    this.#putAt(this.#parsedSlot(name), value, PARSED)
  }

  /** What label_format made: replaces the plain name, whoever held it. */
  setFormatted(name: string, value: string): void {
    if (isErrorLabel(name)) return
    this.delete(name)
    this.#put(name, value, PARSED)
  }

  /**
   * Moves a value to another name, where it counts as made by the query; does nothing where there is none. A label that
   * is moved to its own name is gone, as in Loki.
   */
  rename(source: string, target: string): void {
    const slot = this.#slots.get(source)
    if (slot === undefined || this.#kinds[slot] === ABSENT || isErrorLabel(target)) return
    const value = this.#values[slot] as string
    this.setFormatted(target, value)
    this.delete(source)
  }

  /** Removes a label; of `__error__` and its company, that one alone. */
  delete(name: string): void {
    if (name === ERROR_LABEL) this.#error = ''
    else if (name === ERROR_DETAILS_LABEL) this.#errorDetails = ''
    else if (name === PRESERVE_ERROR_LABEL) this.#preservesError = false
    const slot = this.#slots.get(name)
    if (slot !== undefined) this.#remove(slot)
  }

  /** Removes every label that `keeps` does not want; `__error__` and its company always stay. */
  retain(keeps: (name: string, value: string) => boolean): void {
    for (let i = 0; i < this.#usedCount; i++) {
      const slot = this.#used[i] as number
      if (this.#kinds[slot] === ABSENT) continue
      if (!keeps(this.#names[slot] as string, this.#values[slot] as string)) this.#remove(slot)
    }
  }

  all(): Labels {
    const labels: Label[] = []
    for (const slot of this.#inOrder()) {
      if (this.#kinds[slot] === ABSENT) continue
      labels.push({ name: this.#names[slot] as string, value: this.#values[slot] as string })
    }
    if (!this.hasError && this.#errorDetails === '') return labels
    return [...labels, ...this.#errors().map(([name, value]) => ({ name, value }))].sort((a, b) =>
      compareText(a.name, b.name),
    )
  }

  parts(): EntryParts {
    const metadata: [string, string][] = []
    const parsed: [string, string][] = this.#errors()
    const stream: Label[] = []
    for (const slot of this.#inOrder()) {
      const name = this.#names[slot] as string
      const value = this.#values[slot] as string
      const kind = this.#kinds[slot]
      if (kind === STREAM) stream.push({ name, value })
      else if (kind === METADATA) metadata.push([name, value])
      else if (kind === PARSED) parsed.push([name, value])
    }
    if (this.hasError || this.#errorDetails !== '') parsed.sort(([a], [b]) => compareText(a, b))
    return { stream: this.#streamChanged ? stream : this.#stream, metadata, parsed }
  }

  /** A text that two entries share exactly when all() is the same: a key for a Map of series. */
  key(): string {
    let key = ''
    for (const slot of this.#inOrder()) {
      if (this.#kinds[slot] === ABSENT) continue
      key += keyPart(this.#names[slot] as string, this.#values[slot] as string)
    }
    for (const [name, value] of this.#errors()) key += keyPart(name, value)
    return key
  }

  /** The same for the labels of `by (names)`. */
  groupKey(names: readonly string[]): string {
    let key = ''
    for (const name of names) {
      const value = this.get(name)
      key += value === undefined ? '-' : `${value.length}:${value}`
    }
    return key
  }

  /** Empties the slots used from the one at place `from` on. */
  #clearFrom(from: number): void {
    for (let i = from; i < this.#usedCount; i++) {
      const slot = this.#used[i] as number
      this.#kinds[slot] = ABSENT
      this.#ofStream[slot] = false
      this.#wasParsed[slot] = false
      // A value is a slice of its line, and would keep all of the line in memory.
      this.#values[slot] = ''
    }
    this.#usedCount = from
  }

  #beginStream(stream: Labels): void {
    if (this.#names.length > NAMES_MAX) this.#forgetNames()
    this.#stream = stream
    this.#streamChanged = false
    for (const { name, value } of stream) {
      const slot = this.#put(name, value, STREAM)
      this.#ofStream[slot] = true
    }
    this.#streamCount = this.#usedCount
  }

  #errors(): [string, string][] {
    const errors: [string, string][] = []
    if (this.#error !== '') errors.push([ERROR_LABEL, this.#error])
    if (this.#showsDetails()) errors.push([ERROR_DETAILS_LABEL, this.#errorDetails])
    if (this.#preservesError) errors.push([PRESERVE_ERROR_LABEL, 'true'])
    return errors
  }

  /** Where a parser's value for the name belongs. */
  #parsedSlot(name: string): number {
    const slot = this.#slotOf(name)
    const isTaken = this.#ofStream[slot] === true || this.#kinds[slot] === METADATA
    return isTaken ? this.#slotOf(name + EXTRACTED_SUFFIX) : slot
  }

  /** Details of an error that was dropped are shown where the entry has other labels than its stream, as in Loki. */
  #showsDetails(): boolean {
    if (this.#errorDetails === '') return false
    return this.#error !== '' || this.#streamChanged || this.#usedCount > this.#streamCount
  }

  #isOfStream(name: string): boolean {
    const slot = this.#slots.get(name)
    return slot !== undefined && this.#ofStream[slot] === true
  }

  #put(name: string, value: string, kind: number): number {
    const slot = this.#slotOf(name)
    this.#putAt(slot, value, kind)
    return slot
  }

  #putAt(slot: number, value: string, kind: number): void {
    // A removed label may come back: its slot is listed already and may be listed once more, which inOrder undoes.
    if (this.#kinds[slot] === ABSENT) this.#used[this.#usedCount++] = slot
    this.#values[slot] = value
    this.#kinds[slot] = kind
    if (kind === PARSED) this.#wasParsed[slot] = true
  }

  #remove(slot: number): void {
    if (this.#kinds[slot] === STREAM) this.#streamChanged = true
    this.#kinds[slot] = ABSENT
  }

  #slotOf(found: string): number {
    const known = this.#slots.get(found)
    if (known !== undefined) return known
    const slot = this.#names.length
    const name = detached(found)
    this.#slots.set(name, slot)
    this.#names.push(name)
    this.#values.push('')
    this.#kinds.push(ABSENT)
    this.#ofStream.push(false)
    this.#wasParsed.push(false)
    return slot
  }

  #forgetNames(): void {
    this.#slots.clear()
    this.#names = []
    this.#values = []
    this.#kinds = []
    this.#ofStream = []
    this.#wasParsed = []
    this.#used = []
    this.#sortedFor = []
    this.#sorted = []
  }

  /** The used slots by name, each once. */
  #inOrder(): readonly number[] {
    if (!this.#isOrderKnown()) {
      this.#sortedFor = this.#used.slice(0, this.#usedCount)
      this.#sorted = [...new Set(this.#sortedFor)].sort((a, b) =>
        compareText(this.#names[a] as string, this.#names[b] as string),
      )
    }
    return this.#sorted
  }

  #isOrderKnown(): boolean {
    if (this.#sortedFor.length !== this.#usedCount) return false
    for (let i = 0; i < this.#usedCount; i++) if (this.#sortedFor[i] !== this.#used[i]) return false
    return true
  }
}

const UTF8 = new TextEncoder()
const UTF8_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/** A copy of its own: what was sliced off a line keeps the whole line in memory, and names are kept for long. */
function detached(name: string): string {
  return name.isWellFormed() ? UTF8_TEXT.decode(UTF8.encode(name)) : name
}

/** The labels of an entry as the one class they are. */
export function labelSetOf(entry: PipelineEntry): LabelSet {
  if (entry.labels instanceof LabelSet) return entry.labels
  throw new TypeError('BUG: an entry of a pipeline has other labels than a LabelSet')
}

/** Lengths in front, so that no name or value can pass for a border. */
function keyPart(name: string, value: string): string {
  return `${name.length},${value.length}:${name}${value}`
}

function isErrorLabel(name: string): boolean {
  return name === ERROR_LABEL || name === ERROR_DETAILS_LABEL || name === PRESERVE_ERROR_LABEL
}
