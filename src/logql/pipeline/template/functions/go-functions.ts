/** The functions of Go's text/template, and those of sprig and Loki for neither text nor numbers. */

import { compareText } from '../../../../domain/labels.ts'
import { type Budget, fault } from '../budget.ts'
import { formatAll, formatValue } from '../format-value.ts'
import { GoTime, type GoValue, isGoMap, isList, isTrue, typeName } from '../value.ts'
import { parseJsonValue } from './from-json.ts'
import { define, defineRest, type TemplateFunction } from './functions.ts'
import { sprintf } from './printf.ts'
import { urlEncode, utf8Length, utf8Slice } from './text-functions.ts'

/** `and` and `or` are in the evaluator, because they do not evaluate all arguments. */
export const GO_FUNCTIONS: readonly (readonly [name: string, made: TemplateFunction])[] = [
  ['__line__', define([], (_, { line }) => line)],
  ['__timestamp__', define([], (_, { ns }) => new GoTime(ns))],
  ['fromJson', define(['string'], ([text], { budget }) => parseJsonValue(text, budget))],
  ['default', defineRest(['any'], 'any', ([fallback], [value]) => (isTrue(value) ? value : fallback))],
  ['not', define(['any'], ([value]) => !isTrue(value))],
  ['len', define(['any'], ([value]) => BigInt(lengthOf(value)))],
  ['index', defineRest(['any'], 'any', ([value], keys) => keys.reduce(elementOf, value))],
  ['slice', defineRest(['any'], 'int', ([value], bounds, { budget }) => sliceOf(value, bounds, budget))],
  ['print', defineRest([], 'any', (_, values, { budget }) => formatAll(values, budget))],
  ['println', defineRest([], 'any', (_, values, { budget }) => formatLine(values, budget))],
  ['printf', defineRest(['string'], 'any', ([format], values, { budget }) => sprintf(format, values, budget))],
  ['html', defineRest([], 'any', (_, values, { budget }) => escapeHtml(joined(values, budget), budget))],
  ['js', defineRest([], 'any', (_, values, { budget }) => escapeJs(joined(values, budget), budget))],
  ['urlquery', defineRest([], 'any', (_, values, { budget }) => urlEncode(joined(values, budget), budget))],
  ['eq', defineRest(['any'], 'any', ([first], others) => equalsAny(first, others))],
  ['ne', define(['any', 'any'], ([a, b]) => !equals(a, b))],
  ['lt', define(['any', 'any'], ([a, b]) => order(a, b) < 0)],
  ['le', define(['any', 'any'], ([a, b]) => order(a, b) <= 0)],
  ['gt', define(['any', 'any'], ([a, b]) => order(a, b) > 0)],
  ['ge', define(['any', 'any'], ([a, b]) => order(a, b) >= 0)],
]

function formatLine(values: readonly GoValue[], budget: Budget): string {
  return `${values.map((value) => formatValue(value, budget)).join(' ')}\n`
}

function joined(values: readonly GoValue[], budget: Budget): string {
  return formatAll(values, budget)
}

function lengthOf(value: GoValue): number {
  if (typeof value === 'string') return utf8Length(value)
  if (isList(value)) return value.length
  if (value !== undefined && isGoMap(value)) return value.entries().length
  throw fault(`takes the length of a value of type ${typeName(value)}`)
}

function elementOf(value: GoValue, key: GoValue): GoValue {
  if (isList(value)) return value[indexIn(key, value.length)]
  if (typeof value === 'string') {
    const at = indexIn(key, utf8Length(value))
    return BigInt(new TextEncoder().encode(value)[at] as number)
  }
  if (value === undefined || !isGoMap(value)) throw fault(`indexes a value of type ${typeName(value)}`)
  if (typeof key !== 'string') throw fault(`indexes a map by a key of type ${typeName(key)}`)
  return value.get(key)
}

function indexIn(key: GoValue, length: number): number {
  if (typeof key !== 'bigint') throw fault(`indexes by a value of type ${typeName(key)}`)
  if (key < 0n || key >= BigInt(length)) throw fault('indexes out of range')
  return Number(key)
}

function sliceOf(value: GoValue, bounds: readonly bigint[], budget: Budget): GoValue {
  if (bounds.length > 3) throw fault(`slices by ${bounds.length} bounds; 3 at most`)
  if (typeof value !== 'string' && !isList(value)) throw fault(`slices a value of type ${typeName(value)}`)
  if (typeof value === 'string' && bounds.length === 3) throw fault('slices a string by three bounds')
  const length = lengthOf(value)
  const [start = 0n, end = BigInt(length), limit = BigInt(length)] = bounds
  if (start < 0n || start > end || end > limit || limit > BigInt(length)) throw fault('slices out of range')
  if (typeof value === 'string') return utf8Slice(value, Number(start), Number(end))
  budget.spend(Number(end - start))
  return value.slice(Number(start), Number(end))
}

function equalsAny(first: GoValue, others: readonly GoValue[]): boolean {
  if (others.length === 0) throw fault('compares a value with nothing')
  return others.some((other) => equals(first, other))
}

/** Go only compares values of the same type. */
function equals(a: GoValue, b: GoValue): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a instanceof GoTime && b instanceof GoTime) return a.ns === b.ns
  if (typeof a !== typeof b || typeof a === 'object') throw incomparable(a, b)
  return a === b
}

function order(a: GoValue, b: GoValue): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : Number(a > b)
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN
  throw incomparable(a, b)
}

function incomparable(a: GoValue, b: GoValue): Error {
  return fault(`compares a value of type ${typeName(a)} with one of type ${typeName(b)}`)
}

const HTML_ESCAPES = new Map([
  ['"', '&#34;'],
  ["'", '&#39;'],
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\0', '\ufffd'],
])

function escapeHtml(text: string, budget: Budget): string {
  budget.spend(text.length * 5)
  return text.replace(/["'&<>\0]/g, (char) => HTML_ESCAPES.get(char) as string)
}

const JS_ESCAPES = new Map([
  ['\\', '\\\\'],
  ["'", "\\'"],
  ['"', '\\"'],
])

/** Escapes everything that could end a script or a string in it. */
function escapeJs(text: string, budget: Budget): string {
  budget.spend(text.length * 6)
  return text.replace(/[\\'"<>&=]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (char) => {
    const short = JS_ESCAPES.get(char)
    return short ?? `\\u${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}`
  })
}
