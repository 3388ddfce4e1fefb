/** Tests whether a text matches any alternative of an expression: literals by lookup, the rest in small groups. */

import type { RE2JS } from 're2js'
import type { Slices } from '../../kit/slices.ts'
import { compileLiterals, type TextTest } from './literal-search.ts'
import { type LiteralPlace, type LiteralShape, literalShape } from './literal-shape.ts'
import { ownEngine } from './own-engine.ts'
import { compileRe2, PROGRAM_SIZE_MAX, weightOf } from './re2-program.ts'
import { literalsOf, matchCost, type RequiredLiterals } from './regexp-cost.ts'
import type { RegexpNode, RegexpTree } from './regexp-tree.ts'
import { writeRegexp } from './write-regexp.ts'

/** Maximum alternatives of a group, which RegExp may try at each position. */
const GROUP_FACTOR_MAX = 32
/** Up to this many groups may be compiled while one line is tested. */
const GROUPS_FEW = 4
/** Approximate number of nodes processed between two yields. */
const STRETCH = 64
/** Maximum needles of an expression that is more than literals; they are searched before it. */
const NEEDLES_MAX = 64

const NOTHING_KNOWN: RequiredLiterals = { literals: [], isWhole: false }

export class Alternatives {
  /** Of every match; letters in any case if the expression ignores it. */
  readonly contained: RequiredLiterals
  readonly #tests: readonly TextTest[]

  private constructor(tests: readonly TextTest[], contained: RequiredLiterals) {
    this.#tests = tests
    this.contained = contained
  }

  static ofTests(tests: readonly TextTest[]): Alternatives {
    return new Alternatives(tests, NOTHING_KNOWN)
  }

  /** Throws query_malformed for an alternative that is too large. */
  static *ofTree(tree: RegexpTree, isAnchored: boolean): Slices<Alternatives> {
    const { shapes, rest } = yield* sortAlternatives(tree, isAnchored)
    const tests: TextTest[] = []
    for (const shape of shapes) tests.push(yield* compileLiterals(shape, tree.ignoresCase))
    const groups = yield* groupRest(rest, tree.ignoresCase)
    for (const group of groups) {
      yield
      const test = testOf(group, isAnchored)
      tests.push(test)
      if (groups.length > GROUPS_FEW) yield* warmUp(test)
    }
    return new Alternatives(tests, containedIn(shapes, rest, isAnchored))
  }

  test(text: string): boolean {
    for (const test of this.#tests) if (test(text)) return true
    return false
  }
}

/**
 * The engine compiles an expression at its first use, and compiles it to machine code at the second; separately for
 * texts of one and of two bytes per unit. Without this, many expressions would be compiled while one line is tested.
 */
function* warmUp(test: TextTest): Slices<void> {
  for (const text of ['a', 'a', '\u0100', '\u0100']) {
    test(text)
    yield
  }
}

/** The alternatives that are only literals, by place, and the others. */
function* sortAlternatives(tree: RegexpTree, isAnchored: boolean) {
  const { ignoresCase } = tree
  const whole = yield* literalShape(tree, isAnchored)
  if (whole !== undefined) return { shapes: [whole], rest: [] }
  const byPlace = new Map<LiteralPlace, string[]>()
  const rest: RegexpNode[] = []
  for (const [i, root] of alternativesOf(tree.root).entries()) {
    if (i % STRETCH === STRETCH - 1) yield
    const shape = yield* literalShape({ root, ignoresCase }, isAnchored)
    if (shape === undefined) {
      rest.push(isAnchored ? root : withoutOuterRuns(root))
      continue
    }
    const literals = byPlace.get(shape.place) ?? []
    byPlace.set(shape.place, literals)
    for (const literal of shape.literals) literals.push(literal)
  }
  const shapes = [...byPlace].map(([place, literals]): LiteralShape => ({ place, literals }))
  return { shapes, rest }
}

/** The top-level alternatives; groups around them do not matter for a test. */
function alternativesOf(node: RegexpNode): readonly RegexpNode[] {
  if (node.kind === 'group') return alternativesOf(node.body)
  return node.kind === 'alternation' ? node.items : [node]
}

/** Joins adjacent alternatives of known cost as long as they are cheap together. */
function* groupRest(rest: readonly RegexpNode[], ignoresCase: boolean): Slices<RegexpTree[]> {
  const groups: RegexpNode[][] = []
  let factor = Number.POSITIVE_INFINITY
  for (const [i, item] of rest.entries()) {
    if (i % STRETCH === STRETCH - 1) yield
    const own = matchCost({ root: item, ignoresCase })?.factor ?? Number.POSITIVE_INFINITY
    if (factor + own > GROUP_FACTOR_MAX) {
      groups.push([])
      factor = 0
    }
    groups.at(-1)?.push(item)
    factor += own
  }
  return groups.map((items) => ({
    root: items.length === 1 ? (items[0] as RegexpNode) : { kind: 'alternation', items },
    ignoresCase,
  }))
}

/** Uses RegExp for texts that are short enough, otherwise re2js, which is compiled on first use. */
function testOf(tree: RegexpTree, isAnchored: boolean): TextTest {
  const own = ownEngine(tree, isAnchored)
  const source = `${tree.ignoresCase ? '(?i)' : ''}${writeRegexp(tree.root, 're2')}`
  let truth: RE2JS | undefined
  const exact = (): RE2JS => {
    truth ??= compileRe2(source, 0, PROGRAM_SIZE_MAX)
    return truth
  }
  if (own === undefined || weightOf(source) > PROGRAM_SIZE_MAX) exact()
  return (text) => {
    if (own !== undefined && text.length <= own.lengthMax) return own.expression.test(text)
    return isAnchored ? exact().testExact(text) : exact().test(text)
  }
}

function containedIn(
  shapes: readonly LiteralShape[],
  rest: readonly RegexpNode[],
  isAnchored: boolean,
): RequiredLiterals {
  const ofShapes = shapes.flatMap(({ literals }) => literals)
  if (rest.length > NEEDLES_MAX || ofShapes.includes('')) return NOTHING_KNOWN
  const ofRest = rest.map((root) => literalsOf(root).literals)
  if (ofRest.some((literals) => literals.length === 0)) return NOTHING_KNOWN
  const isWhole = !isAnchored && rest.length === 0 && shapes.every(({ place }) => place === 'anywhere')
  return { literals: [...ofShapes, ...ofRest.flat()], isWhole }
}

/** Drops `.*` at both ends, which does not matter for whether there is a match. */
function withoutOuterRuns(root: RegexpNode): RegexpNode {
  if (root.kind !== 'sequence') return root
  const isRun = (node: RegexpNode | undefined): boolean =>
    node?.kind === 'repeat' && node.min === 0 && node.max === Number.POSITIVE_INFINITY && node.body.kind === 'set'
  const items = [...root.items]
  while (isRun(items[0])) items.shift()
  while (isRun(items.at(-1))) items.pop()
  return { kind: 'sequence', items }
}
