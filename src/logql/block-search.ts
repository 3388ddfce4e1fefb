/** Finds the lines of a block that pass the line filters, on bytes as far as possible. */

import { type Block, startOf } from '../domain/entries/block.ts'
import type { Slices } from '../kit/slices.ts'
import { type ByteFilter, compileByteFilter } from './line-filter.ts'
import type { LineFilterStage, PipelineStage } from './parse/syntax.ts'
import { NeedleAutomaton } from './regexp/needles.ts'

/** Lines per search step, so that results stay small and a query with enough entries stops early. */
const STRETCH_LINES = 1024
/** Bytes per search step, if more than one line: the slowest search takes milliseconds for them. */
const STRETCH_BYTES = 32 * 1024
/** Up to this many needles are searched one by one, because the engine's own search is fast. */
const FEW_NEEDLES = 4

/** The end (exclusive) of the stretch from `from` and before `to`, the maximum for `find`. */
export function stretchEnd({ lineEnds }: Block, from: number, to: number): number {
  const last = Math.min(to, from + STRETCH_LINES)
  const bytes = startOf(lineEnds, from) + STRETCH_BYTES
  return (lineEnds[last - 1] as number) <= bytes ? last : Math.max(from + 1, lineAt(lineEnds, from, last, bytes))
}

/** The start of the stretch that ends at `to` (exclusive), not before `from`. */
export function stretchStart({ lineEnds }: Block, from: number, to: number): number {
  const first = Math.max(from, to - STRETCH_LINES)
  const bytes = (lineEnds[to - 1] as number) - STRETCH_BYTES
  return startOf(lineEnds, first) >= bytes ? first : Math.min(to - 1, lineAt(lineEnds, first, to, bytes) + 1)
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Stages after which a line filter does not see the stored line. */
const LINE_CHANGERS: readonly string[] = ['line_format', 'decolorize', 'unpack'] satisfies PipelineStage['kind'][]

/**
 * Moves the line filters on stored lines to the front: they can run first, because no other stage depends on dropped
 * lines.
 */
export function splitStages(stages: readonly PipelineStage[]): { filters: LineFilterStage[]; rest: PipelineStage[] } {
  const changer = stages.findIndex(({ kind }) => LINE_CHANGERS.includes(kind))
  const end = changer < 0 ? stages.length : changer
  const filters = stages.slice(0, end).filter((stage) => stage.kind === 'line_filter')
  const rest = stages.filter((stage, i) => i >= end || stage.kind !== 'line_filter')
  return { filters, rest }
}

/** The text of a line; invalid UTF-8 becomes the replacement character. */
export function lineText(block: Block, index: number): string {
  const { text, lineEnds } = block
  const start = startOf(lineEnds, index)
  const end = lineEnds[index] as number
  return text instanceof Buffer ? text.toString('utf8', start, end) : UTF8.decode(text.subarray(start, end))
}

interface SearchFilter extends ByteFilter {
  /** The prepared search for many needles. */
  automaton: NeedleAutomaton | undefined
}

/** Applies line filters to stretches of a block. */
export class BlockSearch {
  readonly #filters: readonly SearchFilter[]
  /** The filter whose needles are searched in a whole stretch; the others check single lines. */
  readonly #driver: ByteFilter | undefined
  readonly #matches = new Uint32Array(STRETCH_LINES)
  #isPrepared = false

  constructor(stages: readonly LineFilterStage[]) {
    const filters = stages
      .filter((stage) => !keepsAll(stage))
      .map((stage): SearchFilter => {
        return { ...compileByteFilter(stage), automaton: undefined }
      })
    this.#driver = filters
      .filter(({ isPositive, needles }) => isPositive && needles !== undefined && needles.length <= FEW_NEEDLES)
      .reduce<ByteFilter | undefined>((best, each) => (selectivity(each) > selectivity(best) ? each : best), undefined)
    this.#filters = filters.filter((filter) => filter !== this.#driver || filter.test !== undefined)
  }

  /** False if every line passes, so that the text is not needed. */
  get isNeeded(): boolean {
    return this.#driver !== undefined || this.#filters.length > 0
  }

  /** Call it before the first `find`. */
  *prepare(): Slices<void> {
    if (this.#isPrepared) return
    for (const filter of this.#filters) {
      const { needles = [] } = filter
      if (needles.length > FEW_NEEDLES) filter.automaton = yield* NeedleAutomaton.make(needles)
    }
    this.#isPrepared = true
  }

  /**
   * The passing indexes of [from, to), ascending; at most one stretch. The next call overwrites the array.
   */
  find(block: Block, from: number, to: number): Uint32Array {
    let count = this.#driver === undefined ? this.#listAll(from, to) : this.#findNeedles(block, from, to, this.#driver)
    for (const filter of this.#filters) count = this.#narrow(block, count, filter)
    return this.#matches.subarray(0, count)
  }

  #listAll(from: number, to: number): number {
    for (let i = from; i < to; i++) this.#matches[i - from] = i
    return to - from
  }

  #findNeedles(block: Block, from: number, to: number, { needles = [] }: ByteFilter): number {
    const text = bufferOf(block.text)
    const searches = needles.map((needle) => ({ needle, at: startOf(block.lineEnds, from) - 1 }))
    const end = block.lineEnds[to - 1] as number
    let count = 0
    let line = from
    while (line < to) {
      const lineStart = startOf(block.lineEnds, line)
      let nearest = end
      for (const search of searches) {
        if (search.at < lineStart) search.at = indexWithin(text, search.needle, lineStart, end)
        if (search.at < nearest) nearest = search.at
      }
      if (nearest >= end) break
      line = lineAt(block.lineEnds, line, to, nearest)
      // Lines are adjacent: a hit that extends into the next line does not count.
      const lineEnd = block.lineEnds[line] as number
      if (searches.some(({ needle, at }) => at + needle.length <= lineEnd)) this.#matches[count++] = line
      line++
    }
    return count
  }

  #narrow(block: Block, count: number, filter: SearchFilter): number {
    const { needles, isPositive, test } = filter
    const text = bufferOf(block.text)
    let kept = 0
    for (let k = 0; k < count; k++) {
      const line = this.#matches[k] as number
      let keeps: boolean
      if (needles !== undefined && !hasAny(text, block.lineEnds, line, filter)) keeps = !isPositive
      else keeps = test === undefined ? isPositive : test(lineText(block, line))
      if (keeps) this.#matches[kept++] = line
    }
    return kept
  }
}

/** `|= ""` and the like. */
function keepsAll({ operator, operands }: LineFilterStage): boolean {
  return (operator === '|=' || operator === '|~') && operands.some(({ kind, value }) => kind === 'text' && value === '')
}

/** The length of the shortest needle, less for each further one. */
function selectivity(filter: ByteFilter | undefined): number {
  const needles = filter?.needles
  if (needles === undefined) return 0
  return Math.min(...needles.map((needle) => needle.length)) / needles.length
}

function bufferOf(text: Uint8Array): Buffer {
  return Buffer.from(text.buffer, text.byteOffset, text.length)
}

/** The start of the needle in [start, end), or `end`. */
function indexWithin(text: Buffer, needle: Uint8Array, start: number, end: number): number {
  const at = text.subarray(start, end).indexOf(needle)
  return at < 0 ? end : start + at
}

function hasAny(text: Buffer, lineEnds: Uint32Array, line: number, { needles = [], automaton }: SearchFilter): boolean {
  const start = startOf(lineEnds, line)
  const end = lineEnds[line] as number
  if (automaton !== undefined) return automaton.findEnd(text, start, end) >= 0
  return needles.some((needle) => indexWithin(text, needle, start, end) < end)
}

/** The line of [from, to) that the byte at `at` belongs to. */
function lineAt(lineEnds: Uint32Array, from: number, to: number, at: number): number {
  let step = 1
  // Hits are usually close together: gallop, then bisect.
  while (from + step < to && (lineEnds[from + step - 1] as number) <= at) step *= 2
  let low = from + (step >> 1)
  let high = Math.min(from + step, to - 1)
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((lineEnds[middle] as number) <= at) low = middle + 1
    else high = middle
  }
  return low
}
