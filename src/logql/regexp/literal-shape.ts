/** Recognises regular expressions that only match a list of literals. */

import type { Slices } from '../../kit/slices.ts'
import type { RegexpNode, RegexpTree } from './regexp-tree.ts'

/** Where in a text the literal must be. */
export type LiteralPlace = 'whole' | 'start' | 'end' | 'anywhere'

/** A text matches if any of the literals is at the place. */
export interface LiteralShape {
  readonly place: LiteralPlace
  readonly literals: readonly string[]
}

/** Maximum number of literals of an expression, and of their characters. */
const LITERALS_MAX = 50_000
const CHARS_MAX = 1 << 20
/** Items of an alternation processed between two yields. */
const STRETCH = 512

/**
 * The shape of an expression, for whether a text matches but not where. `isAnchored`: the match must be the whole text.
 * Undefined for an expression that is more than literals.
 */
export function* literalShape({ root }: RegexpTree, isAnchored: boolean): Slices<LiteralShape | undefined> {
  const ends = stripEnds(root, isAnchored)
  if (ends === undefined) return undefined
  const literals = yield* expand({ kind: 'sequence', items: ends.items }, new Room())
  if (literals === undefined) return undefined
  const { isOpenBefore, isOpenBehind } = ends
  const place = isOpenBefore ? (isOpenBehind ? 'anywhere' : 'end') : isOpenBehind ? 'start' : 'whole'
  return { place, literals }
}

interface Ends {
  readonly items: readonly RegexpNode[]
  /** Whether any text may precede or follow the match of the items. */
  readonly isOpenBefore: boolean
  readonly isOpenBehind: boolean
}

/** Removes anchors and runs of any character from both ends; undefined if they have another meaning. */
function stripEnds(root: RegexpNode, isAnchored: boolean): Ends | undefined {
  const items = [...itemsOf(root)]
  const before = countEnd(items, 'begin', !isAnchored)
  if (before === undefined) return undefined
  const rest = items.slice(before.count)
  const behind = countEnd(rest.toReversed(), 'end', !isAnchored)
  if (behind === undefined) return undefined
  return {
    items: rest.slice(0, rest.length - behind.count),
    isOpenBefore: before.isOpen,
    isOpenBehind: behind.isOpen,
  }
}

/** How many items determine whether the end is open, and whether it is; undefined if an anchor is inside a run. */
function countEnd(
  items: readonly RegexpNode[],
  anchor: 'begin' | 'end',
  isOpenAtFirst: boolean,
): { readonly count: number; readonly isOpen: boolean } | undefined {
  let isOpen = isOpenAtFirst
  let hasRun = false
  let count = 0
  for (const node of items) {
    if (node.kind === anchor) {
      if (hasRun) return undefined
      isOpen = false
    } else if (isRun(node) && (takesAll(node) || isOpen)) {
      isOpen = true
      hasRun = true
    } else break
    count++
  }
  return { count, isOpen }
}

/** The items of a sequence, without groups around the whole. */
function itemsOf(node: RegexpNode): readonly RegexpNode[] {
  if (node.kind === 'group' && node.body.kind !== 'alternation') return itemsOf(node.body)
  return node.kind === 'sequence' ? node.items : [node]
}

/** `.*`, greedy or lazy. */
function isRun(node: RegexpNode): node is RegexpNode & { readonly kind: 'repeat' } {
  return node.kind === 'repeat' && node.min === 0 && node.max === Number.POSITIVE_INFINITY && node.body.kind === 'set'
}

/** True for a run of a set that contains every character. */
function takesAll({ body }: RegexpNode & { readonly kind: 'repeat' }): boolean {
  return body.kind === 'set' && body.source === '[^]'
}

/** The remaining part of LITERALS_MAX and CHARS_MAX. */
class Room {
  #literals = LITERALS_MAX
  #chars = CHARS_MAX

  take(literals: readonly string[]): boolean {
    this.#literals -= literals.length
    for (const literal of literals) this.#chars -= literal.length
    return this.#literals >= 0 && this.#chars >= 0
  }
}

/** All texts that the node matches; undefined if there are too many. */
function* expand(node: RegexpNode, room: Room): Slices<readonly string[] | undefined> {
  switch (node.kind) {
    case 'char':
      return [node.char]
    case 'group':
      return yield* expand(node.body, room)
    case 'alternation':
      return yield* expandAlternation(node.items, room)
    case 'sequence':
      return yield* expandSequence(node.items, room)
    case 'set':
      return expandSet(node)
    default:
      return undefined
  }
}

function* expandAlternation(items: readonly RegexpNode[], room: Room): Slices<readonly string[] | undefined> {
  const all: string[] = []
  for (const [i, item] of items.entries()) {
    const literals = yield* expand(item, room)
    if (literals === undefined || !room.take(literals)) return undefined
    all.push(...literals)
    if (i % STRETCH === STRETCH - 1) yield
  }
  return all
}

function* expandSequence(items: readonly RegexpNode[], room: Room): Slices<readonly string[] | undefined> {
  let all: readonly string[] = ['']
  let run = ''
  for (const item of items) {
    if (item.kind === 'char') {
      run += item.char
      continue
    }
    const literals = yield* expand(item, room)
    if (literals === undefined || all.length * literals.length > LITERALS_MAX) return undefined
    const before = run
    all = all.flatMap((head) => literals.map((tail) => head + before + tail))
    run = ''
    if (!room.take(all)) return undefined
    if (all.length > STRETCH) yield
  }
  return run === '' ? all : all.map((head) => head + run)
}

/** `[.]` and other sets with one character. */
function expandSet({ set }: RegexpNode & { readonly kind: 'set' }): readonly string[] | undefined {
  const first = set.indexOf(1)
  const isOne = first >= 0 && first < set.length - 1 && first === set.lastIndexOf(1)
  return isOne ? [String.fromCharCode(first)] : undefined
}
