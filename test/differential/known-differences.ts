/** Differences that stay, each with its reason in docs/fidelity.md. */

import type { Difference } from './answers.ts'
import type { Question } from './question.ts'

export interface KnownDifference {
  /** The heading of its paragraph in docs/fidelity.md. */
  readonly name: string
  readonly matches: (question: Question, difference: Difference) => boolean
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = []

export function knownDifference(question: Question, difference: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(({ matches }) => matches(question, difference))
}
