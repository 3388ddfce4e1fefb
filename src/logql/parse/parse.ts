/**
 * Parses LogQL to a tree.
 *
 * See pkg/logql/syntax of grafana/loki for the grammar. This accepts everything that Loki accepts and a little more: a
 * keyword may be a label name wherever a name is expected.
 */

import { QUERY_LIMITS } from '../../domain/limits.ts'
import type { Matcher } from '../../domain/selector.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'
import { regexpSlices } from '../regexp/regexp.ts'
import { parseError } from './lex.ts'
import { isUnwrap, parseLogExpr } from './parse-log.ts'
import { parseMatchers } from './parse-matcher.ts'
import { parseMetricExpr } from './parse-metric.ts'
import type { Expr, LogExpr } from './syntax.ts'
import { TokenReader } from './token-reader.ts'

export interface ParseOptions {
  /** Accepts selectors that match every stream, including `{}`. */
  readonly allowEmpty?: boolean
  /** Maximum length in bytes; default: Loki's limit. */
  readonly bytesMax?: number
}

/** Parses a query. Throws query_malformed with Loki's text, and line and column if a token is at fault. */
export function parseExpr(text: string, options: ParseOptions = {}): Expr {
  return finishSlices(exprSlices(text, options))
}

/** The same in slices: a query may have thousands of regular expressions, or one of a hundred thousand characters. */
export function* exprSlices(text: string, options: ParseOptions = {}): Slices<Expr> {
  const reader = openText(text, options)
  yield
  const expr = readExpr(reader)
  expectEnd(reader)
  yield* compilePatterns(reader)
  if (options.allowEmpty !== true) for (const matchers of selectorsOf(expr)) checkMatchers(matchers)
  return expr
}

/** Parses a plain selector, for the labels, series and volume endpoints. Throws query_malformed. */
export function parseSelector(text: string, options: ParseOptions = {}): Matcher[] {
  return finishSlices(selectorSlices(text, options))
}

/** The same in slices. */
export function* selectorSlices(text: string, options: ParseOptions = {}): Slices<Matcher[]> {
  const reader = openText(text, options)
  yield
  const matchers = parseMatchers(reader)
  if (reader.peek().kind === 'symbol' && /^[|!]/.test(reader.peek().text)) {
    throw parseError('only label matchers is supported')
  }
  expectEnd(reader)
  yield* compilePatterns(reader)
  if (options.allowEmpty !== true) checkMatchers(matchers)
  return matchers
}

/** Compiles the patterns into the cache that their users read: see regexpSlices. */
function* compilePatterns({ patterns }: TokenReader): Slices<void> {
  for (const { pattern, anchoring, check } of patterns) check(yield* regexpSlices(pattern, anchoring))
}

/** All selectors of a query, in order. */
export function selectorsOf(expr: Expr): (readonly Matcher[])[] {
  switch (expr.kind) {
    case 'log':
      return [expr.matchers]
    case 'range_aggregation':
      return [expr.range.log.matchers]
    case 'vector_aggregation':
    case 'label_replace':
      return selectorsOf(expr.expr)
    case 'binary_operation':
      return [...selectorsOf(expr.left), ...selectorsOf(expr.right)]
    case 'vector':
    case 'literal':
      return []
  }
}

/** The interval of every range aggregation, ns. */
export function intervalsOf(expr: Expr): bigint[] {
  switch (expr.kind) {
    case 'range_aggregation':
      return [expr.range.range]
    case 'vector_aggregation':
    case 'label_replace':
      return intervalsOf(expr.expr)
    case 'binary_operation':
      return [...intervalsOf(expr.left), ...intervalsOf(expr.right)]
    default:
      return []
  }
}

function openText(text: string, { bytesMax = QUERY_LIMITS.queryBytesMax }: ParseOptions): TokenReader {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > bytesMax) throw parseError(`input size too long (${bytes} > ${bytesMax})`)
  return new TokenReader(text)
}

/** Parentheses may contain either kind of expression, which depends on their content. */
function readExpr(reader: TokenReader): Expr {
  if (reader.isSymbol('{')) return parseLogExpr(reader)
  if (!reader.isSymbol('(')) return parseMetricExpr(reader)
  let brackets = 0
  while (reader.isSymbol('(', brackets)) brackets++
  return reader.isSymbol('{', brackets) ? readBracketedLog(reader) : parseMetricExpr(reader)
}

function readBracketedLog(reader: TokenReader): LogExpr {
  if (!reader.takeSymbol('(')) return parseLogExpr(reader)
  const expr = reader.nested(() => readBracketedLog(reader))
  reader.expectSymbol(')')
  return expr
}

function expectEnd(reader: TokenReader): void {
  // An unwrap outside a range: the error is at the word, not at the bar.
  if (isUnwrap(reader)) reader.advance()
  if (reader.peek().kind !== 'end') reader.fail()
}

function checkMatchers(matchers: readonly Matcher[]): void {
  if (matchers.some(({ test }) => !test(''))) return
  throw parseError(
    'queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
      'For instance, app=~".*" does not meet this requirement, but app=~".+" will',
  )
}
