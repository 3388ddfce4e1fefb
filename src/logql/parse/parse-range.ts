/** Parses range aggregations: `quantile_over_time(0.9, {a="b"} | unwrap x [5m] offset 1h) by (c)`. */

import { parseError } from './lex.ts'
import { parseLabelFilter } from './parse-label-filter.ts'
import { isStage, isUnwrap, parseStage } from './parse-log.ts'
import { parseMatchers } from './parse-matcher.ts'
import {
  type Grouping,
  type LabelFilter,
  LOG_RANGE_OPERATIONS,
  type LogRange,
  type PipelineStage,
  type RangeAggregation,
  type RangeOperation,
  UNWRAPPED_RANGE_OPERATIONS,
  type Unwrap,
} from './syntax.ts'
import type { TokenReader } from './token-reader.ts'

const LOG_OPERATIONS: readonly string[] = LOG_RANGE_OPERATIONS
const UNWRAPPED_OPERATIONS: readonly string[] = UNWRAPPED_RANGE_OPERATIONS
/** Range aggregations that accept `by` or `without`. */
const GROUPED_OPERATIONS: readonly string[] = [
  ...['avg_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time'],
  ...['max_over_time', 'min_over_time', 'first_over_time', 'last_over_time'],
]

/** Parses from the name of the operation. */
export function parseRangeAggregation(reader: TokenReader, operation: RangeOperation): RangeAggregation {
  reader.advance()
  reader.advance()
  if (reader.isSymbol('-') || reader.isSymbol('+')) reader.fail('NUMBER', '{', '(')
  const parameter = takeParameter(reader)
  const range = parseLogRange(reader)
  reader.expectSymbol(')')
  const grouping = parseGrouping(reader)
  if (parameter === undefined && operation === 'quantile_over_time') {
    throw parseError(`parameter required for operation ${operation}`)
  }
  if (parameter !== undefined && operation !== 'quantile_over_time') {
    throw parseError(`parameter ${parameter.text} not supported for operation ${operation}`)
  }
  if (grouping !== undefined && !GROUPED_OPERATIONS.includes(operation)) {
    throw parseError(`grouping not allowed for ${operation} aggregation`)
  }
  if (range.unwrap === undefined && !LOG_OPERATIONS.includes(operation)) {
    throw parseError(`invalid aggregation ${operation} without unwrap`)
  }
  if (range.unwrap !== undefined && !UNWRAPPED_OPERATIONS.includes(operation)) {
    throw parseError(`invalid aggregation ${operation} with unwrap`)
  }
  return { kind: 'range_aggregation', operation, range, parameter: parameter?.value, grouping }
}

/** The parts of a range, which may come in several orders: parentheses, range and pipeline. */
interface RangeDraft {
  matchers: LogRange['log']['matchers']
  readonly stages: PipelineStage[]
  unwrap: Unwrap | undefined
  range: bigint | undefined
  offset: bigint | undefined
}

function parseLogRange(reader: TokenReader): LogRange {
  const draft: RangeDraft = { matchers: [], stages: [], unwrap: undefined, range: undefined, offset: undefined }
  readRangeParts(reader, draft)
  const { matchers, stages, unwrap, range, offset } = draft
  if (range === undefined) return reader.fail('RANGE')
  return { log: { kind: 'log', matchers, stages }, unwrap, range, offset }
}

function readRangeParts(reader: TokenReader, draft: RangeDraft): void {
  if (reader.takeSymbol('(')) {
    reader.nested(() => readRangeParts(reader, draft))
    reader.expectSymbol(')')
  } else draft.matchers = parseMatchers(reader)
  for (;;) {
    const token = reader.peek()
    if (token.kind === 'range' && draft.range === undefined) {
      reader.advance()
      draft.range = token.ns
      draft.offset = parseOffset(reader)
    } else if (isUnwrap(reader) && draft.unwrap === undefined) draft.unwrap = parseUnwrap(reader)
    else if (isStage(reader) && draft.unwrap === undefined) draft.stages.push(parseStage(reader))
    else return
  }
}

function parseOffset(reader: TokenReader): bigint | undefined {
  if (!reader.takeWord('offset')) return undefined
  const isNegative = reader.takeSymbol('-')
  const token = reader.peek()
  if (token.kind !== 'duration') return reader.fail('DURATION')
  reader.advance()
  return isNegative ? -token.ns : token.ns
}

const CONVERSIONS: readonly string[] = ['duration', 'duration_seconds', 'bytes'] satisfies Unwrap['conversion'][]

function parseUnwrap(reader: TokenReader): Unwrap {
  reader.advance()
  reader.advance()
  const word = reader.word() ?? ''
  let conversion: Unwrap['conversion'] = 'none'
  let label: string
  if (reader.isSymbol('(', 1)) {
    if (!CONVERSIONS.includes(word)) reader.fail('IDENTIFIER', ...CONVERSIONS)
    conversion = word as Unwrap['conversion']
    reader.advance()
    reader.advance()
    label = reader.expectName()
    reader.expectSymbol(')')
  } else label = reader.expectName()
  const filters: LabelFilter[] = []
  while (reader.isSymbol('|') && !isUnwrap(reader)) {
    reader.advance()
    filters.push(parseLabelFilter(reader))
  }
  return { label, conversion, filters }
}

/** A number before a comma. As in Loki it has no sign, because no parameter may be negative. */
export function takeParameter(reader: TokenReader): { readonly text: string; readonly value: number } | undefined {
  const token = reader.peek()
  if (token.kind !== 'number' || !reader.isSymbol(',', 1)) return undefined
  reader.advance()
  reader.advance()
  return token
}

export function parseGrouping(reader: TokenReader): Grouping | undefined {
  const word = reader.word()
  if (word !== 'by' && word !== 'without') return undefined
  reader.advance()
  return { without: word === 'without', labels: parseNames(reader) }
}

/** `(a, b)` or `()`. */
export function parseNames(reader: TokenReader): string[] {
  reader.expectSymbol('(')
  const names: string[] = []
  if (reader.takeSymbol(')')) return names
  do names.push(reader.expectName())
  while (reader.takeSymbol(','))
  if (!reader.takeSymbol(')')) reader.fail(',', ')')
  return names
}
