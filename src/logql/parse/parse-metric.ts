/** Parses metric expressions. */

import { reduceLiterals } from '../scalar.ts'
import { parseError } from './lex.ts'
import { parseGrouping, parseNames, parseRangeAggregation, takeParameter } from './parse-range.ts'
import {
  type BinaryOperation,
  type BinaryOperator,
  type LabelReplace,
  LOG_RANGE_OPERATIONS,
  type MetricExpr,
  type RangeOperation,
  UNWRAPPED_RANGE_OPERATIONS,
  VECTOR_OPERATIONS,
  type VectorAggregation,
  type VectorMatching,
  type VectorOperation,
} from './syntax.ts'
import type { TokenReader } from './token-reader.ts'

const RANGE_OPERATIONS: ReadonlySet<string> = new Set([...LOG_RANGE_OPERATIONS, ...UNWRAPPED_RANGE_OPERATIONS])
const VECTOR_WORDS: readonly string[] = VECTOR_OPERATIONS
const COUNTED_OPERATIONS: readonly string[] = ['topk', 'bottomk', 'approx_topk']
const UNGROUPED_OPERATIONS: readonly string[] = ['sort', 'sort_desc', 'approx_topk']
const SET_OPERATORS: readonly string[] = ['and', 'or', 'unless']
const COMPARE_OPERATORS: readonly string[] = ['==', '!=', '>', '>=', '<', '<=']

/** Operator precedence; only `^` is right-associative. */
const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ['or', 1],
  ['and', 2],
  ['unless', 2],
  ...COMPARE_OPERATORS.map((operator): [string, number] => [operator, 3]),
  ['+', 4],
  ['-', 4],
  ['*', 5],
  ['/', 5],
  ['%', 5],
  ['^', 6],
])

/** A metric expression with every operator that binds at least as tightly as `least`. */
export function parseMetricExpr(reader: TokenReader, least = 1): MetricExpr {
  return reader.nested(() => parseOperations(reader, least))
}

function parseOperations(reader: TokenReader, least: number): MetricExpr {
  let left = parseOperand(reader)
  for (;;) {
    const token = reader.peek()
    const operator = token.kind === 'symbol' ? token.text : (reader.word() ?? '')
    const precedence = PRECEDENCE.get(operator)
    if (precedence === undefined || precedence < least) return left
    reader.advance()
    reader.countOperator()
    const { returnsBool, matching } = parseModifiers(reader, operator)
    const right = parseMetricExpr(reader, operator === '^' ? precedence : precedence + 1)
    left = makeOperation(operator as BinaryOperator, left, right, returnsBool, matching)
  }
}

function makeOperation(
  operator: BinaryOperator,
  left: MetricExpr,
  right: MetricExpr,
  returnsBool: boolean,
  matching: VectorMatching | undefined,
): MetricExpr {
  const operation: BinaryOperation = { kind: 'binary_operation', operator, left, right, returnsBool, matching }
  if (SET_OPERATORS.includes(operator)) {
    for (const [side, expr] of [
      ['left', left],
      ['right', right],
    ] as const) {
      if (expr.kind !== 'literal') continue
      const shown = expr.value.toFixed(6)
      throw parseError(`unexpected literal for ${side} leg of logical/set binary operation (${operator}): ${shown}`)
    }
  }
  return reduceLiterals(operation) ?? operation
}

function parseModifiers(
  reader: TokenReader,
  operator: string,
): { returnsBool: boolean; matching: VectorMatching | undefined } {
  const returnsBool = reader.word() === 'bool'
  if (returnsBool) {
    if (!COMPARE_OPERATORS.includes(operator)) reader.fail()
    reader.advance()
  }
  const word = reader.word()
  if (word !== 'on' && word !== 'ignoring') return { returnsBool, matching: undefined }
  reader.advance()
  const labels = parseNames(reader)
  const group = reader.word()
  if (group !== 'group_left' && group !== 'group_right') {
    return { returnsBool, matching: { on: word === 'on', labels, many: 'none', include: [] } }
  }
  reader.advance()
  // `group_left (a)` gives labels; `group_left (rate(…))` an operand, and then there are none.
  const isList = reader.isSymbol('(') && (reader.isSymbol(')', 1) || /^[,)]$/.test(reader.peek(2).text))
  const include = isList ? parseNames(reader) : []
  const many = group === 'group_left' ? 'left' : 'right'
  return { returnsBool, matching: { on: word === 'on', labels, many, include } }
}

function parseOperand(reader: TokenReader): MetricExpr {
  if (reader.takeSymbol('(')) {
    const expr = parseMetricExpr(reader)
    reader.expectSymbol(')')
    return expr
  }
  const token = reader.peek()
  if (token.kind === 'number' || reader.isSymbol('-') || reader.isSymbol('+')) {
    return { kind: 'literal', value: reader.expectNumber() }
  }
  const word = reader.word() ?? ''
  if (VECTOR_WORDS.includes(word)) return parseVectorAggregation(reader, word as VectorOperation)
  if (!reader.isSymbol('(', 1)) return reader.fail()
  if (RANGE_OPERATIONS.has(word)) return parseRangeAggregation(reader, word as RangeOperation)
  if (word === 'label_replace') return parseLabelReplace(reader)
  if (word !== 'vector') return reader.fail()
  reader.advance()
  reader.advance()
  const number = reader.peek()
  // Unlike other numbers, this one has no sign.
  if (number.kind !== 'number') return reader.fail('NUMBER')
  reader.advance()
  reader.expectSymbol(')')
  return { kind: 'vector', value: number.value }
}

function parseVectorAggregation(reader: TokenReader, operation: VectorOperation): VectorAggregation {
  const next = reader.word(1)
  if (!reader.isSymbol('(', 1) && next !== 'by' && next !== 'without') reader.fail()
  reader.advance()
  const before = parseGrouping(reader)
  reader.expectSymbol('(')
  const parameter = takeParameter(reader)
  const expr = parseMetricExpr(reader)
  reader.expectSymbol(')')
  const grouping = before ?? parseGrouping(reader)
  checkParameter(operation, parameter)
  if (grouping !== undefined && UNGROUPED_OPERATIONS.includes(operation)) {
    throw parseError(`grouping not allowed for ${operation} aggregation`)
  }
  return { kind: 'vector_aggregation', operation, expr, parameter: parameter?.value, grouping }
}

function checkParameter(operation: VectorOperation, parameter: ReturnType<typeof takeParameter>): void {
  if (!COUNTED_OPERATIONS.includes(operation)) {
    if (parameter !== undefined) throw parseError(`unsupported parameter for operation ${operation}(${parameter.text},`)
    return
  }
  if (parameter === undefined) throw parseError(`parameter required for operation ${operation}`)
  const { text, value } = parameter
  if (!/^\d+$/.test(text)) throw parseError(`invalid parameter ${operation}(${text},`)
  if (value <= 0) throw parseError(`invalid parameter (must be greater than 0) ${operation}(${text}`)
}

function parseLabelReplace(reader: TokenReader): LabelReplace {
  reader.advance()
  reader.advance()
  const expr = parseMetricExpr(reader)
  const [target, replacement, source, pattern] = [1, 2, 3, 4].map(() => {
    reader.expectSymbol(',')
    return reader.expectString()
  }) as [string, string, string, string]
  reader.expectSymbol(')')
  reader.compileLater(pattern, 'anchored')
  return { kind: 'label_replace', expr, target, replacement, source, pattern }
}
