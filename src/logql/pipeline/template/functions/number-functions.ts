/** Template functions for numbers: sprig's, with its conversions, and Loki's for sizes and durations. */

import { parseBytes, parseGoDuration, parseGoFloat } from '../../convert.ts'
import { fault } from '../budget.ts'
import { calculate, type DecimalOperator } from '../decimal.ts'
import { parseGoInteger } from '../number-literal.ts'
import type { GoValue } from '../value.ts'
import { define, defineRest, type TemplateFunction } from './functions.ts'

export const NUMBER_FUNCTIONS: readonly (readonly [name: string, made: TemplateFunction])[] = [
  ['int', define(['any'], ([value]) => toInteger(value))],
  ['float64', define(['any'], ([value]) => toFloat(value))],
  ['add', defineRest([], 'any', (_, values) => values.map(toInteger).reduce((a, b) => wrap(a + b), 0n))],
  ['sub', define(['any', 'any'], ([a, b]) => wrap(toInteger(a) - toInteger(b)))],
  [
    'mul',
    defineRest(['any'], 'any', ([a], others) => others.map(toInteger).reduce((x, y) => wrap(x * y), toInteger(a))),
  ],
  ['div', define(['any', 'any'], ([a, b]) => wrap(toInteger(a) / divisor(b)))],
  ['mod', define(['any', 'any'], ([a, b]) => toInteger(a) % divisor(b))],
  ['addf', defineRest([], 'any', (_, values) => calculate('+', [0, ...values.map(toFloat)]))],
  ['subf', defineDecimal('-')],
  ['mulf', defineDecimal('*')],
  ['divf', defineDecimal('/')],
  ['max', defineRest(['any'], 'any', ([a], others) => [a, ...others].map(toInteger).reduce((x, y) => (y > x ? y : x)))],
  ['min', defineRest(['any'], 'any', ([a], others) => [a, ...others].map(toInteger).reduce((x, y) => (y < x ? y : x)))],
  ['maxf', defineRest(['any'], 'any', ([a], others) => [a, ...others].map(toFloat).reduce((x, y) => Math.max(x, y)))],
  ['minf', defineRest(['any'], 'any', ([a], others) => [a, ...others].map(toFloat).reduce((x, y) => Math.min(x, y)))],
  ['ceil', define(['any'], ([value]) => Math.ceil(toFloat(value)))],
  ['floor', define(['any'], ([value]) => Math.floor(toFloat(value)))],
  [
    'round',
    defineRest(['any', 'int'], 'float', ([value, places], [roundOn]) =>
      round(toFloat(value), Number(places), roundOn ?? 0.5),
    ),
  ],
  ['bytes', define(['string'], ([text]) => required(parseBytes(text), 'a size in bytes'))],
  ['duration', define(['string'], ([text]) => toSeconds(text))],
  ['duration_seconds', define(['string'], ([text]) => toSeconds(text))],
]

/** A decimal number: its integer part, then what is cut off. */
const DECIMAL = /^([-+]?\d*)(\.\d*)$/

/** 64 bits, truncated; 0 if it is not a number, as in sprig, whose texts may have Go's prefixes or a fraction. */
export function toInteger(value: GoValue): bigint {
  switch (typeof value) {
    case 'bigint':
      return value
    case 'number':
      return Number.isFinite(value) ? wrap(BigInt(Math.trunc(value))) : 0n
    case 'boolean':
      return value ? 1n : 0n
    case 'string':
      return parseGoInteger(value.replace(DECIMAL, '$1')) ?? 0n
    default:
      return 0n
  }
}

/** 0 if it is not a number, as in sprig. */
export function toFloat(value: GoValue): number {
  switch (typeof value) {
    case 'number':
      return value
    case 'bigint':
      return Number(value)
    case 'boolean':
      return value ? 1 : 0
    case 'string':
      return parseGoFloat(value) ?? 0
    default:
      return 0
  }
}

function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}

function divisor(value: GoValue): bigint {
  const integer = toInteger(value)
  if (integer === 0n) throw fault('divides by zero')
  return integer
}

function defineDecimal(operator: DecimalOperator): TemplateFunction {
  return defineRest(['any'], 'any', ([first], others) => calculate(operator, [first, ...others].map(toFloat)))
}

/** Rounds away from zero if the fraction is at least `roundOn`. */
function round(value: number, places: number, roundOn: number): number {
  const power = 10 ** places
  const scaled = power * value
  const rounded = scaled - Math.trunc(scaled) >= roundOn ? Math.ceil(scaled) : Math.floor(scaled)
  return rounded / power
}

function toSeconds(text: string): number {
  return required(parseGoDuration(text), 'a duration') / 1e9
}

function required(value: number | undefined, wanted: string): number {
  if (value === undefined) throw fault(`converts a text that is not ${wanted}`)
  return value
}
