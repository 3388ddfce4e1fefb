/** Converts an entry to its sample in a range aggregation. */

import { splitStages } from '../block-search.ts'
import type { Grouping, LineFilterStage, PipelineStage, RangeAggregation } from '../parse/syntax.ts'
import type { LabelSet } from '../pipeline/label-set.ts'
import { LineStride } from '../pipeline/line-stride.ts'
import { compileStages, labelsRead } from '../pipeline/stages.ts'
import { compileUnwrap, labelsOfUnwrap } from '../pipeline/unwrap.ts'
import type { PipelineEntry, Stage } from '../stage.ts'

export interface Sampling {
  /** Line filters on stored lines, which run first, on bytes. */
  readonly filters: readonly LineFilterStage[]
  /** True if no stage and no unwrap needs single entries, so that they are only counted. */
  readonly isPlain: boolean
  /** The unit of a counting operation. */
  readonly counts: 'entries' | 'bytes'
  /** True if `sample` needs the entry's line. */
  readonly readsLine: boolean
  /** Counts the lines that `sample` has read. */
  readonly stride: LineStride
  /** The labels that the sample and its series depend on; undefined: possibly all. */
  readonly reads: ReadonlySet<string> | undefined
  /** The entry's value after all stages; undefined if one drops it. `lineBytes` are those of the stored line. */
  sample(
    entry: PipelineEntry & { readonly labels: LabelSet },
    storedLine: string,
    lineBytes: number,
  ): number | undefined
}

/** Throws query_malformed for a stage that cannot be compiled. `nowMs` is the time for the template function `now`. */
export function compileSampling(
  { operation, range }: RangeAggregation,
  grouping: Grouping | undefined,
  nowMs: number,
): Sampling {
  const counts = operation === 'bytes_rate' || operation === 'bytes_over_time' ? 'bytes' : 'entries'
  const used = counts === 'bytes' ? range.log.stages : withoutIdleFormats(range.log.stages)
  const { filters, rest } = splitStages(withoutIdleDrops(used))
  // Whether there is a series does not depend on its labels, so nothing is parsed for them.
  const needed = neededLabels(range.unwrap, operation === 'absent_over_time' ? NO_LABELS : grouping)
  const stage: Stage | undefined = rest.length === 0 ? undefined : compileStages(rest, { needed, nowMs })
  const extract = range.unwrap === undefined ? undefined : compileUnwrap(range.unwrap)
  return {
    filters,
    isPlain: stage === undefined && extract === undefined,
    counts,
    readsLine: stage !== undefined,
    stride: new LineStride(rest, range.unwrap?.filters),
    reads: labelsRead(rest, needed),
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

/** The labels that are read from a result; undefined: all. */
function neededLabels(unwrap: RangeAggregation['range']['unwrap'], grouping: Grouping | undefined) {
  if (grouping === undefined || grouping.without) return undefined
  return new Set([...grouping.labels, ...(unwrap === undefined ? [] : labelsOfUnwrap(unwrap))])
}

/** Stages that read the line. */
const READING: readonly PipelineStage['kind'][] = [
  ...(['line_filter', 'json', 'logfmt', 'regexp', 'pattern', 'unpack', 'label_format'] as const),
]

/** Drops each `| line_format` whose line is not read; as in Loki, its template then cannot fail either. */
function withoutIdleFormats(stages: readonly PipelineStage[]): PipelineStage[] {
  const lastReader = stages.findLastIndex(({ kind }) => READING.includes(kind))
  return stages.filter(({ kind }, i) => kind !== 'line_format' || i < lastReader)
}

/** Stages that may set `__error__`. */
const FAILING: readonly PipelineStage['kind'][] = [
  ...(['json', 'logfmt', 'unpack', 'label_filter', 'line_format', 'label_format'] as const),
]

/** Removes `| drop __error__` if nothing before it can fail, as in Grafana's log volume queries of a plain selector. */
function withoutIdleDrops(stages: readonly PipelineStage[]): PipelineStage[] {
  const failing = stages.findIndex(({ kind }) => FAILING.includes(kind))
  return stages.filter((stage, i) => {
    const isIdle =
      stage.kind === 'drop' &&
      stage.labels.every((pick) => pick.kind === 'name' && ['__error__', '__error_details__'].includes(pick.name))
    return !isIdle || (failing >= 0 && failing < i)
  })
}
