/** Exact decimal arithmetic for addf, subf, mulf and divf: 0.1 plus 0.2 is 0.3. */

import { fault } from './budget.ts'

/** digits × 10^exponent. */
interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

/** Decimal places that a division keeps. */
const DIVISION_DIGITS = 16

export type DecimalOperator = '+' | '-' | '*' | '/'

/**
 * Computes on the shortest decimals of the doubles, and returns the nearest double. Throws for a division by zero, NaN
 * and Inf.
 */
export function calculate(operator: DecimalOperator, values: readonly number[]): number {
  const [first, ...others] = values.map(toDecimal)
  if (first === undefined) return 0
  return toNumber(others.reduce((sum, other) => apply(operator, sum, other), first))
}

function apply(operator: DecimalOperator, a: Decimal, b: Decimal): Decimal {
  switch (operator) {
    case '*':
      return shorten({ digits: a.digits * b.digits, exponent: a.exponent + b.exponent })
    case '/':
      return divide(a, b)
    default: {
      const exponent = Math.min(a.exponent, b.exponent)
      const [x, y] = [scale(a, exponent), scale(b, exponent)]
      return { digits: operator === '+' ? x + y : x - y, exponent }
    }
  }
}

function divide(a: Decimal, b: Decimal): Decimal {
  if (b.digits === 0n) throw fault('divides by zero')
  // The quotient in units of 10^-17, so that the last digit can be rounded.
  const shift = a.exponent - b.exponent + DIVISION_DIGITS + 1
  const [top, bottom] =
    shift >= 0 ? [a.digits * 10n ** BigInt(shift), b.digits] : [a.digits, b.digits * 10n ** BigInt(-shift)]
  const quotient = top / bottom
  const rounded = (quotient + (quotient < 0n ? -5n : 5n)) / 10n
  return { digits: rounded, exponent: -DIVISION_DIGITS }
}

function scale({ digits, exponent }: Decimal, target: number): bigint {
  return digits * 10n ** BigInt(exponent - target)
}

/** Bounds the digits of products of many factors: 800 digits represent any double and more. */
function shorten(decimal: Decimal): Decimal {
  const excess = decimal.digits.toString().length - 800
  if (excess <= 0) return decimal
  return { digits: decimal.digits / 10n ** BigInt(excess), exponent: decimal.exponent + excess }
}

function toDecimal(value: number): Decimal {
  if (!Number.isFinite(value)) throw fault('calculates with a number that is not finite')
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e')
  const fraction = mantissa.split('.')[1] ?? ''
  return { digits: BigInt(mantissa.replace('.', '')), exponent: Number(exponent) - fraction.length }
}

function toNumber({ digits, exponent }: Decimal): number {
  return Number(`${digits}e${exponent}`)
}
