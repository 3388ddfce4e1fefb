/** The engine's own RegExp for a tree, with the length of texts up to which it keeps its bound. */

import { type MatchCost, matchCost } from './regexp-cost.ts'
import type { RegexpTree } from './regexp-tree.ts'
import { writeRegexp } from './write-regexp.ts'

/** Steps that RegExp may be asked to make for one text: some milliseconds at most, where it goes over the text once. */
const LINEAR_STEPS_MAX = 4_194_304
/** The same where it may go back: well under a millisecond. */
const STEPS_MAX = 262_144
/** Alternatives that RegExp may have to try one after the other at each place. */
const FACTOR_MAX = 1024

export interface OwnEngine {
  readonly expression: RegExp
  /** Longest text, in UTF-16 units, for which the expression stays within its bound. */
  readonly lengthMax: number
}

/** Undefined where the backtracking is not understood, or too much for any text. */
export function ownEngine(tree: RegexpTree, isAnchored: boolean): OwnEngine | undefined {
  const cost = matchCost(tree)
  if (cost === undefined || cost.factor > FACTOR_MAX) return undefined
  const source = writeRegexp(tree.root, 'own')
  const expression = new RegExp(isAnchored ? `^(?:${source})$` : source, tree.ignoresCase ? 'iu' : 'u')
  return { expression, lengthMax: lengthMax(cost, isAnchored) }
}

function lengthMax({ factor, degree, scans }: MatchCost, isAnchored: boolean): number {
  const power = degree + (scans ? 1 : 0) + (isAnchored ? 0 : 1)
  // One pass over the text is what any engine needs.
  if (power <= 1) return Math.floor(LINEAR_STEPS_MAX / factor)
  return Math.floor((STEPS_MAX / factor) ** (1 / power))
}
