/** Compiles the stages of a pipeline to one function, for log and metric queries. */

import { compileLineFilter } from '../line-filter.ts'
import type { LabelPick, PipelineStage } from '../parse/syntax.ts'
import type { PipelineEntry, Stage, StageOptions } from '../stage.ts'
import { decolorize } from './decolorize.ts'
import { compileLabelFilter, labelsOfFilter } from './label-filter.ts'
import { compileLabelFormat } from './label-format.ts'
import { ERROR_LABEL, type LabelSet, labelSetOf } from './label-set.ts'
import { compileLineFormat } from './line-format.ts'
import { compileJsonExpressions } from './parsers/json-expression-parser.ts'
import { compileJsonParser, type EntryParser } from './parsers/json-parser.ts'
import { compileLogfmtParser } from './parsers/logfmt-parser.ts'
import { ParserHint } from './parsers/parser-hint.ts'
import { compilePatternParser } from './parsers/pattern-parser.ts'
import { compileRegexpParser } from './parsers/regexp-parser.ts'
import { compileUnpack } from './parsers/unpack.ts'

export interface CompileOptions extends StageOptions {
  /** The time of the query for the template function `now`, ms since the epoch. */
  readonly nowMs: number
}

/** One stage; false drops the entry. */
type Step = (entry: PipelineEntry, labels: LabelSet) => boolean

/** A stage that is compiled once the labels read by all stages are known. */
interface Draft {
  /** Names of the labels that it reads; undefined: possibly any. */
  readonly reads: readonly string[] | ReadonlySet<string> | undefined
  /** Undefined if there is nothing to do. */
  readonly finish: (hint: ParserHint) => Step | undefined
}

/**
 * Compiles stages in the order of the query. Parsers only set labels that the caller needs or a stage reads; if there
 * are none, they do not run and set no error. If the caller needs only certain labels, and it or one of its stages
 * reads `__error__`, entries with an error get `__preserve_error__`, so that a metric query does not fail for them.
 *
 * Throws query_malformed for an invalid template, pattern, path or address.
 */
export function compileStages(stages: readonly PipelineStage[], options: CompileOptions): Stage {
  const nowNs = BigInt(Math.floor(options.nowMs)) * 1_000_000n
  const drafts = stages.map((stage) => draftStage(stage, nowNs))
  const needed = neededLabels(drafts, options.needed)
  const hint = new ParserHint(needed)
  const steps = drafts.map((draft) => draft.finish(hint)).filter((step) => step !== undefined)
  const preservesErrors = needed?.has(ERROR_LABEL) === true
  return (entry) => {
    const labels = labelSetOf(entry)
    for (const step of steps) if (!step(entry, labels)) return false
    if (preservesErrors) labels.preserveError()
    return true
  }
}

/**
 * The names of all labels that the stages and their caller read; undefined: possibly any. Throws like compileStages.
 */
export function labelsRead(stages: readonly PipelineStage[], needed: StageOptions['needed']) {
  return neededLabels(
    stages.map((stage) => draftStage(stage, 0n)),
    needed,
  )
}

/** The labels that the caller needs and the stages read; undefined: all. */
function neededLabels(drafts: readonly Draft[], needed: StageOptions['needed']): ReadonlySet<string> | undefined {
  if (needed === undefined) return undefined
  const names = new Set(needed)
  for (const { reads } of drafts) {
    if (reads === undefined) return undefined
    for (const name of reads) names.add(name)
  }
  return names
}

function draftStage(stage: PipelineStage, nowNs: bigint): Draft {
  switch (stage.kind) {
    case 'line_filter': {
      const test = compileLineFilter(stage)
      return step((entry) => test(entry.line))
    }
    case 'json':
      if (stage.extractions.length === 0) return parser(compileJsonParser)
      return parser((hint) => compileJsonExpressions(stage.extractions, hint))
    case 'logfmt':
      return parser((hint) => compileLogfmtParser(stage, hint))
    case 'regexp':
      return parser((hint) => compileRegexpParser(stage.pattern, hint))
    case 'pattern':
      return parser((hint) => compilePatternParser(stage.pattern, hint))
    case 'unpack':
      return { reads: [], finish: (hint) => always(compileUnpack(hint)) }
    case 'label_filter': {
      const test = compileLabelFilter(stage.filter)
      return { reads: labelsOfFilter(stage.filter), finish: () => (_, labels) => test(labels) }
    }
    case 'line_format': {
      const { run, reads } = compileLineFormat(stage.template, nowNs)
      return { reads, finish: () => always(run) }
    }
    case 'label_format': {
      const { run, reads } = compileLabelFormat(stage.assignments, nowNs)
      return { reads, finish: () => always(run) }
    }
    case 'decolorize':
      return step((entry) => {
        entry.line = decolorize(entry.line)
        return true
      })
    case 'drop':
      return step((_, labels) => dropLabels(labels, stage.labels))
    case 'keep':
      return step((_, labels) => keepLabels(labels, stage.labels))
  }
}

function step(run: Step): Draft {
  return { reads: [], finish: () => run }
}

/** A stage that only sets labels. It is always compiled, because its faults make the query invalid. */
function parser(compile: (hint: ParserHint) => EntryParser): Draft {
  return {
    reads: [],
    finish: (hint) => {
      const run = compile(hint)
      return hint.isIdle ? undefined : always(run)
    },
  }
}

function always(run: EntryParser): Step {
  return (entry, labels) => {
    run(entry, labels)
    return true
  }
}

/** With a matcher, a label is only dropped if its value matches. */
function dropLabels(labels: LabelSet, picks: readonly LabelPick[]): true {
  for (const pick of picks) {
    if (pick.kind === 'name') labels.delete(pick.name)
    else if (pick.matcher.test(labels.get(pick.matcher.name) ?? '')) labels.forceDelete(pick.matcher.name)
  }
  return true
}

function keepLabels(labels: LabelSet, picks: readonly LabelPick[]): true {
  labels.retain((name, value) =>
    picks.some((pick) => {
      if (pick.kind === 'name') return pick.name === name
      return pick.matcher.name === name && pick.matcher.test(value)
    }),
  )
  return true
}
