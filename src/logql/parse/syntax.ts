/** The tree of a LogQL query. */

import type { Matcher, MatchOperator } from '../../domain/selector.ts'

/** A query: a log query (`{a="b"} |= "x"`) or a metric query (`rate({a="b"}[1m])`). */
export type Expr = LogExpr | MetricExpr

/** A selector and its pipeline. */
export interface LogExpr {
  readonly kind: 'log'
  /** In order. Matchers of a name may repeat. */
  readonly matchers: readonly Matcher[]
  readonly stages: readonly PipelineStage[]
}

export type PipelineStage =
  | LineFilterStage
  | JsonStage
  | LogfmtStage
  | RegexpStage
  | PatternStage
  | UnpackStage
  | LabelFilterStage
  | LineFormatStage
  | LabelFormatStage
  | DecolorizeStage
  | DropStage
  | KeepStage

export type LineFilterOperator = '|=' | '!=' | '|~' | '!~' | '|>' | '!>'

/**
 * `|= "a" or "b"`. A positive operator keeps lines that match any operand, a negative one drops them.
 * `ip` operands come with `|=` and `!=` only.
 */
export interface LineFilterStage {
  readonly kind: 'line_filter'
  readonly operator: LineFilterOperator
  /** Never empty. The parser has compiled the regular expressions, so they are valid. */
  readonly operands: readonly LineFilterOperand[]
}

export interface LineFilterOperand {
  readonly kind: 'text' | 'ip'
  readonly value: string
}

/** `label="path"` of json and logfmt; a bare `label` has itself as its expression. */
export interface LabelExtraction {
  readonly label: string
  readonly expression: string
}

export interface JsonStage {
  readonly kind: 'json'
  /** Empty: every field becomes a label. Expressions are paths like `a.b[0]["c d"]`; compileStages checks them. */
  readonly extractions: readonly LabelExtraction[]
}

export interface LogfmtStage {
  readonly kind: 'logfmt'
  readonly isStrict: boolean
  readonly keepsEmpty: boolean
  /** Empty: every pair becomes a label. */
  readonly extractions: readonly LabelExtraction[]
}

export interface RegexpStage {
  readonly kind: 'regexp'
  /** RE2 with at least one named group, checked by the parser. */
  readonly pattern: string
}

export interface PatternStage {
  readonly kind: 'pattern'
  /** `<ip> - <_> "<method>`; compileStages checks it. */
  readonly pattern: string
}

export interface UnpackStage {
  readonly kind: 'unpack'
}

export interface LabelFilterStage {
  readonly kind: 'label_filter'
  readonly filter: LabelFilter
}

/** A tree: `and` (also `,` or a space) binds more tightly than `or`. */
export type LabelFilter =
  | { readonly kind: 'and' | 'or'; readonly left: LabelFilter; readonly right: LabelFilter }
  /** A string comparison; a missing label is the empty string. */
  | { readonly kind: 'string'; readonly matcher: Matcher }
  /** A numeric comparison; `=` means `==`. */
  | { readonly kind: 'number'; readonly name: string; readonly operator: CompareOperator; readonly value: number }
  /** The value in nanoseconds. */
  | { readonly kind: 'duration'; readonly name: string; readonly operator: CompareOperator; readonly value: bigint }
  /** The value in bytes. */
  | { readonly kind: 'bytes'; readonly name: string; readonly operator: CompareOperator; readonly value: number }
  /** `addr = ip("10.0.0.0/8")`: an address, a range `a-b` or a CIDR. */
  | { readonly kind: 'ip'; readonly name: string; readonly operator: '=' | '!='; readonly value: string }

export type CompareOperator = '==' | '!=' | '>' | '>=' | '<' | '<='

export interface LineFormatStage {
  readonly kind: 'line_format'
  readonly template: string
}

export interface LabelFormatStage {
  readonly kind: 'label_format'
  /** In order; targets are unique. */
  readonly assignments: readonly LabelAssignment[]
}

export type LabelAssignment =
  /** `target=source`: moves the value of the source to the target. */
  | { readonly kind: 'rename'; readonly target: string; readonly source: string }
  /** `target="{{.template}}"`. */
  | { readonly kind: 'template'; readonly target: string; readonly template: string }

export interface DecolorizeStage {
  readonly kind: 'decolorize'
}

export interface DropStage {
  readonly kind: 'drop'
  readonly labels: readonly LabelPick[]
}

export interface KeepStage {
  readonly kind: 'keep'
  readonly labels: readonly LabelPick[]
}

/** A label of drop and keep: by name, or only if the matcher accepts its value. */
export type LabelPick =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'matcher'; readonly matcher: Matcher }

/** The last stage of a range that is aggregated over a label's value. */
export interface Unwrap {
  readonly label: string
  /** `none` parses a number; duration and duration_seconds give seconds, bytes gives bytes. */
  readonly conversion: 'none' | 'duration' | 'duration_seconds' | 'bytes'
  /** Label filters written after it; they see `__error__` of the conversion. */
  readonly filters: readonly LabelFilter[]
}

export type MetricExpr =
  | RangeAggregation
  | VectorAggregation
  | BinaryOperation
  | LabelReplace
  | VectorExpr
  | LiteralExpr

/** `{a="b"} | json | unwrap x [5m] offset 1h`: the entries of (T - offset - range, T - offset]. */
export interface LogRange {
  readonly log: LogExpr
  readonly unwrap: Unwrap | undefined
  /** Nanoseconds, above zero. */
  readonly range: bigint
  /** Nanoseconds; negative means ahead. Undefined if omitted. */
  readonly offset: bigint | undefined
}

export const LOG_RANGE_OPERATIONS = [
  'rate',
  'count_over_time',
  'bytes_rate',
  'bytes_over_time',
  'absent_over_time',
] as const

export const UNWRAPPED_RANGE_OPERATIONS = [
  'rate',
  'rate_counter',
  'sum_over_time',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'first_over_time',
  'last_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
  'absent_over_time',
] as const

export type RangeOperation = (typeof LOG_RANGE_OPERATIONS)[number] | (typeof UNWRAPPED_RANGE_OPERATIONS)[number]

export interface RangeAggregation {
  readonly kind: 'range_aggregation'
  readonly operation: RangeOperation
  readonly range: LogRange
  /** The quantile of quantile_over_time. */
  readonly parameter: number | undefined
  readonly grouping: Grouping | undefined
}

/** `by (a, b)` or `without (a)`. */
export interface Grouping {
  readonly without: boolean
  readonly labels: readonly string[]
}

export const VECTOR_OPERATIONS = [
  'sum',
  'avg',
  'count',
  'min',
  'max',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'approx_topk',
  'sort',
  'sort_desc',
] as const

export type VectorOperation = (typeof VECTOR_OPERATIONS)[number]

export interface VectorAggregation {
  readonly kind: 'vector_aggregation'
  readonly operation: VectorOperation
  readonly expr: MetricExpr
  /** The k of topk, bottomk and approx_topk. */
  readonly parameter: number | undefined
  readonly grouping: Grouping | undefined
}

export type BinaryOperator = ArithmeticOperator | CompareOperator | SetOperator
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '^'
export type SetOperator = 'and' | 'or' | 'unless'

export interface BinaryOperation {
  readonly kind: 'binary_operation'
  readonly operator: BinaryOperator
  readonly left: MetricExpr
  readonly right: MetricExpr
  /** Comparisons only: the result is 0 or 1 instead of a filter. */
  readonly returnsBool: boolean
  readonly matching: VectorMatching | undefined
}

export interface VectorMatching {
  /** True: on (labels); false: ignoring (labels). */
  readonly on: boolean
  readonly labels: readonly string[]
  /** The many side of the matching: group_left makes it the left one. */
  readonly many: 'none' | 'left' | 'right'
  /** The labels of group_left or group_right, which are copied from the one side. */
  readonly include: readonly string[]
}

/** `label_replace(expr, target, replacement, source, pattern)`; the pattern is anchored. */
export interface LabelReplace {
  readonly kind: 'label_replace'
  readonly expr: MetricExpr
  readonly target: string
  readonly replacement: string
  readonly source: string
  readonly pattern: string
}

/** `vector(1)`: one series without labels. */
export interface VectorExpr {
  readonly kind: 'vector'
  readonly value: number
}

export interface LiteralExpr {
  readonly kind: 'literal'
  readonly value: number
}

export type { Matcher, MatchOperator }
