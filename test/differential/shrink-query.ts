/** Smaller queries than one that shows a difference, the smallest first. */

import { formatLine } from '../../src/logql/parse/format.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr, LabelFilter, LogExpr, MetricExpr, PipelineStage, Unwrap } from '../../src/logql/parse/syntax.ts'

/** Texts to try in place of the query; by its tree where it can be read, else with parts of its text left out. */
export function smallerQueries(query: string): string[] {
  let expr: Expr
  try {
    expr = parseExpr(query)
  } catch {
    return smallerTexts(query)
  }
  const texts = smallerExprs(expr).map((each) => formatLine(each))
  const found = texts.filter((text) => text.length < query.length && text !== '')
  return [...new Set(found)].sort((a, b) => a.length - b.length)
}

/** The text without one of its halves, quarters and so on, down to single tokens. */
export function smallerTexts(text: string): string[] {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|[\p{L}\p{N}_.]+|\s+|./gsu) ?? []
  const found: string[] = []
  for (let size = Math.ceil(tokens.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < tokens.length; at += size) {
      found.push([...tokens.slice(0, at), ...tokens.slice(at + size)].join(''))
    }
  }
  return found.filter((each) => each.trim() !== '')
}

function smallerExprs(expr: Expr): Expr[] {
  return expr.kind === 'log' ? smallerLogs(expr) : smallerMetrics(expr)
}

function smallerLogs(log: LogExpr): LogExpr[] {
  return [
    ...without(log.stages).map((stages) => ({ ...log, stages })),
    ...without(log.matchers).map((matchers) => ({ ...log, matchers })),
    ...eachReplaced(log.stages, smallerStages).map((stages) => ({ ...log, stages })),
  ].filter(({ matchers }) => matchers.length > 0)
}

function smallerStages(stage: PipelineStage): PipelineStage[] {
  switch (stage.kind) {
    case 'line_filter':
      return without(stage.operands)
        .map((operands) => ({ ...stage, operands }))
        .filter(({ operands }) => operands.length > 0)
    case 'json':
    case 'logfmt':
      return without(stage.extractions).map((extractions) => ({ ...stage, extractions }))
    case 'label_filter':
      return smallerFilters(stage.filter).map((filter) => ({ ...stage, filter }))
    case 'label_format':
      return [
        ...without(stage.assignments).map((assignments) => ({ ...stage, assignments })),
        ...eachReplaced(stage.assignments, (one) =>
          one.kind === 'rename' ? [] : smallerTemplates(one.template).map((template) => ({ ...one, template })),
        ).map((assignments) => ({ ...stage, assignments })),
      ].filter(({ assignments }) => assignments.length > 0)
    case 'line_format':
      return smallerTemplates(stage.template).map((template) => ({ ...stage, template }))
    case 'drop':
    case 'keep':
      return without(stage.labels)
        .map((labels) => ({ ...stage, labels }))
        .filter(({ labels }) => labels.length > 0)
    default:
      return []
  }
}

function smallerFilters(filter: LabelFilter): LabelFilter[] {
  if (filter.kind !== 'and' && filter.kind !== 'or') return []
  return [
    filter.left,
    filter.right,
    ...smallerFilters(filter.left).map((left) => ({ ...filter, left })),
    ...smallerFilters(filter.right).map((right) => ({ ...filter, right })),
  ]
}

/** The template without one of its parts, or without one call of a chain. */
function smallerTemplates(template: string): string[] {
  const parts = template.match(/\{\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\}\}|[^{]+|\{/g) ?? []
  const shorter = eachReplaced(parts, (part) => {
    const inside = /^\{\{(.*)\}\}$/s.exec(part)?.[1]
    if (inside === undefined) return []
    return without(inside.split('|'))
      .filter((calls) => calls.length > 0)
      .map((calls) => `{{${calls.join('|')}}}`)
  })
  return [...without(parts), ...shorter].map((each) => each.join(''))
}

function smallerMetrics(expr: MetricExpr): MetricExpr[] {
  switch (expr.kind) {
    case 'range_aggregation': {
      const { range, grouping } = expr
      const { unwrap } = range
      return [
        ...(grouping === undefined ? [] : [{ ...expr, grouping: undefined }]),
        ...(range.offset === undefined ? [] : [{ ...expr, range: { ...range, offset: undefined } }]),
        ...smallerLogs(range.log).map((log) => ({ ...expr, range: { ...range, log } })),
        ...(unwrap === undefined
          ? []
          : smallerUnwraps(unwrap).map((each) => ({ ...expr, range: { ...range, unwrap: each } }))),
        ...without(grouping?.labels ?? []).map((labels) => ({
          ...expr,
          grouping: { without: grouping?.without === true, labels },
        })),
      ]
    }
    case 'vector_aggregation': {
      const { grouping } = expr
      return [
        expr.expr,
        ...(grouping === undefined ? [] : [{ ...expr, grouping: undefined }]),
        ...without(grouping?.labels ?? []).map((labels) => ({
          ...expr,
          grouping: { without: grouping?.without === true, labels },
        })),
        ...smallerMetrics(expr.expr).map((inner) => ({ ...expr, expr: inner })),
      ]
    }
    case 'label_replace':
      return [expr.expr, ...smallerMetrics(expr.expr).map((inner) => ({ ...expr, expr: inner }))]
    case 'binary_operation':
      return [
        expr.left,
        expr.right,
        ...(expr.matching === undefined ? [] : [{ ...expr, matching: undefined }]),
        ...smallerMetrics(expr.left).map((left) => ({ ...expr, left })),
        ...smallerMetrics(expr.right).map((right) => ({ ...expr, right })),
      ]
    default:
      return []
  }
}

function smallerUnwraps(unwrap: Unwrap): Unwrap[] {
  return [
    ...without(unwrap.filters).map((filters) => ({ ...unwrap, filters })),
    ...eachReplaced(unwrap.filters, smallerFilters).map((filters) => ({ ...unwrap, filters })),
    ...(unwrap.conversion === 'none' ? [] : [{ ...unwrap, conversion: 'none' as const }]),
  ]
}

/** The list without each of its members. */
function without<T>(list: readonly T[]): T[][] {
  return list.map((_, i) => list.filter((_, j) => j !== i))
}

/** The list with each of its members in each of its smaller forms. */
function eachReplaced<T>(list: readonly T[], smaller: (one: T) => readonly T[]): T[][] {
  return list.flatMap((one, i) => smaller(one).map((each) => list.with(i, each)))
}
