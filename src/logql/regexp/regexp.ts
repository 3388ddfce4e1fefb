/**
 * Regular expressions with RE2's meaning and a bound on their time.
 *
 * re2js is the truth and is linear, but about 25 times slower than the engine's own RegExp. A pattern of the subset that
 * both read alike (regexp-tree.ts) goes to RegExp for texts that are short enough for its backtracking
 * (regexp-cost.ts); everything else goes to re2js.
 */

import { RE2JS, RE2JSException } from 're2js'
import { GatewayError } from '../../domain/errors.ts'
import { type MatchCost, matchCost, type RequiredLiterals, requiredLiterals } from './regexp-cost.ts'
import { type RegexpNode, type RegexpTree, readRegexp } from './regexp-tree.ts'

/** Instructions of one compiled pattern: re2js may visit all of them for each character. */
const PROGRAM_SIZE_MAX = 20_000
/** Steps that the engine's own RegExp may be asked to make for one text: well under a millisecond. */
const STEPS_MAX = 262_144
/** Alternatives that RegExp may have to try one after the other at each place. */
const FACTOR_MAX = 1024

/** A compiled pattern. */
export interface Regexp {
  readonly source: string
  /** Every match contains at least one of the literals (none: nothing is known). */
  readonly required: RequiredLiterals
  /** Names of the groups by group number; '' for group 0 and groups without one. */
  readonly groupNames: readonly string[]
  /** True when the pattern matches somewhere; a pattern from compileAnchored: when it matches the whole text. */
  test(text: string): boolean
  /** The leftmost match: the texts of group 0 and of all others, undefined for those that took no part. */
  match(text: string): readonly (string | undefined)[] | undefined
  /** All matches that do not overlap, from the left, each with its place in the text (UTF-16 units). */
  matchAll(text: string): Iterable<RegexpMatch>
}

export interface RegexpMatch {
  readonly start: number
  readonly end: number
  readonly groups: readonly (string | undefined)[]
}

/**
 * Compiles for a search anywhere in a text; `.` does not take a line break. For line filters, the regexp stage and the
 * template functions. Throws query_malformed with Go's words.
 */
export function compileRegexp(pattern: string): Regexp {
  return new TwoEngines(pattern, false)
}

/**
 * Compiles for a match of the whole text; `.` takes line breaks as well. For label matchers, label filters and
 * label_replace. Throws query_malformed with Go's words.
 */
export function compileAnchored(pattern: string): Regexp {
  return new TwoEngines(pattern, true)
}

class TwoEngines implements Regexp {
  readonly source: string
  readonly required: RequiredLiterals
  readonly groupNames: readonly string[]
  readonly #anchored: boolean
  readonly #truth: RE2JS
  readonly #tester: OwnEngine | undefined
  readonly #matcher: OwnEngine | undefined

  constructor(pattern: string, anchored: boolean) {
    this.source = pattern
    this.#anchored = anchored
    const plain = compileRe2(pattern, 0)
    // The flag is written into the pattern that error texts show: only a valid pattern gets it.
    this.#truth = anchored ? compileRe2(pattern, RE2JS.DOTALL) : plain
    this.groupNames = groupNames(this.#truth)
    const tree = readRegexp(pattern, anchored)
    const required = tree === undefined ? { literals: [], isWhole: false } : requiredLiterals(tree)
    this.required = anchored ? { ...required, isWhole: false } : required
    if (tree === undefined) return
    this.#matcher = ownEngine(tree, anchored)
    this.#tester = anchored ? this.#matcher : ownEngine(withoutOuterRuns(tree), anchored)
  }

  test(text: string): boolean {
    const own = this.#tester
    if (own !== undefined && text.length <= own.lengthMax) return own.expression.test(text)
    return this.#anchored ? this.#truth.testExact(text) : this.#truth.test(text)
  }

  match(text: string): readonly (string | undefined)[] | undefined {
    const own = this.#matcher
    if (own !== undefined && text.length <= own.lengthMax) return own.expression.exec(text) ?? undefined
    const matcher = this.#truth.matcher(text)
    const isFound = this.#anchored ? matcher.matches() : matcher.find()
    return isFound ? groupsOf(matcher) : undefined
  }

  *matchAll(text: string): Iterable<RegexpMatch> {
    const matcher = this.#truth.matcher(text)
    while (matcher.find()) yield { start: matcher.start(), end: matcher.end(), groups: groupsOf(matcher) }
  }
}

interface OwnEngine {
  readonly expression: RegExp
  /** Longest text, in UTF-16 units, for which the expression stays within STEPS_MAX. */
  readonly lengthMax: number
}

function ownEngine(tree: RegexpTree, anchored: boolean): OwnEngine | undefined {
  const cost = matchCost(tree)
  if (cost === undefined || cost.factor > FACTOR_MAX) return undefined
  const source = writeRegexp(tree.root)
  const expression = new RegExp(anchored ? `^(?:${source})$` : source, tree.ignoresCase ? 'iu' : 'u')
  return { expression, lengthMax: lengthMax(cost, anchored) }
}

function compileRe2(pattern: string, flags: number): RE2JS {
  try {
    // A repetition multiplies its body: too large a program is refused before memory is spent on it.
    const compiled = repeatedSize(pattern) > PROGRAM_SIZE_MAX ? undefined : RE2JS.compile(pattern, flags)
    if (compiled !== undefined && compiled.programSize() <= PROGRAM_SIZE_MAX) return compiled
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new GatewayError('query_malformed', `parse error : ${error.message}`, { cause: error })
  }
  throw new GatewayError('query_malformed', 'parse error : error parsing regexp: expression too large')
}

const REPETITION = /\{(\d{1,4})(?:,(\d{0,4}))?\}/y

/** About how many instructions the counted repetitions of a pattern make, given one for each character. */
function repeatedSize(pattern: string): number {
  const outer: number[] = []
  let size = 0
  let atom = 0
  let largest = 0
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string
    REPETITION.lastIndex = at
    const repetition = char === '{' ? REPETITION.exec(pattern) : null
    if (repetition !== null) {
      const count = Math.max(Number(repetition[1]), Number(repetition[2] ?? 0))
      size += atom * (count - 1)
      atom *= count
      largest = Math.max(largest, size)
      at += repetition[0].length - 1
    } else if (char === '(') {
      outer.push(size)
      size = 0
    } else {
      if (char === '\\') at++
      atom = char === ')' ? size + 1 : 1
      size = char === ')' ? atom + (outer.pop() ?? 0) : size + 1
    }
  }
  return largest
}

function groupNames(compiled: RE2JS): string[] {
  const names: string[] = new Array(compiled.groupCount() + 1).fill('')
  for (const [name, index] of Object.entries(compiled.namedGroups())) names[index] = name
  return names
}

function groupsOf(matcher: ReturnType<RE2JS['matcher']>): (string | undefined)[] {
  return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined)
}

function lengthMax({ factor, degree, scans }: MatchCost, anchored: boolean): number {
  const power = degree + (scans ? 1 : 0) + (anchored ? 0 : 1)
  // One pass over the text is what any engine needs.
  if (power <= 1) return Number.POSITIVE_INFINITY
  return Math.floor((STEPS_MAX / factor) ** (1 / power))
}

/** Leaves out `.*` at both ends: for the question whether there is a match, not where, they change nothing. */
function withoutOuterRuns({ root, ignoresCase }: RegexpTree): RegexpTree {
  if (root.kind !== 'sequence') return { root, ignoresCase }
  const isRun = (node: RegexpNode | undefined): boolean =>
    node?.kind === 'repeat' && node.min === 0 && node.max === Number.POSITIVE_INFINITY && node.body.kind === 'set'
  const items = [...root.items]
  while (isRun(items[0])) items.shift()
  while (isRun(items.at(-1))) items.pop()
  return { root: { kind: 'sequence', items }, ignoresCase }
}

const SYNTAX_CHARS = /[\\^$.*+?()[\]{}|/]/

function writeRegexp(node: RegexpNode): string {
  switch (node.kind) {
    case 'char':
      return SYNTAX_CHARS.test(node.char) ? `\\${node.char}` : node.char
    case 'set':
      return node.source
    case 'begin':
      return '^'
    case 'end':
      return '$'
    case 'sequence':
      return node.items.map(writeRegexp).join('')
    case 'alternation':
      return node.items.map(writeRegexp).join('|')
    case 'group':
      return `(${node.isCapturing ? '' : '?:'}${writeRegexp(node.body)})`
    case 'repeat':
      return `${writeRegexp(node.body)}{${node.min},${node.max === Number.POSITIVE_INFINITY ? '' : node.max}}${node.isLazy ? '?' : ''}`
  }
}
