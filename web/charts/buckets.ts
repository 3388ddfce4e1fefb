/** Counts by level over time, as columns for a chart. */

import type { Range } from '../api/loki.ts'
import type { Series } from '../api/series.ts'
import { LEVELS, type Level, readLevel } from '../query/levels.ts'

export interface Buckets {
  /** Seconds at which each bucket begins. */
  readonly times: readonly number[]
  readonly step: number
  /** As many as times, for each level. */
  readonly counts: ReadonlyMap<Level, readonly number[]>
  readonly totals: ReadonlyMap<Level, number>
}

/** A value at T counts what is after T − step: it is drawn from there. */
export function bucketsOf(series: readonly Series[], { start, end }: Range, step: number): Buckets {
  const first = Math.floor(start / 1000 / step) * step
  const count = Math.max(1, Math.ceil(end / 1000 / step) - first / step)
  const times = Array.from({ length: count }, (_, i) => first + i * step)
  const counts = new Map(LEVELS.map((level) => [level, new Array<number>(count).fill(0)]))
  const totals = new Map<Level, number>(LEVELS.map((level) => [level, 0]))
  for (const { metric, values } of series) {
    const level = readLevel(metric['detected_level'])
    const column = counts.get(level) as number[]
    for (const [at, value] of values) {
      const i = Math.round((at - step - first) / step)
      if (i < 0 || i >= count) continue
      column[i] = (column[i] ?? 0) + Number(value)
      totals.set(level, (totals.get(level) ?? 0) + Number(value))
    }
  }
  return { times, step, counts, totals }
}

/** Sums of the levels at each bucket. */
export function sumOf({ counts, times }: Buckets, levels: readonly Level[]): number[] {
  return times.map((_, i) => levels.reduce((sum, level) => sum + (counts.get(level)?.[i] ?? 0), 0))
}

/** The next round number at or above. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value) ?? 10) * power
}
