/** Searches many needles in one pass over a text: the Aho-Corasick automaton. */

import type { Slices } from '../../kit/slices.ts'

/** Maximum number of cells (states times symbols) of a table, of 4 bytes each. */
const TABLE_CELLS_MAX = 1 << 20
/** States created between two yields. */
const STRETCH = 8192
const NONE = 0

/** UTF-8 bytes, or UTF-16 units. */
export type Units = Uint8Array | Uint16Array

/** The UTF-16 units of a text. */
export function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length)
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i)
  return units
}

/**
 * An automaton over units. A needle that contains another one is dropped, because a text with it also contains the
 * other. Construction takes memory and time linear in the needles' total length.
 */
export class NeedleAutomaton {
  /** Maps units to symbols; 0: the unit is in no needle. */
  readonly #symbols: Uint16Array
  readonly #symbolCount: number
  readonly #trie: Trie
  /** The next state by state and symbol, if it is small enough; otherwise edges and failure links are followed. */
  readonly #table: Int32Array | undefined

  private constructor(symbols: Uint16Array, symbolCount: number, trie: Trie, table: Int32Array | undefined) {
    this.#symbols = symbols
    this.#symbolCount = symbolCount
    this.#trie = trie
    this.#table = table
  }

  /** All needles must have the type of the texts; none is empty. */
  static *make(needles: readonly Units[]): Slices<NeedleAutomaton> {
    const symbols = new Uint16Array(needles[0] instanceof Uint8Array ? 256 : 65536)
    let symbolCount = 1
    let size = 1
    for (const needle of needles) {
      size += needle.length
      for (const unit of needle) if (symbols[unit] === 0) symbols[unit] = symbolCount++
    }
    yield
    const trie = new Trie(size, symbolCount)
    let added = 0
    for (const needle of needles) {
      trie.add(needle, symbols)
      added += needle.length
      if (added < STRETCH) continue
      added = 0
      yield
    }
    yield* trie.link()
    const fits = trie.count * symbolCount <= TABLE_CELLS_MAX
    return new NeedleAutomaton(symbols, symbolCount, trie, fits ? yield* trie.tabulate() : undefined)
  }

  /** The end (exclusive) of the first needle to end within [from, to), or -1. */
  findEnd(text: Uint8Array, from: number, to: number): number {
    const symbols = this.#symbols
    const table = this.#table
    const width = this.#symbolCount
    let state = 0
    for (let at = from; at < to; at++) {
      const symbol = symbols[text[at] as number] as number
      state = table === undefined ? this.#trie.next(state, symbol) : (table[state * width + symbol] as number)
      if (state < 0) return at + 1
    }
    return -1
  }

  /** Whether the text contains a needle of UTF-16 units. */
  isIn(text: string): boolean {
    const symbols = this.#symbols
    const table = this.#table
    const width = this.#symbolCount
    let state = 0
    for (let at = 0; at < text.length; at++) {
      const symbol = symbols[text.charCodeAt(at)] as number
      state = table === undefined ? this.#trie.next(state, symbol) : (table[state * width + symbol] as number)
      if (state < 0) return true
    }
    return false
  }
}

/** The needles' trie with failure links. State 0 is the root; edges are in a hash table. */
class Trie {
  count = 1
  readonly #width: number
  readonly #final: Uint8Array
  readonly #failures: Int32Array
  /** For each state except the root: its parent, and the symbol from there. */
  readonly #parents: Int32Array
  readonly #symbols: Uint16Array
  readonly #slots: Int32Array
  readonly #mask: number

  constructor(sizeMax: number, width: number) {
    this.#width = width
    this.#final = new Uint8Array(sizeMax)
    this.#failures = new Int32Array(sizeMax)
    this.#parents = new Int32Array(sizeMax)
    this.#symbols = new Uint16Array(sizeMax)
    const capacity = 2 ** Math.ceil(Math.log2(2 * sizeMax + 2))
    this.#slots = new Int32Array(capacity)
    this.#mask = capacity - 1
  }

  /** The state after a symbol, or -1 at the end of a needle. */
  next(from: number, symbol: number): number {
    const state = this.#step(from, symbol)
    return this.#final[state] === 1 ? -1 : state
  }

  add(needle: Units, symbols: Uint16Array): void {
    let state = 0
    for (let i = 0; i < needle.length; i++) {
      // A needle that starts with another one adds nothing.
      if (this.#final[state] === 1) return
      const symbol = symbols[needle[i] as number] as number
      const known = this.#edge(state, symbol)
      state = known === NONE ? this.#addState(state, symbol) : known
    }
    this.#final[state] = 1
  }

  /** Follows failure links, in total at most as often as a text has symbols. */
  #step(from: number, symbol: number): number {
    if (symbol === 0) return 0
    for (let state = from; ; state = this.#failures[state] as number) {
      const next = this.#edge(state, symbol)
      if (next !== NONE) return next
      if (state === 0) return 0
    }
  }

  /** Sets failure links, in order of distance from the root. */
  *link(): Slices<void> {
    let done = 0
    for (const state of (yield* this.#levels()).flat()) {
      const parent = this.#parents[state] as number
      const symbol = this.#symbols[state] as number
      this.#failures[state] = parent === 0 ? 0 : this.#step(this.#failures[parent] as number, symbol)
      if (this.#final[this.#failures[state] as number] === 1) this.#final[state] = 1
      if (++done % STRETCH === 0) yield
    }
  }

  /** The next state by state and symbol; -1 at the end of a needle. */
  *tabulate(): Slices<Int32Array> {
    const width = this.#width
    const table = new Int32Array(this.count * width)
    let done = 0
    for (const level of yield* this.#levels()) {
      // A failure state is nearer to the root; its row must have its children, which may be on this level.
      for (const state of level) {
        const cell = (this.#parents[state] as number) * width + (this.#symbols[state] as number)
        table[cell] = this.#final[state] === 1 ? -1 : state
      }
      for (const state of level) {
        const failure = (this.#failures[state] as number) * width
        table.copyWithin(state * width, failure, failure + width)
        if (++done % STRETCH === 0) yield
      }
    }
    return table
  }

  /** The states except the root, by distance from it. */
  *#levels(): Slices<number[][]> {
    const depths = new Int32Array(this.count)
    const levels: number[][] = []
    // A state is created after its parent.
    for (let state = 1; state < this.count; state++) {
      const depth = (depths[this.#parents[state] as number] as number) + 1
      depths[state] = depth
      const level = levels[depth - 1]
      if (level === undefined) levels.push([state])
      else level.push(state)
      if (state % STRETCH === 0) yield
    }
    return levels
  }

  #addState(parent: number, symbol: number): number {
    const state = this.count++
    this.#parents[state] = parent
    this.#symbols[state] = symbol
    let slot = this.#slotOf(parent, symbol)
    while (this.#slots[slot] !== NONE) slot = (slot + 1) & this.#mask
    this.#slots[slot] = state
    return state
  }

  #edge(state: number, symbol: number): number {
    for (let slot = this.#slotOf(state, symbol); ; slot = (slot + 1) & this.#mask) {
      const child = this.#slots[slot] as number
      if (child === NONE || (this.#parents[child] === state && this.#symbols[child] === symbol)) return child
    }
  }

  #slotOf(state: number, symbol: number): number {
    return (Math.imul(state, 0x9e3779b1) ^ Math.imul(symbol, 0x85ebca6b)) & this.#mask
  }
}
