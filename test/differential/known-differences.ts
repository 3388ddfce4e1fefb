/** Differences that stay, each with its reason in docs/fidelity.md. The gateway is on the left, Loki on the right. */

import type { LabelFilter, PipelineStage } from '../../src/logql/parse/syntax.ts'
import { compareReplies, type Difference } from './answers.ts'
import { mapStages } from './map-stages.ts'
import type { Question } from './question.ts'

export interface KnownDifference {
  /** Its row in docs/fidelity.md. */
  readonly name: string
  readonly matches: (difference: Difference, question: Question) => boolean
}

const SUMS_COMPARED = /\b(sum|avg|stddev|stdvar|rate)\w*.*(==|!=|[<>]=?)\s*(bool\b)?.*\b(sum|avg|stddev|stdvar|rate)/is
const MATCHING_FAULT = /matching labels must be unique|many-to-one matching must be explicit/
const SUMMED = /\b(sum|avg|stddev|stdvar)(_over_time)?\b|\brate\b|\^/i

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: 'Loki gives no answer',
    matches: ({ right }) => /^0 |^500 (could not write JSON|unexpected expr type|rpc error)/.test(right),
  },
  {
    name: 'A query that is at fault: 400 here, 500 in Loki',
    matches: ({ left, right }) =>
      left.startsWith('400 ') && right.startsWith('500 ') && left.slice(4) === right.slice(4),
  },
  {
    name: 'Which of several faults of a query an error names',
    matches: ({ left, right }) => left.startsWith('400 ') && right.startsWith('500 ') && MATCHING_FAULT.test(right),
  },
  {
    name: 'rate_counter and the borders of its range',
    matches: ({ kind }, { query }) => /^(values|last digits)/.test(kind) && /\brate_counter\b/.test(query),
  },
  {
    name: 'Bytes of characters that a template cuts',
    matches: ({ kind }, { query }) =>
      /^values/.test(kind) && /\bbytes_(over_time|rate)\b/.test(query) && /\b(trunc|substr)\b/.test(query),
  },
  {
    name: 'Expressions of parsers that set `__error__`',
    matches: (_, { query }) => /\b(json|logfmt)\b[^|]*\b__error(_details)?__/.test(query),
  },
  {
    name: 'Error details that outlive their error',
    matches: ({ kind }, { query }) =>
      /^(labels of series|values|times of samples|number of series)/.test(kind) &&
      /\bdrop\b[^|]*__error__/.test(query) &&
      /\bby\s*\([^)]*__error_details__/.test(query),
  },
  {
    name: 'Texts of template errors that a later template prints',
    matches: ({ left }, { query }) =>
      /the template /.test(left) && (/__error_details__/.test(query) || (query.match(/_format\b/g)?.length ?? 0) > 1),
  },
  {
    name: 'Addresses compared behind a failing unwrap',
    matches: ({ left, right }, { query }) =>
      left.startsWith('400 pipeline error') && isGood(right) && /\bunwrap\b.*\bip\(/.test(query),
  },
  {
    name: 'Negative indexes in JSON expressions',
    matches: ({ left }, { query }) => left.startsWith('400 cannot parse expression') && /\bjson\b[^|]*\[-/.test(query),
  },
  {
    name: 'Integers of functions as places of round',
    matches: ({ right }, { query }) => /expected int; got int64/.test(right) && /\bround\b/.test(query),
  },
  {
    name: 'Times of absent_over_time with an offset',
    matches: ({ kind }, { query }) => /^times of samples/.test(kind) && /\babsent_over_time\b.*\boffset\b/.test(query),
  },
  {
    name: 'Labels that a grouping names twice',
    matches: ({ kind }, { query }) =>
      /^values/.test(kind) && /\b(by|without)\s*\([^)]*\b(\w+)\b[^)]*,\s*\2\b/.test(query),
  },
  {
    name: "Queries that Loki's grammar rejects",
    matches: ({ left, right }) => !left.startsWith('400 parse error') && right.startsWith('400 parse error'),
  },
  {
    name: 'Texts of errors in templates',
    matches: ({ left, right }, question) =>
      /the template /.test(left) && isSame(question, maskTemplateErrors(left), maskTemplateErrors(right), true),
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
    name: 'Series that label_replace makes equal',
    matches: ({ left }) => left.startsWith('400 vector cannot contain metrics with the same labelset'),
  },
  {
    name: 'Ties of topk and bottomk',
    matches: ({ kind }) => kind.endsWith(' under topk'),
  },
  {
    name: 'Labels with half a character',
    matches: ({ left, right }) =>
      (left.includes('\ufffd') && (!right.includes('\ufffd') || oneMark(left) === oneMark(right))) ||
      right.startsWith('500 failed to parse series labels to categorize'),
  },
  {
    name: 'Which of several failing series an error names',
    matches: ({ left, right }) => left.startsWith("400 pipeline error: '") && right.startsWith("400 pipeline error: '"),
  },
  {
    name: 'Last digits of sums and powers',
    matches: ({ kind }, { query }) =>
      SUMMED.test(query) &&
      (kind.startsWith('last digits') ||
        (/^(times of samples|labels of series)/.test(kind) && SUMS_COMPARED.test(query))),
  },
  {
    name: 'Label names that label_replace sets',
    matches: ({ left, right }) => left.startsWith('400 parse error : invalid destination label name') && isGood(right),
  },
  {
    name: 'Which of several failing filters an error names',
    matches: ({ left, right }, question) =>
      left.includes('LabelFilterErr') && isSame(question, maskFilterDetails(left), maskFilterDetails(right), true),
  },
  {
    name: 'Dropped errors that still tell groups apart',
    matches: ({ kind, right }, { query }) =>
      (/^(a series twice|times of samples|values)/.test(kind) || /^500 .*duplicate series/.test(right)) &&
      /\bdrop\b[^|]*__error__/.test(query) &&
      /\bwithout\s*\(/.test(query),
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
    name: 'Filters of numbers behind a filter of errors',
    without: (query) =>
      mapStages(query, (stages) => {
        const ofErrors = stages.some((stage) => stage.kind === 'label_filter' && readsErrors(stage.filter))
        return stages.filter((stage) => !ofErrors || stage.kind !== 'label_filter' || isOfText(stage.filter))
      }),
  },
  {
    name: 'Templates that print all labels',
    without: (query) =>
      mapStages(query, (stages) =>
        stages.filter((stage) => stage.kind !== 'line_format' || !PRINTS_ALL.test(stage.template)),
      ),
  },
  {
    name: 'Line filters of several texts, one of which every line has',
    without: (query) =>
      mapStages(query, (stages) => stages.filter((stage) => stage.kind !== 'line_filter' || stage.operands.length < 2)),
  },
  {
    name: 'Filters whose regular expression Loki simplifies',
    without: (query) =>
      mapStages(query, (stages) =>
        stages.filter((stage) =>
          stage.kind === 'line_filter'
            ? !stage.operator.endsWith('~')
            : stage.kind !== 'label_filter' || !hasRegexp(stage.filter),
        ),
      ),
  },
  {
    name: 'Line formats whose line nothing reads',
    without: (query) => mapStages(query, (stages) => stages.filter(({ kind }) => kind !== 'line_format')),
  },
  {
    name: 'Addresses of version 6 near the end of a text',
    without: (query) =>
      mapStages(query, (stages) =>
        stages.filter((stage) =>
          stage.kind === 'line_filter'
            ? stage.operands.every(({ kind }) => kind !== 'ip')
            : stage.kind !== 'label_filter' || !hasAddress(stage.filter),
        ),
      ),
  },
  {
    name: 'Unpack where no label is wanted',
    without: (query) => mapStages(query, (stages) => stages.filter(({ kind }) => kind !== 'unpack')),
  },
  {
    name: 'Line filters behind decolorize',
    without: (query) => mapStages(query, (stages) => stages.filter(({ kind }) => kind !== 'decolorize')),
  },
  {
    name: 'Logfmt expressions that name one key twice',
    without: (query) =>
      mapStages(query, (stages) =>
        stages.filter((stage) => {
          if (stage.kind !== 'logfmt') return true
          const keys = stage.extractions.map(({ expression }) => expression)
          return new Set(keys).size === keys.length
        }),
      ),
  },
  {
    name: 'Logfmt expressions for a label that the stream has',
    without: (query) =>
      mapStages(query, (stages) =>
        stages.filter((stage) => stage.kind !== 'logfmt' || stage.extractions.every(({ label }) => label !== 'app')),
      ),
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

const PRINTS_ALL = /\{\{-?\s*(range\s[^}]*)?\.\s*-?\}\}/
const PARSERS: readonly PipelineStage['kind'][] = ['json', 'logfmt', 'regexp', 'pattern', 'unpack']

export function knownDifference(question: Question, difference: Difference): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find(({ matches }) => matches(difference, question))
}

function hasAddress(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return hasAddress(filter.left) || hasAddress(filter.right)
  return filter.kind === 'ip'
}

function readsErrors(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return readsErrors(filter.left) || readsErrors(filter.right)
  return filter.kind === 'string' && filter.matcher.name.startsWith('__error')
}

function isOfText(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return isOfText(filter.left) && isOfText(filter.right)
  return filter.kind === 'string'
}

function hasRegexp(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return hasRegexp(filter.left) || hasRegexp(filter.right)
  return filter.kind === 'string' && filter.matcher.operator.endsWith('~')
}

/** Runs of U+FFFD as one. */
function oneMark(answer: string): string {
  return answer.replaceAll(/\ufffd+/g, '\ufffd')
}

function isGood(answer: string): boolean {
  return answer.startsWith('200 ')
}

function maskFilterDetails(answer: string): string {
  return answer.replaceAll(/("__error_details__":|__error_details__=)"(?:[^"\\]|\\.)*"/g, '$1""')
}

/** Whether two answers, statuses in front, say the same. */
function isSame(question: Question, left: string, right: string, isOrderFree = false): boolean {
  const [a, b] = [left, right].map((text) => ({ status: Number(text.slice(0, 3)), body: text.slice(4) }))
  if (a === undefined || b === undefined) return false
  const difference = compareReplies(question, a, b)
  return difference === undefined || (isOrderFree && ORDERED_BY_TEXTS.test(difference.kind))
}

/** What may be left where texts of errors, by which streams are sorted and distinguished, are masked. */
const ORDERED_BY_TEXTS = /^(order of (streams|series)|a (stream|series) twice)$/

/** Details of template errors as JSON and as the text of a refused metric query; also where the error was dropped. */
function maskTemplateErrors(answer: string): string {
  return answer
    .replaceAll(/("__error_details__":)"(?:template:|the template )(?:[^"\\]|\\.)*"/g, '$1""')
    .replaceAll(/(__error_details__=)"(?:template:|the template )(?:[^"\\]|\\.)*"/g, '$1""')
}
