/** Differences that stay, each with its reason in docs/fidelity.md. The gateway is on the left, Loki on the right. */

import type { Difference } from './answers.ts'
import type { Question } from './question.ts'

export interface KnownDifference {
  /** The heading of its paragraph in docs/fidelity.md. */
  readonly name: string
  readonly matches: (difference: Difference, question: Question) => boolean
}

const SUMMED = /\b(sum|avg|stddev|stdvar)(_over_time)?\b|\brate\b|\^/i
const LATE_LOGFMT = /\|\s*(json|logfmt|regexp|pattern|unpack|label_format)\b.*\|\s*logfmt[^|]*=/i

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: 'Loki gives no answer',
    matches: ({ right }) => right.startsWith('0 ') || right.startsWith('500 could not write JSON'),
  },
  {
    name: 'A query that is at fault: 400 here, 500 in Loki',
    matches: ({ left, right }) =>
      left.startsWith('400 ') && right.startsWith('500 ') && left.slice(4) === right.slice(4),
  },
  {
    name: "Queries that Loki's grammar rejects",
    matches: ({ left, right }) => left.startsWith('200 ') && right.startsWith('400 parse error'),
  },
  {
    name: 'Texts of errors in templates',
    matches: ({ left, right }) => maskTemplateErrors(left) === maskTemplateErrors(right),
  },
  {
    name: 'Texts of syntax errors',
    matches: ({ left, right }) => left.startsWith('400 parse error') && right.startsWith('400 parse error'),
  },
  {
    name: 'Which of several failing series an error names',
    matches: ({ left, right }) => left.startsWith("400 pipeline error: '") && right.startsWith("400 pipeline error: '"),
  },
  {
    name: 'Last digits of sums and powers',
    matches: ({ kind }, { query }) => kind.startsWith('last digits') && SUMMED.test(query),
  },
  {
    name: 'Logfmt expressions behind another parser',
    matches: ({ left, right }, { query }) =>
      left.startsWith('200') && right.startsWith('200') && LATE_LOGFMT.test(query),
  },
]

export function knownDifference(question: Question, difference: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(({ matches }) => matches(difference, question))
}

/** As JSON, where the details stand behind the error, and as the text of a refused metric query. */
function maskTemplateErrors(answer: string): string {
  return answer
    .replaceAll(/("__error__":"TemplateFormatErr","__error_details__":)"(?:[^"\\]|\\.)*"/g, '$1')
    .replaceAll(/(__error__="TemplateFormatErr", __error_details__=)"(?:[^"\\]|\\.)*"/g, '$1')
}
