/** Formats a tree as text: on one line, or on several like Loki's /format_query for a long query. */

import { quoteGo } from '../../domain/labels.ts'
import { formatMatcher, formatMatchers } from '../matcher.ts'
import { formatDuration, formatGoDuration, formatSize } from './literal.ts'
import type {
  BinaryOperation,
  Expr,
  Grouping,
  LabelExtraction,
  LabelFilter,
  LabelPick,
  LogExpr,
  LogRange,
  PipelineStage,
  Unwrap,
} from './syntax.ts'

/** The line width; longer queries are split stage by stage and argument by argument. */
const LINE_CHARS_MAX = 100
const INDENT = '  '

/** The pretty-printed form. It parses to the same tree. */
export function formatExpr(expr: Expr): string {
  return pretty(expr, 0)
}

/** The query on one line. */
export function formatLine(expr: Expr): string {
  switch (expr.kind) {
    case 'log':
      return [formatMatchers(expr.matchers), ...expr.stages.map(formatStage)].join(' ')
    case 'range_aggregation': {
      const parameter = expr.parameter === undefined ? '' : `${expr.parameter},`
      return `${expr.operation}(${parameter}${formatRange(expr.range)})${formatGrouping(expr.grouping)}`
    }
    case 'vector_aggregation': {
      const parameter = expr.parameter === undefined ? '' : `${expr.parameter},`
      return `${expr.operation}${formatGrouping(expr.grouping)}(${parameter}${formatLine(expr.expr)})`
    }
    case 'binary_operation':
      return `(${formatLine(expr.left)} ${formatOperator(expr)} ${formatLine(expr.right)})`
    case 'label_replace': {
      const strings = [expr.target, expr.replacement, expr.source, expr.pattern].map(quoteGo).join(',')
      return `label_replace(${formatLine(expr.expr)},${strings})`
    }
    case 'vector':
      return `vector(${formatFloat(expr.value)})`
    case 'literal':
      return `${expr.value}`
  }
}

/** Six decimals, like Go's %f; more if needed. */
function formatFloat(value: number): string {
  const text = value.toFixed(6)
  return Number(text) === value ? text : `${value}`
}

function pretty(expr: Expr, level: number): string {
  const margin = INDENT.repeat(level)
  const line = formatLine(expr)
  if (line.length <= LINE_CHARS_MAX) return margin + line
  switch (expr.kind) {
    case 'log':
      return prettyLog(expr, level)
    case 'range_aggregation':
    case 'vector_aggregation': {
      const parameter = expr.parameter === undefined ? '' : `${margin}${INDENT}${expr.parameter},\n`
      const grouping = formatGrouping(expr.grouping, ', ')
      const [before, after] = expr.kind === 'range_aggregation' ? ['', grouping] : [grouping, '']
      const inside =
        expr.kind === 'range_aggregation' ? prettyRange(expr.range, level + 1) : pretty(expr.expr, level + 1)
      return `${margin}${expr.operation}${before}(\n${parameter}${inside}\n${margin})${after}`
    }
    case 'binary_operation': {
      const sides = [expr.left, expr.right].map((side) => prettySide(side, level + 1))
      return `${sides[0]}\n${margin}${formatOperator(expr)}\n${sides[1]}`
    }
    case 'label_replace': {
      const strings = [expr.target, expr.replacement, expr.source, expr.pattern].map(
        (text) => `${margin}${INDENT}${quoteGo(text)}`,
      )
      return `${margin}label_replace(\n${[pretty(expr.expr, level + 1), ...strings].join(',\n')}\n${margin})`
    }
    default:
      return margin + line
  }
}

/** Nested operations need the parentheses of formatLine to parse to the same tree. */
function prettySide(expr: Expr, level: number): string {
  const text = pretty(expr, level)
  const isSplit = formatLine(expr).length > LINE_CHARS_MAX
  if (expr.kind !== 'binary_operation' || !isSplit) return text
  const margin = INDENT.repeat(level)
  return `${margin}(\n${pretty(expr, level + 1)}\n${margin})`
}

function prettyLog({ matchers, stages }: LogExpr, level: number): string {
  const margin = INDENT.repeat(level)
  return [margin + formatMatchers(matchers), ...stages.map((stage) => margin + INDENT + formatStage(stage))].join('\n')
}

function prettyRange({ log, unwrap, range, offset }: LogRange, level: number): string {
  const body = pretty(log, level)
  const last = unwrap === undefined ? '' : `\n${INDENT.repeat(level + 1)}${formatUnwrap(unwrap)}`
  return `${body}${last} [${formatDuration(range)}]${formatOffset(offset)}`
}

function formatRange({ log, unwrap, range, offset }: LogRange): string {
  const body = [formatLine(log), ...(unwrap === undefined ? [] : [formatUnwrap(unwrap)])].join(' ')
  return `${body}[${formatDuration(range)}]${formatOffset(offset)}`
}

function formatOffset(offset: bigint | undefined): string {
  return offset === undefined ? '' : ` offset ${formatDuration(offset)}`
}

function formatUnwrap({ label, conversion, filters }: Unwrap): string {
  const value = conversion === 'none' ? label : `${conversion}(${label})`
  return [`| unwrap ${value}`, ...filters.map((filter) => `| ${formatLabelFilter(filter)}`)].join(' ')
}

function formatGrouping(grouping: Grouping | undefined, comma = ','): string {
  return grouping === undefined ? '' : ` ${grouping.without ? 'without' : 'by'} (${grouping.labels.join(comma)})`
}

function formatOperator({ operator, returnsBool, matching }: BinaryOperation): string {
  const words: string[] = [operator]
  if (returnsBool) words.push('bool')
  if (matching !== undefined) {
    words.push(`${matching.on ? 'on' : 'ignoring'} (${matching.labels.join(',')})`)
    if (matching.many !== 'none') words.push(`group_${matching.many} (${matching.include.join(',')})`)
  }
  return words.join(' ')
}

/** One stage with its bar: `| logfmt --strict a="b"`. */
export function formatStage(stage: PipelineStage): string {
  switch (stage.kind) {
    case 'line_filter': {
      const operands = stage.operands.map(({ kind, value }) =>
        kind === 'ip' ? `ip(${quoteGo(value)})` : quoteGo(value),
      )
      return `${stage.operator} ${operands.join(' or ')}`
    }
    case 'json':
      return withArguments('| json', formatExtractions(stage.extractions))
    case 'logfmt': {
      const flags = `${stage.isStrict ? ' --strict' : ''}${stage.keepsEmpty ? ' --keep-empty' : ''}`
      return withArguments(`| logfmt${flags}`, formatExtractions(stage.extractions))
    }
    case 'regexp':
    case 'pattern':
      return `| ${stage.kind} ${quoteGo(stage.pattern)}`
    case 'line_format':
      return `| line_format ${quoteGo(stage.template)}`
    case 'label_format': {
      const assignments = stage.assignments.map((each) =>
        each.kind === 'rename' ? `${each.target}=${each.source}` : `${each.target}=${quoteGo(each.template)}`,
      )
      return `| label_format ${assignments.join(',')}`
    }
    case 'label_filter':
      return `| ${formatLabelFilter(stage.filter)}`
    case 'unpack':
    case 'decolorize':
      return `| ${stage.kind}`
    case 'drop':
    case 'keep':
      return `| ${stage.kind} ${stage.labels.map(formatPick).join(',')}`
  }
}

function withArguments(stage: string, list: string): string {
  return list === '' ? stage : `${stage} ${list}`
}

function formatExtractions(extractions: readonly LabelExtraction[]): string {
  return extractions.map(({ label, expression }) => `${label}=${quoteGo(expression)}`).join(',')
}

function formatPick(pick: LabelPick): string {
  return pick.kind === 'name' ? pick.name : formatMatcher(pick.matcher)
}

function formatLabelFilter(filter: LabelFilter): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return `( ${formatLabelFilter(filter.left)} ${filter.kind === 'and' ? ',' : 'or'} ${formatLabelFilter(filter.right)} )`
    case 'string':
      return formatMatcher(filter.matcher)
    case 'number':
      return `${filter.name}${filter.operator}${filter.value}`
    case 'duration':
      return `${filter.name}${filter.operator}${formatGoDuration(filter.value)}`
    case 'bytes':
      return `${filter.name}${filter.operator}${formatSize(filter.value)}`
    case 'ip':
      return `${filter.name}${filter.operator}ip(${quoteGo(filter.value)})`
  }
}
