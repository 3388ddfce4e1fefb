/** Estimates the cost of backtracking in the engine's own RegExp, and finds literals that every match contains. */

import { type CharSet, OTHER_CHARS, type RegexpNode, type RegexpTree } from './regexp-tree.ts'

/** At most about `factor * length ** degree` steps for one start position in a text of `length` characters. */
export interface MatchCost {
  readonly factor: number
  readonly degree: number
  /** Whether each attempt may also pass over the text once. */
  readonly scans: boolean
}

const CHEAP: MatchCost = { factor: 1, degree: 0, scans: false }
const NOTHING: CharSet = new Uint8Array(OTHER_CHARS + 1)

/**
 * Maximum number of repetitions, groups and the like to analyse: with more of them backtracking is too costly anyway.
 */
const PARTS_MAX = 2000

/** The cost; undefined for repetitions whose backtracking is not understood. */
export function matchCost({ root, ignoresCase }: RegexpTree): MatchCost | undefined {
  return countParts(root) > PARTS_MAX ? undefined : costOf(root, NOTHING, ignoresCase)
}

/** Number of nodes other than characters. */
function countParts(node: RegexpNode): number {
  switch (node.kind) {
    case 'char':
    case 'set':
      return 0
    case 'group':
    case 'repeat':
      return 1 + countParts(node.body)
    case 'sequence':
    case 'alternation':
      return node.items.reduce((sum, item) => sum + countParts(item), 1)
    default:
      return 1
  }
}

/** `follow` are the characters that may follow the node in a match. */
function costOf(node: RegexpNode, follow: CharSet, ignoresCase: boolean): MatchCost | undefined {
  if (node.kind === 'group') return costOf(node.body, follow, ignoresCase)
  if (node.kind === 'alternation') {
    const costs = node.items.map((item) => costOf(item, follow, ignoresCase))
    if (!costs.every((cost) => cost !== undefined)) return undefined
    return {
      factor: costs.reduce((sum, cost) => sum + cost.factor, 0),
      degree: Math.max(...costs.map((cost) => cost.degree)),
      scans: costs.some((cost) => cost.scans),
    }
  }
  if (node.kind === 'sequence') {
    let total = CHEAP
    let behind = follow
    for (const item of node.items.toReversed()) {
      const cost = costOf(item, behind, ignoresCase)
      if (cost === undefined) return undefined
      if (cost !== CHEAP) total = multiply(total, cost)
      behind = firstOf(item, behind)
    }
    return total
  }
  return node.kind === 'repeat' ? repeatCost(node, follow, ignoresCase) : CHEAP
}

function repeatCost(
  { body, min, max }: RegexpNode & { kind: 'repeat' },
  follow: CharSet,
  ignoresCase: boolean,
): MatchCost | undefined {
  const isSingle = body.kind === 'char' || body.kind === 'set'
  // RegExp clears the groups of the previous iteration, and skips an empty iteration; RE2 does neither.
  if (!isSingle && (isNullable(body) || (max > 1 && captures(body)))) return undefined
  const copies = max === min ? min : max === 1 ? 1 : undefined
  if (copies === undefined) {
    if (!isSingle) return undefined
    // If the following characters cannot be part of the run, there is only one way to end it.
    const isDetermined = !ignoresCase && !overlaps(firstOf(body, NOTHING), follow)
    return isDetermined ? { factor: 1, degree: 0, scans: true } : { factor: 1, degree: 1, scans: false }
  }
  if (isSingle && max === min) return CHEAP
  const inside = union(firstOf(body, NOTHING), follow)
  const one = costOf(body, inside, ignoresCase)
  if (one === undefined) return undefined
  const all = { factor: one.factor ** copies, degree: one.degree * copies, scans: one.scans }
  return min === max ? all : { ...all, factor: all.factor + 1 }
}

function multiply(a: MatchCost, b: MatchCost): MatchCost {
  return { factor: a.factor * b.factor, degree: a.degree + b.degree, scans: a.scans || b.scans }
}

/** The possible first characters of a match of the node followed by `follow`. */
function firstOf(node: RegexpNode, follow: CharSet): CharSet {
  switch (node.kind) {
    case 'char':
      return charSet(node.char)
    case 'set':
      return node.set
    case 'begin':
    case 'word_edge':
      return follow
    case 'end':
      return NOTHING
    case 'group':
      return firstOf(node.body, follow)
    case 'alternation':
      return node.items.map((item) => firstOf(item, follow)).reduce(union)
    case 'sequence':
      return node.items.reduceRight((behind, item) => firstOf(item, behind), follow)
    case 'repeat':
      return node.min > 0 ? firstOf(node.body, follow) : union(firstOf(node.body, follow), follow)
  }
}

function isNullable(node: RegexpNode): boolean {
  switch (node.kind) {
    case 'char':
    case 'set':
      return false
    case 'begin':
    case 'end':
    case 'word_edge':
      return true
    case 'group':
      return isNullable(node.body)
    case 'alternation':
      return node.items.some(isNullable)
    case 'sequence':
      return node.items.every(isNullable)
    case 'repeat':
      return node.min === 0 || isNullable(node.body)
  }
}

function captures(node: RegexpNode): boolean {
  if (node.kind === 'group') return node.name !== undefined || captures(node.body)
  if (node.kind === 'repeat') return captures(node.body)
  return (node.kind === 'sequence' || node.kind === 'alternation') && node.items.some(captures)
}

/** A set for each index of a CharSet, created once: patterns may have a hundred thousand characters. */
const CHAR_SETS: readonly CharSet[] = Array.from({ length: OTHER_CHARS + 1 }, (_, place) => {
  const set = new Uint8Array(OTHER_CHARS + 1)
  set[place] = 1
  return set
})

function charSet(char: string): CharSet {
  return CHAR_SETS[Math.min(char.codePointAt(0) as number, OTHER_CHARS)] as CharSet
}

function union(a: CharSet, b: CharSet): CharSet {
  return a.map((flag, code) => flag | (b[code] as number))
}

function overlaps(a: CharSet, b: CharSet): boolean {
  return a.some((flag, code) => flag === 1 && b[code] === 1)
}

/** Every match contains at least one of `literals`; `isWhole` if every text that contains one matches. */
export interface RequiredLiterals {
  readonly literals: readonly string[]
  readonly isWhole: boolean
}

const LITERALS_MAX = 16
const NONE: RequiredLiterals = { literals: [], isWhole: false }

/** The literals worth searching before the expression itself; none if there are none. They ignore case if it does. */
export function literalsOf(node: RegexpNode): RequiredLiterals {
  if (node.kind === 'group') return literalsOf(node.body)
  if (node.kind === 'char') return { literals: [node.char], isWhole: true }
  if (node.kind === 'repeat') return node.min > 0 ? { ...literalsOf(node.body), isWhole: false } : NONE
  if (node.kind === 'alternation') {
    const all = node.items.map(literalsOf)
    const literals = all.flatMap((each) => each.literals)
    if (all.some((each) => each.literals.length === 0) || literals.length > LITERALS_MAX) return NONE
    return { literals, isWhole: all.every((each) => each.isWhole) }
  }
  return node.kind === 'sequence' ? sequenceLiterals(node.items) : NONE
}

/** The longest run of plain characters, or the alternatives of an item if they are longer. */
function sequenceLiterals(items: readonly RegexpNode[]): RequiredLiterals {
  if (items.length > 0 && items.every((item) => item.kind === 'char')) {
    return { literals: [items.map((item) => item.char).join('')], isWhole: true }
  }
  let best: readonly string[] = []
  let run = ''
  const offer = (literals: readonly string[]): void => {
    if (shortest(literals) > shortest(best)) best = literals
  }
  for (const item of items) {
    if (item.kind === 'char') run += item.char
    else {
      offer(run === '' ? [] : [run])
      run = ''
      offer(literalsOf(item).literals)
    }
  }
  offer(run === '' ? [] : [run])
  return { literals: best, isWhole: false }
}

function shortest(literals: readonly string[]): number {
  return literals.length === 0 ? 0 : Math.min(...literals.map((literal) => literal.length))
}
