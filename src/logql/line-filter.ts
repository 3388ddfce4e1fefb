/** Line filters, on text that a stage may have changed, and on the bytes of stored lines. */

import { bytesOfText } from '../domain/labels.ts'
import { finishSlices } from '../kit/slices.ts'
import type { LineFilterOperand, LineFilterStage } from './parse/syntax.ts'
import { compileIpFilter } from './pipeline/ip.ts'
import { compilePatternFilter } from './pipeline/pattern-filter.ts'
import { compileLiterals } from './regexp/literal-search.ts'
import { compileRegexp } from './regexp/regexp.ts'

/** True keeps the line. Throws query_malformed for an invalid pattern or address. */
export function compileLineFilter({ operator, operands }: LineFilterStage): (line: string) => boolean {
  const tests = compileOperands(operator, operands)
  const [only] = tests
  const isPositive = operator.startsWith('|')
  if (only !== undefined && tests.length === 1) return isPositive ? only : (line) => !only(line)
  return isPositive ? (line) => tests.some((test) => test(line)) : (line) => !tests.some((test) => test(line))
}

/** All texts are searched in one pass. */
function compileOperands(operator: LineFilterStage['operator'], operands: readonly LineFilterOperand[]) {
  const isText = ({ kind }: LineFilterOperand): boolean => kind === 'text' && (operator === '|=' || operator === '!=')
  const literals = operands.filter(isText).map(({ value }) => value)
  if (literals.length < 2) return operands.map((operand) => compileOperand(operator, operand))
  const others = operands.filter((operand) => !isText(operand)).map((operand) => compileOperand(operator, operand))
  return [finishSlices(compileLiterals({ place: 'anywhere', literals }, false)), ...others]
}

/** Whether a line matches the operand, independent of the operator. */
function compileOperand(operator: LineFilterStage['operator'], { kind, value }: LineFilterOperand) {
  if (kind === 'ip') return compileIpFilter(value)
  switch (operator) {
    case '|=':
    case '!=':
      return (line: string) => line.includes(value)
    case '|~':
    case '!~': {
      const regexp = compileRegexp(value)
      return (line: string) => regexp.test(line)
    }
    case '|>':
    case '!>':
      return compilePatternFilter(value)
  }
}

/** A line filter as a search on bytes, as far as possible. */
export interface ByteFilter {
  /**
   * Every line that the filter keeps (a negative one: drops) contains at least one of these bytes; undefined if
   * unknown.
   */
  readonly needles: readonly Uint8Array[] | undefined
  /** True: keeps lines with a needle; false: drops them. */
  readonly isPositive: boolean
  /** The rest of the decision for a line with a needle; undefined if the needle decides. */
  readonly test: ((line: string) => boolean) | undefined
}

export function compileByteFilter(stage: LineFilterStage): ByteFilter {
  const isPositive = stage.operator.startsWith('|')
  const required = stage.operands.map((operand) => requiredLiterals(stage.operator, operand))
  const literals = required.flatMap((each) => each?.literals ?? [])
  const isKnown = required.every((each) => each !== undefined && each.literals.length > 0)
  // The replacement character represents invalid UTF-8, which cannot be searched as text.
  if (!isKnown || literals.some((literal) => literal === '' || literal.includes('\ufffd'))) {
    return { needles: undefined, isPositive, test: compileLineFilter(stage) }
  }
  const isWhole = required.every((each) => each?.isWhole === true)
  return {
    needles: literals.map((literal) => bytesOfText(literal)),
    isPositive,
    test: isWhole ? undefined : compileLineFilter(stage),
  }
}

function requiredLiterals(operator: LineFilterStage['operator'], { kind, value }: LineFilterOperand) {
  if (kind === 'ip' || operator === '|>' || operator === '!>') return undefined
  return operator === '|=' || operator === '!=' ? { literals: [value], isWhole: true } : compileRegexp(value).required
}
