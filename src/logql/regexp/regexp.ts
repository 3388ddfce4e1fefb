/**
 * Regular expressions with RE2's meaning and bounded time.
 *
 * re2js is the reference and linear, but slow, both to compile and to run. A pattern of the subset that RegExp
 * interprets in the same way (regexp-tree.ts) is first searched for literals (literal-shape.ts); the rest uses RegExp
 * for texts that are short enough for its backtracking (regexp-cost.ts). re2js handles everything else.
 */

import { RE2JS } from 're2js'
import { GatewayError } from '../../domain/errors.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'
import { Alternatives } from './alternatives.ts'
import { type OwnEngine, ownEngine } from './own-engine.ts'
import { compileRe2, PROGRAM_SIZE_MAX, WEIGHT_MAX, weightOf } from './re2-program.ts'
import type { RequiredLiterals } from './regexp-cost.ts'
import { type RegexpTree, treeSlices } from './regexp-tree.ts'
import { splitAlternatives } from './split-alternatives.ts'
import { groupNamesOf } from './write-regexp.ts'

/** A compiled pattern. */
export interface Regexp {
  readonly source: string
  /** Every match contains at least one of the literals (empty: none is known). */
  readonly required: RequiredLiterals
  /** The same for any expression; with `ignoresCase` the literals are there in some case. */
  readonly contained: { readonly literals: readonly string[]; readonly ignoresCase: boolean }
  /** Names of the groups by group number; '' for group 0 and unnamed groups. */
  readonly groupNames: readonly string[]
  /** Number of instructions of its program: a search by re2js may visit all of them at each character. */
  readonly programSize: number
  /** True if the pattern matches anywhere in the text, or, from compileAnchored, the whole text. */
  test(text: string): boolean
  /**
   * The leftmost match: the texts of group 0 and of all others, undefined for groups without a match. Throws
   * query_refused for a text that is too long for a costly pattern.
   */
  match(text: string): readonly (string | undefined)[] | undefined
  /** All matches that do not overlap, from left to right, each with its position in the text (UTF-16 units). */
  matchAll(text: string): Iterable<RegexpMatch>
}

export interface RegexpMatch {
  readonly start: number
  readonly end: number
  readonly groups: readonly (string | undefined)[]
}

/** `anchored`: matches the whole text, and `.` matches line breaks too. */
export type Anchoring = 'anchored' | 'search'

/**
 * Compiles for a search anywhere in a text; `.` does not match a line break. For line filters, the regexp stage and
 * template functions. Throws query_malformed with Go's error text.
 */
export function compileRegexp(pattern: string): Regexp {
  return finishSlices(regexpSlices(pattern, 'search'))
}

/**
 * Compiles for a match of the whole text; `.` matches line breaks too. For label matchers, label filters and
 * label_replace. Throws query_malformed with Go's error text.
 */
export function compileAnchored(pattern: string): Regexp {
  return finishSlices(regexpSlices(pattern, 'anchored'))
}

/** From this length on a text is tested for a match before its groups are searched. */
const LONG_TEXT = 4096
/** Maximum instructions times characters of a search for groups: a second or two at worst, and usually far less. */
const GROUP_STEPS_MAX = 33_554_432

/** A cache of compiled patterns: a query uses each several times, and dashboards repeat queries. */
const REMEMBERED = new Map<string, Regexp>()
/** Maximum total length of their sources. */
const REMEMBERED_CHARS_MAX = 1 << 20
let rememberedChars = 0

/** The same in slices; a cached pattern is returned immediately. */
export function* regexpSlices(pattern: string, anchoring: Anchoring): Slices<Regexp> {
  const key = `${anchoring} ${pattern}`
  const known = REMEMBERED.get(key)
  if (known !== undefined) {
    REMEMBERED.delete(key)
    REMEMBERED.set(key, known)
    return known
  }
  const compiled = yield* compileSlices(pattern, anchoring === 'anchored')
  if (!REMEMBERED.has(key)) rememberedChars += key.length
  REMEMBERED.set(key, compiled)
  for (const oldest of REMEMBERED.keys()) {
    if (rememberedChars <= REMEMBERED_CHARS_MAX) break
    REMEMBERED.delete(oldest)
    rememberedChars -= oldest.length
  }
  return compiled
}

function* compileSlices(pattern: string, isAnchored: boolean): Slices<Regexp> {
  const tree = yield* treeSlices(pattern, isAnchored)
  yield
  if (tree !== undefined) {
    return new CompiledRegexp(pattern, isAnchored, tree, yield* Alternatives.ofTree(tree, isAnchored))
  }
  const parts = weightOf(pattern) > WEIGHT_MAX ? splitAlternatives(pattern) : undefined
  if (parts === undefined || parts.length === 1) return new CompiledRegexp(pattern, isAnchored, undefined, undefined)
  const tests: Regexp[] = []
  for (const part of parts) tests.push(yield* compileSlices(part, isAnchored))
  return new CompiledRegexp(
    pattern,
    isAnchored,
    undefined,
    Alternatives.ofTests(tests.map((each) => (text) => each.test(text))),
  )
}

class CompiledRegexp implements Regexp {
  readonly source: string
  readonly required: RequiredLiterals
  readonly contained: Regexp['contained']
  readonly #isAnchored: boolean
  readonly #tree: RegexpTree | undefined
  readonly #alternatives: Alternatives | undefined
  #matcher: { readonly own: OwnEngine | undefined } | undefined
  #names: readonly string[] | undefined
  #truth: RE2JS | undefined

  /** Without alternatives re2js is used for everything, and compiled immediately to report errors. */
  constructor(
    source: string,
    isAnchored: boolean,
    tree: RegexpTree | undefined,
    alternatives: Alternatives | undefined,
  ) {
    this.source = source
    this.#isAnchored = isAnchored
    this.#tree = tree
    this.#alternatives = alternatives
    const contained = alternatives?.contained ?? { literals: [], isWhole: false }
    const ignoresCase = tree?.ignoresCase === true
    this.contained = { literals: contained.literals, ignoresCase }
    this.required = ignoresCase ? { literals: [], isWhole: false } : contained
    if (alternatives === undefined) this.#compileTruth(WEIGHT_MAX)
  }

  get groupNames(): readonly string[] {
    this.#names ??= this.#tree === undefined ? namesOf(this.#exact) : groupNamesOf(this.#tree.root)
    return this.#names
  }

  get programSize(): number {
    return this.#exact.programSize()
  }

  test(text: string): boolean {
    if (this.#alternatives !== undefined) return this.#alternatives.test(text)
    return this.#isAnchored ? this.#exact.testExact(text) : this.#exact.test(text)
  }

  match(text: string): readonly (string | undefined)[] | undefined {
    const tree = this.#tree
    this.#matcher ??= { own: tree === undefined ? undefined : ownEngine(tree, this.#isAnchored) }
    const { own } = this.#matcher
    if (own !== undefined && text.length <= own.lengthMax) return own.expression.exec(text) ?? undefined
    // A test for a match is much faster than a search for its groups.
    if (text.length > LONG_TEXT && !this.test(text)) return undefined
    refuseCostly(this.#exact.programSize() * text.length, text)
    const matcher = this.#exact.matcher(text)
    const isFound = this.#isAnchored ? matcher.matches() : matcher.find()
    return isFound ? groupsOf(matcher) : undefined
  }

  *matchAll(text: string): Iterable<RegexpMatch> {
    const matcher = this.#exact.matcher(text)
    while (matcher.find()) yield { start: matcher.start(), end: matcher.end(), groups: groupsOf(matcher) }
  }

  /** The whole pattern in re2js, which most patterns never need. */
  get #exact(): RE2JS {
    return this.#truth ?? this.#compileTruth(PROGRAM_SIZE_MAX)
  }

  #compileTruth(weightMax: number): RE2JS {
    const plain = compileRe2(this.source, 0, weightMax)
    // Error texts show the pattern with the flag written into it, so only a valid pattern gets the flag.
    this.#truth = this.#isAnchored ? compileRe2(this.source, RE2JS.DOTALL, weightMax) : plain
    return this.#truth
  }
}

function refuseCostly(steps: number, text: string): void {
  if (steps <= GROUP_STEPS_MAX) return
  throw new GatewayError(
    'query_refused',
    `the regular expression is too costly for a text of ${text.length} characters; use a simpler one, or a filter that drops long lines`,
  )
}

function namesOf(compiled: RE2JS): string[] {
  const names: string[] = new Array(compiled.groupCount() + 1).fill('')
  for (const [name, index] of Object.entries(compiled.namedGroups())) names[index] = name
  return names
}

function groupsOf(matcher: ReturnType<RE2JS['matcher']>): (string | undefined)[] {
  return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined)
}
