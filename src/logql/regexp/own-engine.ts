/** The engine's own RegExp for a tree, with the maximum length of texts for which its time is bounded. */

import { type MatchCost, matchCost } from './regexp-cost.ts'
import type { RegexpTree } from './regexp-tree.ts'
import { writeRegexp } from './write-regexp.ts'

/** Maximum steps of RegExp for a text if it passes over the text once: some milliseconds. */
const LINEAR_STEPS_MAX = 4_194_304
/** The same if it may backtrack: well under a millisecond. */
const STEPS_MAX = 262_144
/** Maximum alternatives that RegExp may try one by one at each position. */
const FACTOR_MAX = 1024

export interface OwnEngine {
  readonly expression: RegExp
  /** The longest text, in UTF-16 units, for which the expression stays within the limit. */
  readonly lengthMax: number
}

/** Undefined if the backtracking is not understood, or too costly for any text. */
export function ownEngine(tree: RegexpTree, isAnchored: boolean): OwnEngine | undefined {
  const cost = matchCost(tree)
  if (cost === undefined || cost.factor > FACTOR_MAX) return undefined
  const source = writeRegexp(tree.root, 'own')
  const expression = new RegExp(isAnchored ? `^(?:${source})$` : source, tree.ignoresCase ? 'iu' : 'u')
  return { expression, lengthMax: lengthMax(cost, isAnchored) }
}

function lengthMax({ factor, degree, scans }: MatchCost, isAnchored: boolean): number {
  const power = degree + (scans ? 1 : 0) + (isAnchored ? 0 : 1)
  // Any engine needs one pass over the text.
  if (power <= 1) return Math.floor(LINEAR_STEPS_MAX / factor)
  return Math.floor((STEPS_MAX / factor) ** (1 / power))
}
