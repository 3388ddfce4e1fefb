/** Templates in the labels and annotations of alert rules: `{{ $labels.app }} has {{ $value | humanize }}`. */

import type { Labels } from '../domain/labels.ts'
import { Budget } from './pipeline/template/budget.ts'
import { runTemplate } from './pipeline/template/evaluate.ts'
import { define, type TemplateFunction } from './pipeline/template/functions/functions.ts'
import { GO_FUNCTIONS } from './pipeline/template/functions/go-functions.ts'
import { NUMBER_FUNCTIONS } from './pipeline/template/functions/number-functions.ts'
import { REGEXP_FUNCTIONS } from './pipeline/template/functions/regexp-functions.ts'
import { compileSized } from './pipeline/template/functions/sized-regexp.ts'
import { TEXT_FUNCTIONS } from './pipeline/template/functions/text-functions.ts'
import { TIME_FUNCTIONS } from './pipeline/template/functions/time-functions.ts'
import { parseTemplate } from './pipeline/template/parser.ts'
import type { GoMap, GoValue } from './pipeline/template/value.ts'

/** The input of a template. */
export interface RuleTemplateInput {
  /** The labels of the sample. */
  readonly labels: Labels
  readonly value: number
  /** The time of the evaluation. */
  readonly ns: bigint
}

/**
 * Prometheus functions used in alerts, in addition to those of LogQL. See "Template reference" in the Prometheus
 * documentation; its query functions are not supported.
 */
const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ...GO_FUNCTIONS,
  ...TEXT_FUNCTIONS,
  ...REGEXP_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ['humanize', define(['float'], ([value]) => humanize(value, 1000, ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']))],
  ['humanize1024', define(['float'], ([value]) => humanize(value, 1024, BINARY_PREFIXES))],
  ['humanizePercentage', define(['float'], ([value]) => `${significant(value * 100)}%`)],
  ['humanizeDuration', define(['float'], ([value]) => humanizeDuration(value))],
  ['toUpper', define(['string'], ([text]) => text.toUpperCase())],
  ['toLower', define(['string'], ([text]) => text.toLowerCase())],
])
const BINARY_PREFIXES = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi']
const SMALL_PREFIXES = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y']

/** Variables of every template, as in Prometheus; on the first line, so that line numbers in messages stay correct. */
const PREAMBLE = '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$value := .Value}}'
const NO_LABELS: GoMap = { get: () => '', entries: () => [] }

/** Compiles a template, to run it on many samples. Throws query_malformed; running it throws query_refused. */
export function compileRuleTemplate(source: string): (input: RuleTemplateInput) => string {
  if (!source.includes('{{')) return () => source
  const tree = parseTemplate(PREAMBLE + source, (name) => FUNCTIONS.has(name) || name === 'and' || name === 'or')
  return ({ labels, value, ns }) => {
    const context = { budget: new Budget(), line: '', ns, nowNs: ns, compileRegexp: compileSized }
    return runTemplate(tree, FUNCTIONS, dataOf(labels, value), context)
  }
}

function dataOf(labels: Labels, value: number): GoMap {
  const fields = new Map<string, GoValue>([
    ['ExternalLabels', NO_LABELS],
    ['Labels', mapOf(labels)],
    ['Value', value],
  ])
  return { get: (name) => fields.get(name), entries: () => [...fields] }
}

/** A missing label is the empty text. */
function mapOf(labels: Labels): GoMap {
  const values = new Map(labels.map(({ name, value }) => [name, value]))
  return {
    get: (name) => values.get(name) ?? '',
    entries: () => labels.map(({ name, value }) => [name, value] as const),
  }
}

function humanize(value: number, base: number, prefixes: readonly string[]): string {
  if (value === 0 || !Number.isFinite(value)) return significant(value)
  let rest = value
  let prefix = ''
  if (Math.abs(value) >= 1) {
    for (const next of prefixes) {
      if (Math.abs(rest) < base) break
      prefix = next
      rest /= base
    }
  } else if (base === 1000) {
    for (const next of SMALL_PREFIXES) {
      if (Math.abs(rest) >= 1) break
      prefix = next
      rest *= base
    }
  }
  return significant(rest) + prefix
}

/** Seconds as days, hours, minutes and seconds. */
function humanizeDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return significant(seconds)
  const size = Math.abs(seconds)
  const sign = seconds < 0 ? '-' : ''
  if (size < 1) return `${sign}${humanize(size, 1000, [])}s`
  const whole = Math.floor(size)
  const parts = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60]
  const units = ['d', 'h', 'm']
  const first = parts.findIndex((part) => part > 0)
  if (first < 0) return `${sign}${significant(size)}s`
  const larger = parts.slice(first).map((part, index) => `${part}${units[first + index]}`)
  return `${sign}${larger.join(' ')} ${whole % 60}s`
}

/** Four significant digits, like Go's %.4g. */
function significant(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const [digits = '', exponent] = value.toPrecision(4).split('e')
  const short = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
  return exponent === undefined ? short : `${short}e${exponent.replace(/^([+-])(\d)$/, '$10$2')}`
}
