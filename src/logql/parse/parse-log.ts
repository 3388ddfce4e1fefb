/** Parses selectors and pipelines. */

import { parseError } from './lex.ts'
import { parseLabelFilter } from './parse-label-filter.ts'
import { MATCH_OPERATORS, parseMatcher, parseMatchers } from './parse-matcher.ts'
import type {
  LabelAssignment,
  LabelExtraction,
  LabelPick,
  LineFilterOperand,
  LineFilterOperator,
  LineFilterStage,
  LogExpr,
  LogfmtStage,
  PipelineStage,
} from './syntax.ts'
import type { TokenReader } from './token-reader.ts'

const LINE_FILTERS: readonly string[] = ['|=', '!=', '|~', '!~', '|>', '!>'] satisfies LineFilterOperator[]

/** `{a="b"} |= "x" | json`, with all stages. */
export function parseLogExpr(reader: TokenReader): LogExpr {
  const matchers = parseMatchers(reader)
  const stages: PipelineStage[] = []
  while (isStage(reader)) stages.push(parseStage(reader))
  return { kind: 'log', matchers, stages }
}

/** True at a stage other than unwrap. */
export function isStage(reader: TokenReader): boolean {
  const token = reader.peek()
  if (token.kind !== 'symbol') return false
  return LINE_FILTERS.includes(token.text) || (token.text === '|' && !isUnwrap(reader))
}

/** True at `| unwrap x`; `| unwrap="x"` is a filter on a label of that name. */
export function isUnwrap(reader: TokenReader): boolean {
  return reader.isSymbol('|') && reader.word(1) === 'unwrap' && reader.peek(2).kind === 'word'
}

export function parseStage(reader: TokenReader): PipelineStage {
  if (!reader.takeSymbol('|')) return parseLineFilter(reader)
  // A keyword before an operator is a label of that name.
  const next = reader.peek(1)
  const isLabel = next.kind === 'symbol' && /^(=|==|!=|=~|!~|<|<=|>|>=)$/.test(next.text) && !isLineFilterNext(reader)
  const keyword = isLabel ? undefined : reader.word()
  const parse = keyword === undefined ? undefined : STAGES.get(keyword)
  if (parse !== undefined) {
    reader.advance()
    return parse(reader)
  }
  if (reader.peek().kind !== 'word' && !reader.isSymbol('(')) reader.fail()
  return { kind: 'label_filter', filter: parseLabelFilter(reader) }
}

/** `| json != "x"`: a stage without arguments, and then a line filter. */
function isLineFilterNext(reader: TokenReader): boolean {
  const word = reader.word() ?? ''
  const hasNoArguments = ['json', 'logfmt', 'unpack', 'decolorize'].includes(word)
  return hasNoArguments && (reader.isSymbol('!=', 1) || reader.isSymbol('!~', 1))
}

const STAGES: ReadonlyMap<string, (reader: TokenReader) => PipelineStage> = new Map([
  ['json', (reader) => ({ kind: 'json', extractions: parseExtractions(reader) })],
  ['logfmt', parseLogfmt],
  ['regexp', parseRegexp],
  ['pattern', (reader) => ({ kind: 'pattern', pattern: reader.expectString() })],
  ['unpack', () => ({ kind: 'unpack' })],
  ['line_format', (reader) => ({ kind: 'line_format', template: reader.expectString() })],
  ['label_format', (reader) => ({ kind: 'label_format', assignments: parseAssignments(reader) })],
  ['decolorize', () => ({ kind: 'decolorize' })],
  ['drop', (reader) => ({ kind: 'drop', labels: parsePicks(reader) })],
  ['keep', (reader) => ({ kind: 'keep', labels: parsePicks(reader) })],
] satisfies [string, (reader: TokenReader) => PipelineStage][])

function parseLineFilter(reader: TokenReader): LineFilterStage {
  const operator = reader.advance().text as LineFilterOperator
  const operands = [parseOperand(reader, operator)]
  while (reader.takeWord('or')) operands.push(parseOperand(reader, operator))
  return { kind: 'line_filter', operator, operands }
}

function parseOperand(reader: TokenReader, operator: LineFilterOperator): LineFilterOperand {
  reader.countOperator()
  if (reader.word() === 'ip' && reader.isSymbol('(', 1)) {
    const place = reader.advance()
    reader.advance()
    const value = reader.expectString()
    reader.expectSymbol(')')
    if (operator !== '|=' && operator !== '!=') throw parseError(`ip: invalid operation ${operator}`, place)
    return { kind: 'ip', value }
  }
  if (reader.peek().kind !== 'string') reader.fail('STRING', 'ip')
  const value = reader.expectString()
  if (operator === '|~' || operator === '!~') reader.compileLater(value, 'search')
  return { kind: 'text', value }
}

function parseLogfmt(reader: TokenReader): LogfmtStage {
  let isStrict = false
  let keepsEmpty = false
  for (let token = reader.peek(); token.kind === 'flag'; token = reader.peek()) {
    if (token.text === '--strict') isStrict = true
    else if (token.text === '--keep-empty') keepsEmpty = true
    else reader.fail('--strict', '--keep-empty')
    reader.advance()
  }
  return { kind: 'logfmt', isStrict, keepsEmpty, extractions: parseExtractions(reader) }
}

function parseExtractions(reader: TokenReader): LabelExtraction[] {
  const extractions: LabelExtraction[] = []
  if (reader.peek().kind !== 'word') return extractions
  do {
    const label = reader.expectName()
    extractions.push({ label, expression: reader.takeSymbol('=') ? reader.expectString() : label })
  } while (reader.takeSymbol(','))
  return extractions
}

/** The start of a named group. */
const NAMED_GROUP = /(?<!\\)(?:\\\\)*\(\?P?<(\w+)>/g

function parseRegexp(reader: TokenReader): PipelineStage {
  const pattern = reader.expectString()
  const names = [...pattern.matchAll(NAMED_GROUP)].map(([, name = '']) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw parseError(`duplicate extracted label name '${twice}'`)
  reader.compileLater(pattern, 'search', ({ groupNames }) => {
    if (groupNames.every((name) => name === '')) throw parseError('at least one named capture must be supplied')
  })
  return { kind: 'regexp', pattern }
}

function parseAssignments(reader: TokenReader): LabelAssignment[] {
  const assignments: LabelAssignment[] = []
  do {
    const target = reader.expectName()
    if (target === '__error__') throw parseError('__error__ cannot be formatted')
    if (assignments.some((each) => each.target === target)) {
      throw parseError(`multiple label name '${target}' not allowed in a single format operation`)
    }
    reader.expectSymbol('=')
    const token = reader.peek()
    if (token.kind === 'string') assignments.push({ kind: 'template', target, template: reader.expectString() })
    else if (token.kind === 'word') assignments.push({ kind: 'rename', target, source: reader.expectName() })
    else reader.fail('IDENTIFIER', 'STRING')
  } while (reader.takeSymbol(','))
  return assignments
}

function parsePicks(reader: TokenReader): LabelPick[] {
  const picks: LabelPick[] = []
  do {
    const next = reader.peek(1)
    const isMatcher = next.kind === 'symbol' && MATCH_OPERATORS.includes(next.text)
    picks.push(
      isMatcher ? { kind: 'matcher', matcher: parseMatcher(reader) } : { kind: 'name', name: reader.expectName() },
    )
  } while (reader.takeSymbol(','))
  return picks
}
