/** Differences that stay, each with its reason in docs/fidelity.md. The gateway is on the left, Loki on the right. */

import type { PipelineStage } from '../../src/logql/parse/syntax.ts'
import type { Difference } from './answers.ts'
import { mapStages } from './map-stages.ts'
import type { Question } from './question.ts'

export interface KnownDifference {
  /** The heading of its paragraph in docs/fidelity.md. */
  readonly name: string
  readonly matches: (difference: Difference, question: Question) => boolean
}

const SUMMED = /\b(sum|avg|stddev|stdvar)(_over_time)?\b|\brate\b|\^/i

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: 'Loki gives no answer',
    matches: ({ right }) => /^0 |^500 (could not write JSON|unexpected expr type)/.test(right),
  },
  {
    name: 'A query that is at fault: 400 here, 500 in Loki',
    matches: ({ left, right }) =>
      left.startsWith('400 ') && right.startsWith('500 ') && left.slice(4) === right.slice(4),
  },
  {
    name: "Queries that Loki's grammar rejects",
    matches: ({ left, right }) => !left.startsWith('400 parse error') && right.startsWith('400 parse error'),
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
    name: 'Faults of stages that Loki does not reach',
    matches: ({ left, right }) => /^400 (parse error|approx_topk)/.test(left) && /^200 .*"result":\[\]/s.test(right),
  },
  {
    name: 'Ties of topk and bottomk',
    matches: ({ kind }) => kind.endsWith(' under topk'),
  },
  {
    name: 'Which of several failing series an error names',
    matches: ({ left, right }) => left.startsWith("400 pipeline error: '") && right.startsWith("400 pipeline error: '"),
  },
  {
    name: 'Last digits of sums and powers',
    matches: ({ kind }, { query }) => kind.startsWith('last digits') && SUMMED.test(query),
  },
]

/** Parts of queries that Loki gets wrong: where both agree without them, they are the reason. */
export interface KnownFault {
  readonly name: string
  /** The query without that part; the same text where it has none. */
  readonly without: (query: string) => string
}

export const KNOWN_FAULTS: readonly KnownFault[] = [
  {
    name: 'Filters in front of the parser that fills their label',
    without: (query) =>
      mapStages(query, (stages) => {
        const lastParser = stages.findLastIndex(({ kind }) => PARSERS.includes(kind))
        return stages.filter(({ kind }, i) => kind !== 'label_filter' || i > lastParser)
      }),
  },
  {
    name: 'Line filters behind decolorize',
    without: (query) => mapStages(query, (stages) => stages.filter(({ kind }) => kind !== 'decolorize')),
  },
  {
    name: 'Logfmt expressions behind another parser',
    without: (query) =>
      mapStages(query, (stages) => {
        const first = stages.findIndex(({ kind }) => PARSERS.includes(kind) || kind === 'label_format')
        return stages.filter((stage, i) => stage.kind !== 'logfmt' || stage.extractions.length === 0 || i <= first)
      }),
  },
]

const PARSERS: readonly PipelineStage['kind'][] = ['json', 'logfmt', 'regexp', 'pattern', 'unpack']

export function knownDifference(question: Question, difference: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(({ matches }) => matches(difference, question))
}

/** As JSON, where the details stand behind the error, and as the text of a refused metric query. */
function maskTemplateErrors(answer: string): string {
  return answer
    .replaceAll(/("__error__":"TemplateFormatErr","__error_details__":)"(?:[^"\\]|\\.)*"/g, '$1')
    .replaceAll(/(__error__="TemplateFormatErr", __error_details__=)"(?:[^"\\]|\\.)*"/g, '$1')
}
