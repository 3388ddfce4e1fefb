/** Which labels a query reads, so that parsers can skip the others. */

import { EXTRACTED_SUFFIX, type LabelSet } from '../label-set.ts'

/** Tells a parser which labels are needed. */
export class ParserHint {
  readonly #needed: ReadonlySet<string> | undefined
  readonly #names: readonly string[] = []
  /** Number of labels after which a parser may stop; undefined if it must read to the end. */
  readonly #stopAfter: number | undefined
  /** Needed labels that a parser may find under their own names; undefined if not all names are known. */
  readonly #findable: readonly string[] | undefined

  /** `names` as in the query, possibly with `_extracted`; undefined: all labels are needed. */
  constructor(names: ReadonlySet<string> | undefined) {
    if (names === undefined) return
    const needed = new Set<string>()
    let readsOn = false
    for (const name of names) {
      needed.add(name)
      if (name.endsWith(EXTRACTED_SUFFIX)) needed.add(name.slice(0, -EXTRACTED_SUFFIX.length))
      // With `_extracted` it is unknown which of the two a line has, and an error may be at the very end of a line.
      if (name.endsWith(EXTRACTED_SUFFIX) || name.startsWith('__error')) readsOn = true
    }
    this.#needed = needed
    this.#names = [...needed]
    if (!readsOn) this.#stopAfter = needed.size
    const findable = [...needed].filter((name) => !name.startsWith('__error'))
    if (!findable.some((name) => name.endsWith(EXTRACTED_SUFFIX))) this.#findable = findable
  }

  /** True if all labels are needed. */
  get wantsAll(): boolean {
    return this.#needed === undefined
  }

  /** True if no label is needed: a parser that only sets labels need not run. */
  get isIdle(): boolean {
    return this.#needed?.size === 0
  }

  wants(name: string): boolean {
    return this.#needed === undefined || this.#needed.has(name)
  }

  /** The needed name at [start, end) of the text; undefined if there is none, or all labels are needed. */
  nameAt(text: string, start: number, end: number): string | undefined {
    if (this.#needed === undefined) return undefined
    for (const name of this.#names) if (name.length === end - start && text.startsWith(name, start)) return name
    return undefined
  }

  /** Number of different labels after which no further one can be needed. For parsers that never set an error. */
  openIn(labels: LabelSet): number {
    if (this.#findable === undefined) return Number.POSITIVE_INFINITY
    let open = 0
    for (const name of this.#findable) if (!labels.isTaken(name)) open++
    return open
  }

  /** True if a label whose name starts with `prefix` may be needed. */
  wantsBelow(prefix: string): boolean {
    if (this.#needed === undefined) return true
    for (const name of this.#needed) if (name.startsWith(prefix)) return true
    return false
  }

  /** True if `count` different labels were set and no further one can be needed. */
  isSatisfied(count: number): boolean {
    return this.#stopAfter !== undefined && count >= this.#stopAfter
  }
}

export const ALL_LABELS = new ParserHint(undefined)
