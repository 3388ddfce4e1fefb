/** From an entry to the number it stands for in a range aggregation. */

import { splitStages } from '../block-search.ts'
import type { Grouping, LineFilterStage, PipelineStage, RangeAggregation } from '../parse/syntax.ts'
import type { LabelSet } from '../pipeline/label-set.ts'
import { compileStages, labelsRead } from '../pipeline/stages.ts'
import { compileUnwrap, labelsOfUnwrap } from '../pipeline/unwrap.ts'
import type { PipelineEntry, Stage } from '../stage.ts'

export interface Sampling {
  /** Line filters that see stored lines: they come first, over bytes. */
  readonly filters: readonly LineFilterStage[]
  /** True when no stage and no unwrap looks at single entries: they need only be counted. */
  readonly isPlain: boolean
  /** What a counting operation counts. */
  readonly counts: 'entries' | 'bytes'
  /** True when `sample` needs the entry's line. */
  readonly readsLine: boolean
  /** The labels whose values decide what `sample` gives and which series it belongs to; undefined: perhaps all. */
  readonly reads: ReadonlySet<string> | undefined
  /** The entry's number after all stages, or undefined where one drops it. `lineBytes` are those of the stored line. */
  sample(
    entry: PipelineEntry & { readonly labels: LabelSet },
    storedLine: string,
    lineBytes: number,
  ): number | undefined
}

/** Throws query_malformed for a stage that cannot be compiled. `nowMs` is what the template function `now` gives. */
export function compileSampling(
  { operation, range }: RangeAggregation,
  grouping: Grouping | undefined,
  nowMs: number,
): Sampling {
  const counts = operation === 'bytes_rate' || operation === 'bytes_over_time' ? 'bytes' : 'entries'
  const used = counts === 'bytes' ? range.log.stages : withoutIdleFormats(range.log.stages)
  const { filters, rest } = splitStages(withoutIdleDrops(used))
  // Whether there is a series at all does not depend on its labels: nothing is parsed for them.
  const wanted = wantedLabels(range.unwrap, operation === 'absent_over_time' ? NO_LABELS : grouping)
  const stage: Stage | undefined = rest.length === 0 ? undefined : compileStages(rest, { wanted, nowMs })
  const extract = range.unwrap === undefined ? undefined : compileUnwrap(range.unwrap)
  return {
    filters,
    isPlain: stage === undefined && extract === undefined,
    counts,
    readsLine: stage !== undefined,
    reads: labelsRead(rest, wanted),
    sample(entry, storedLine, lineBytes) {
      if (stage !== undefined && !stage(entry)) return undefined
      if (extract !== undefined) return extract(entry)
      if (counts === 'entries') return 1
      return entry.line === storedLine ? lineBytes : UTF8.encode(entry.line).length
    },
  }
}

const UTF8 = new TextEncoder()
const NO_LABELS: Grouping = { without: false, labels: [] }

/** The labels that are read of a result; undefined where all are. */
function wantedLabels(unwrap: RangeAggregation['range']['unwrap'], grouping: Grouping | undefined) {
  if (grouping === undefined || grouping.without) return undefined
  return new Set([...grouping.labels, ...(unwrap === undefined ? [] : labelsOfUnwrap(unwrap))])
}

/** Stages that read the line. */
const READING: readonly PipelineStage['kind'][] = [
  ...(['line_filter', 'json', 'logfmt', 'regexp', 'pattern', 'unpack', 'label_format'] as const),
]

/** Leaves out each `| line_format` whose line nothing reads: as in Loki, its template then cannot fail either. */
function withoutIdleFormats(stages: readonly PipelineStage[]): PipelineStage[] {
  const lastReader = stages.findLastIndex(({ kind }) => READING.includes(kind))
  return stages.filter(({ kind }, i) => kind !== 'line_format' || i < lastReader)
}

/** Stages that may set `__error__`. */
const FAILING: readonly PipelineStage['kind'][] = [
  ...(['json', 'logfmt', 'unpack', 'label_filter', 'line_format', 'label_format'] as const),
]

/** Leaves out `| drop __error__` where nothing before it can fail: the log volume of a plain selector asks so. */
function withoutIdleDrops(stages: readonly PipelineStage[]): PipelineStage[] {
  const failing = stages.findIndex(({ kind }) => FAILING.includes(kind))
  return stages.filter((stage, i) => {
    const isIdle =
      stage.kind === 'drop' &&
      stage.labels.every((pick) => pick.kind === 'name' && ['__error__', '__error_details__'].includes(pick.name))
    return !isIdle || (failing >= 0 && failing < i)
  })
}
