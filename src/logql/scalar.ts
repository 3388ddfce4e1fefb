/** LogQL arithmetic and comparison of numbers. */

import type { ArithmeticOperator, BinaryOperation, CompareOperator, LiteralExpr } from './parse/syntax.ts'

/** Division and modulo by zero give NaN, unlike Prometheus with infinities. */
export function calculate(operator: ArithmeticOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return right === 0 ? Number.NaN : left / right
    case '%':
      return right === 0 ? Number.NaN : left % right
    case '^':
      return power(left, right)
  }
}

/** Go's math.Pow: unlike JavaScript's, 1 to any power, and -1 to an infinite one, is 1. */
function power(base: number, exponent: number): number {
  if (base === 1) return 1
  if (base === -1 && (exponent === Number.POSITIVE_INFINITY || exponent === Number.NEGATIVE_INFINITY)) return 1
  return base ** exponent
}

export function compare(operator: CompareOperator, left: number, right: number): boolean {
  switch (operator) {
    case '==':
      return left === right
    case '!=':
      return left !== right
    case '>':
      return left > right
    case '>=':
      return left >= right
    case '<':
      return left < right
    case '<=':
      return left <= right
  }
}

export function isComparison(operator: BinaryOperation['operator']): operator is CompareOperator {
  return ['==', '!=', '>', '>=', '<', '<='].includes(operator)
}

/** Folds `1 + 2` to the literal 3, and a comparison of literals to 0 or 1; undefined if a side is not a literal. */
export function reduceLiterals({ operator, left, right }: BinaryOperation): LiteralExpr | undefined {
  if (left.kind !== 'literal' || right.kind !== 'literal') return undefined
  if (operator === 'and' || operator === 'or' || operator === 'unless') return undefined
  const value = isComparison(operator)
    ? Number(compare(operator, left.value, right.value))
    : calculate(operator, left.value, right.value)
  return { kind: 'literal', value }
}
