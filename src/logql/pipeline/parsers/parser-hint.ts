/** Which labels a query reads, so that parsers can skip the others. */

import { EXTRACTED_SUFFIX, type LabelSet } from '../label-set.ts'

/** Hints for a parser on the needed labels. */
export class ParserHint {
  readonly #wanted: ReadonlySet<string> | undefined
  readonly #names: readonly string[] = []
  /** Labels after which a parser may stop; undefined where it must read on to the end. */
  readonly #stopAfter: number | undefined
  /** Wanted labels that a parser may find, each under its own name; undefined where not all are known by name. */
  readonly #findable: readonly string[] | undefined

  /** `names` as the query writes them, perhaps with `_extracted`; undefined: everything is wanted. */
  constructor(names: ReadonlySet<string> | undefined) {
    if (names === undefined) return
    const wanted = new Set<string>()
    let readsOn = false
    for (const name of names) {
      wanted.add(name)
      if (name.endsWith(EXTRACTED_SUFFIX)) wanted.add(name.slice(0, -EXTRACTED_SUFFIX.length))
      // Which of the two a line has is not known beforehand, and an error may stand at a line's very end.
      if (name.endsWith(EXTRACTED_SUFFIX) || name.startsWith('__error')) readsOn = true
    }
    this.#wanted = wanted
    this.#names = [...wanted]
    if (!readsOn) this.#stopAfter = wanted.size
    const findable = [...wanted].filter((name) => !name.startsWith('__error'))
    if (!findable.some((name) => name.endsWith(EXTRACTED_SUFFIX))) this.#findable = findable
  }

  /** True when every label is wanted. */
  get wantsAll(): boolean {
    return this.#wanted === undefined
  }

  /** True when nothing is wanted: a parser that only finds labels need not run. */
  get isIdle(): boolean {
    return this.#wanted?.size === 0
  }

  wants(name: string): boolean {
    return this.#wanted === undefined || this.#wanted.has(name)
  }

  /** The wanted name that the text has at [start, end); undefined where it has none, or everything is wanted. */
  nameAt(text: string, start: number, end: number): string | undefined {
    if (this.#wanted === undefined) return undefined
    for (const name of this.#names) if (name.length === end - start && text.startsWith(name, start)) return name
    return undefined
  }

  /**
   * How many different labels a parser may find before nothing it finds can be wanted any more. For parsers that
   * never set an error.
   */
  openIn(labels: LabelSet): number {
    if (this.#findable === undefined) return Number.POSITIVE_INFINITY
    let open = 0
    for (const name of this.#findable) if (!labels.isTaken(name)) open++
    return open
  }

  /** True when a label may be wanted whose name begins with `prefix`. */
  wantsBelow(prefix: string): boolean {
    if (this.#wanted === undefined) return true
    for (const name of this.#wanted) if (name.startsWith(prefix)) return true
    return false
  }

  /** True when `count` different wanted labels were found and no more can come. */
  isSatisfied(count: number): boolean {
    return this.#stopAfter !== undefined && count >= this.#stopAfter
  }
}

export const ALL_LABELS = new ParserHint(undefined)
