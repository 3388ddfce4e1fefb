/** The labels of an entry in a pipeline. */

import type { Metadata } from '../../domain/entries/batch.ts'
import { compareText, type Label, type Labels } from '../../domain/labels.ts'
import type { EntryLabels, EntryParts, PipelineEntry } from '../stage.ts'

/** The values of `__error__`. */
export type PipelineError =
  | 'JSONParserErr'
  | 'LogfmtParserErr'
  | 'RegexpParserErr'
  | 'SampleExtractionErr'
  | 'LabelFilterErr'
  | 'TemplateFormatErr'

export const ERROR_LABEL = '__error__'
export const ERROR_DETAILS_LABEL = '__error_details__'
/** Set with `__error__` if the query itself reads errors, so that a metric query does not fail for the entry. */
export const PRESERVE_ERROR_LABEL = '__preserve_error__'
/** Suffix of a name that a source with higher precedence already has. */
export const EXTRACTED_SUFFIX = '_extracted'

/** The source of a label's value; ABSENT: no value. */
const ABSENT = 0
const STREAM = 1
const METADATA = 2
const PARSED = 3

/** Maximum number of remembered names; beyond that the memory is reset. */
const NAMES_MAX = 10_000

/**
 * Labels by slot: a name gets a slot once and keeps it for all entries, so that an entry only costs array writes.
 *
 * If several sources have a name, the plain name belongs to the stream, else to structured metadata, else to the
 * parser; the others are kept as `name_extracted`, where a parsed value replaces metadata. Of two parsed values the
 * first is kept. See grafana/loki pull requests 19485, 19568 and 19991.
 */
export class LabelSet implements EntryLabels {
  readonly #slots = new Map<string, number>()
  #names: string[] = []
  #values: string[] = []
  #kinds: number[] = []
  /** True if the entry's stream has the name, even if the query has changed it. */
  #ofStream: boolean[] = []
  /** True if a parser or format stage has set the name for this entry, even if it was removed. */
  #wasParsed: boolean[] = []
  /** Slots used by this entry, some possibly ABSENT again. */
  #used: number[] = []
  #usedCount = 0
  /** The used slots of a previous entry, and their order by name, which similar lines share. */
  #sortedFor: number[] = []
  #sorted: number[] = []
  #stream: Labels = []
  /** The stream's own slots are the first that are used. */
  #streamCount = 0
  #streamChanged = false
  #error = ''
  #errorDetails = ''
  #preservesError = false
  #isTouched = false

  reset(stream: Labels, metadata: Metadata): void {
    // Entries of a stream are usually consecutive: unchanged labels can stay.
    const isSame = stream === this.#stream && !this.#streamChanged && this.#names.length <= NAMES_MAX
    this.#clearFrom(isSame ? this.#streamCount : 0)
    this.#error = ''
    this.#errorDetails = ''
    this.#preservesError = false
    this.#isTouched = false
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

  /** Like `get`, but without `__error__` and related labels, for filters by number, duration and size as in Loki. */
  getPlain(name: string): string | undefined {
    return isErrorLabel(name) ? undefined : this.get(name)
  }

  /**
   * Removes a label that may be missing, and even then makes the entry one whose labels were changed, as Loki's drop with
   * a matcher does: it shows the details of a dropped error.
   */
  forceDelete(name: string): void {
    this.delete(name)
    if (!isErrorLabel(name)) this.#isTouched = true
  }

  /** True if the entry has an error that does not fail a metric query, as the query reads errors. */
  get hasPreservedError(): boolean {
    return this.hasError && this.#preservesError
  }

  /** True while the stream's labels are unchanged. */
  get hasStreamUnchanged(): boolean {
    return !this.#streamChanged
  }

  /** True if a parsed value goes to `name_extracted`, because a source with higher precedence has the name. */
  isTaken(name: string): boolean {
    const slot = this.#slots.get(name)
    return slot !== undefined && (this.#ofStream[slot] === true || this.#kinds[slot] === METADATA)
  }

  get hasError(): boolean {
    return this.#error !== ''
  }

  /** Sets `__error__`, and `__error_details__` if there are details; otherwise previous details are kept. */
  setError(error: PipelineError, details?: string): void {
    this.#error = error
    if (details !== undefined) this.#errorDetails = details
  }

  /** Sets `__preserve_error__` if there is an error. */
  preserveError(): void {
    if (this.#error !== '') this.#preservesError = true
  }

  /**
   * Sets a parsed label; false if the name was already set, even if it was dropped since. The value may be empty: such a
   * label is shown only among the parsed ones.
   */
  setParsed(name: string, value: string): boolean {
    const slot = this.#parsedSlot(name)
    if (this.#wasParsed[slot] === true) return false
    this.#putAt(slot, value, PARSED)
    return true
  }

  /** The same for a parser with an expression for this name, which replaces an earlier value. */
  replaceParsed(name: string, value: string): void {
    this.#putAt(this.#parsedSlot(name), value, PARSED)
  }

  /** Sets a label from label_format, which replaces the plain name of any source. */
  setFormatted(name: string, value: string): void {
    if (isErrorLabel(name)) return
    this.delete(name)
    this.#put(name, value, PARSED)
  }

  /**
   * Renames a label, which then counts as set by the query; does nothing if it is missing. A label that is renamed to
   * itself is removed, as in Loki.
   */
  rename(source: string, target: string): void {
    const slot = this.#slots.get(source)
    if (slot === undefined || this.#kinds[slot] === ABSENT || isErrorLabel(target)) return
    const value = this.#values[slot] as string
    this.setFormatted(target, value)
    this.delete(source)
  }

  /** Removes a label; of `__error__` and its related labels only the named one. */
  delete(name: string): void {
    if (name === ERROR_LABEL) this.#error = ''
    else if (name === ERROR_DETAILS_LABEL) this.#errorDetails = ''
    else if (name === PRESERVE_ERROR_LABEL) this.#preservesError = false
    const slot = this.#slots.get(name)
    if (slot !== undefined) this.#remove(slot)
  }

  /** Removes every label that `keeps` rejects; `__error__` and its related labels always stay. */
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

  /** A text that is equal for two entries exactly if all() is equal: a key for a Map of series. */
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

  /** Clears the used slots from position `from` on. */
  #clearFrom(from: number): void {
    for (let i = from; i < this.#usedCount; i++) {
      const slot = this.#used[i] as number
      this.#kinds[slot] = ABSENT
      this.#ofStream[slot] = false
      this.#wasParsed[slot] = false
      // A value is a slice of its line, and would keep the whole line in memory.
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

  /** The slot of a parser's value for the name. */
  #parsedSlot(name: string): number {
    const slot = this.#slotOf(name)
    const isTaken = this.#ofStream[slot] === true || this.#kinds[slot] === METADATA
    return isTaken ? this.#slotOf(name + EXTRACTED_SUFFIX) : slot
  }

  /** As in Loki, the details of a dropped error are shown if the entry has other labels than its stream. */
  #showsDetails(): boolean {
    if (this.#errorDetails === '') return false
    return this.#error !== '' || this.#isTouched || this.#streamChanged || this.#usedCount > this.#streamCount
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
    // A removed label may return: its slot may be listed twice, which inOrder corrects.
    if (this.#kinds[slot] === ABSENT) this.#used[this.#usedCount++] = slot
    this.#values[slot] = value
    this.#kinds[slot] = kind
    if (kind === PARSED) this.#wasParsed[slot] = true
  }

  #remove(slot: number): void {
    if (this.#kinds[slot] === STREAM) this.#streamChanged = true
    this.#kinds[slot] = ABSENT
  }

  #slotOf(text: string): number {
    const known = this.#slots.get(text)
    if (known !== undefined) return known
    const slot = this.#names.length
    const name = detached(text)
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

/** Copies a text: a slice of a line keeps the whole line in memory, and names are long-lived. */
function detached(name: string): string {
  return name.isWellFormed() ? UTF8_TEXT.decode(UTF8.encode(name)) : name
}

/** The labels of an entry as LabelSet, their only class. */
export function labelSetOf(entry: PipelineEntry): LabelSet {
  if (entry.labels instanceof LabelSet) return entry.labels
  throw new TypeError('BUG: an entry of a pipeline has other labels than a LabelSet')
}

/** Prefixed with lengths, so that the boundaries of names and values are unambiguous. */
function keyPart(name: string, value: string): string {
  return `${name.length},${value.length}:${name}${value}`
}

function isErrorLabel(name: string): boolean {
  return name === ERROR_LABEL || name === ERROR_DETAILS_LABEL || name === PRESERVE_ERROR_LABEL
}
