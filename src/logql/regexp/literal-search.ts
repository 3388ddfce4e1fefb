/** Tests whether a text contains one of many literals at a place, in a time that does not depend on their number. */

import type { Slices } from '../../kit/slices.ts'
import { foldCase } from './case-fold.ts'
import type { LiteralShape } from './literal-shape.ts'
import { NeedleAutomaton, unitsOf } from './needles.ts'

export type TextTest = (text: string) => boolean

/** Up to this many literals are searched one by one, because the engine's own search is fast. */
const FEW = 4
/** Literals added to a set between two yields. */
const STRETCH = 4096

/** `ignoresCase` as for RE2's flag i. */
export function* compileLiterals({ place, literals }: LiteralShape, ignoresCase: boolean): Slices<TextTest> {
  const folded = ignoresCase ? literals.map(foldCase) : literals
  const test = yield* compilePlace(place, folded)
  return ignoresCase ? (text) => test(foldCase(text)) : test
}

function* compilePlace(place: LiteralShape['place'], literals: readonly string[]): Slices<TextTest> {
  if (place === 'whole') {
    const set = yield* setOf(literals)
    return (text) => set.has(text)
  }
  if (literals.includes('')) return () => true
  if (literals.length <= FEW) return compileFew(place, literals)
  if (place === 'anywhere') {
    const automaton = yield* NeedleAutomaton.make(literals.map(unitsOf))
    return (text) => automaton.isIn(text)
  }
  return yield* compileByLength(place, literals)
}

function compileFew(place: LiteralShape['place'], literals: readonly string[]): TextTest {
  const [only = ''] = literals
  const isOne = literals.length === 1
  switch (place) {
    case 'start':
      return isOne ? (text) => text.startsWith(only) : (text) => literals.some((literal) => text.startsWith(literal))
    case 'end':
      return isOne ? (text) => text.endsWith(only) : (text) => literals.some((literal) => text.endsWith(literal))
    default:
      return isOne ? (text) => text.includes(only) : (text) => literals.some((literal) => text.includes(literal))
  }
}

/** Few lengths are distinct, because their sum is bounded by the length of the query. */
function* compileByLength(place: 'start' | 'end', literals: readonly string[]): Slices<TextTest> {
  const set = yield* setOf(literals)
  const lengths = [...new Set(literals.map(({ length }) => length))].sort((a, b) => a - b)
  return (text) => {
    for (const length of lengths) {
      if (length > text.length) return false
      if (set.has(place === 'start' ? text.slice(0, length) : text.slice(text.length - length))) return true
    }
    return false
  }
}

function* setOf(literals: readonly string[]): Slices<ReadonlySet<string>> {
  const set = new Set<string>()
  for (const [i, literal] of literals.entries()) {
    set.add(literal)
    if (i % STRETCH === STRETCH - 1) yield
  }
  return set
}
