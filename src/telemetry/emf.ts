/** Metrics for CloudWatch, as lines of its embedded metric format on stdout. */

import type { Counter } from 'prom-client'
import type { Clock } from '../ports/log-store.ts'
import { type EmfFigure, type EmfPlace, formatEmfLine } from './emf-line.ts'
import type { Metrics } from './metrics.ts'

/** A counter since the start of the process, which never decreases; or a gauge, whose value is written when it changed. */
export interface Total extends EmfFigure {
  readonly isGauge?: boolean
}

export type ReadTotals = () => Promise<readonly Total[]>

export interface EmfParts extends Pick<EmfPlace, 'namespace' | 'service'> {
  readonly readTotals: ReadTotals
  readonly clock: Clock
  /** Writes one line, which includes its newline. */
  write(line: string): void
}

/**
 * Logging a line of 500 bytes costs as much as 0.4 DynamoDB writes of 1 KB ($0.50 per GB against $0.625 per million,
 * us-east-1, 2026). A request with a single entry makes at least one such write and pays for its invocation, so a line
 * never costs more than the requests it counts. Under load there is at most one line per thousand entries or ten seconds.
 */
const INTERVAL_MS = 10_000
const COUNT_MIN = 1000
/** Metrics per directive; CloudWatch drops a line with more. */
const METRICS_MAX = 100

/**
 * Writes how much the totals increased since the previous line. There are no dimensions with tenants or other names
 * from clients, because CloudWatch bills every value of a dimension as a metric.
 */
export class EmfReporter {
  readonly #parts: EmfParts
  readonly #reported = new Map<string, number>()
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(parts: EmfParts) {
    this.#parts = parts
  }

  /**
   * Call it at the end of a unit of work, before the response: a function is frozen after that. Writes a line if ten
   * seconds have passed since the last one, or if a counter increased by a thousand; otherwise a later call reports it.
   */
  async report(): Promise<void> {
    const rises = this.#rises(await this.#parts.readTotals())
    const isSoon = this.#parts.clock.monotonicMs() - this.#lastMs < INTERVAL_MS
    if (isSoon && !rises.some(({ unit, value }) => unit === 'Count' && value >= COUNT_MIN)) return
    this.#write(rises)
  }

  /** Writes the rest; call it before the process ends. */
  async flush(): Promise<void> {
    this.#write(this.#rises(await this.#parts.readTotals()))
  }

  #rises(totals: readonly Total[]): Total[] {
    return totals.flatMap((total) => {
      const before = this.#reported.get(total.name)
      if (total.isGauge === true) return total.value === before ? [] : [total]
      const value = total.value - (before ?? 0)
      return value > 0 ? [{ ...total, value }] : []
    })
  }

  /** Metrics that do not fit in the line are in the next one. */
  #write(rises: readonly Total[]): void {
    const figures = rises.slice(0, METRICS_MAX)
    if (figures.length === 0) return
    const { clock } = this.#parts
    this.#lastMs = clock.monotonicMs()
    for (const { name, value, isGauge } of figures) {
      this.#reported.set(name, isGauge === true ? value : (this.#reported.get(name) ?? 0) + value)
    }
    this.#parts.write(formatEmfLine(figures, { ...this.#parts, nowMs: clock.nowMs() }))
  }
}

/** The gateway's totals, from the Prometheus counters. The reasons of rejections are a closed list. */
export function gatewayTotals(metrics: Metrics): ReadTotals {
  return async () => {
    const { accepted, duplicates, dropped, refused, lineBytes, bodyBytes, errors, writeFailures } = metrics
    const reasons = (await refused.get()).values.map(({ labels, value }) => ({
      name: `RejectedLogCount_${labels.reason}`,
      unit: 'Count' as const,
      value,
    }))
    return [
      { name: 'IngestedLogCount', unit: 'Count', value: await sumOf(accepted) },
      { name: 'IngestedBytes', unit: 'Bytes', value: await sumOf(lineBytes) },
      { name: 'IngestedBodyBytes', unit: 'Bytes', value: await sumOf(bodyBytes) },
      { name: 'DuplicateLogCount', unit: 'Count', value: await sumOf(duplicates) },
      { name: 'DroppedLogCount', unit: 'Count', value: await sumOf(dropped) },
      { name: 'RejectedLogCount', unit: 'Count', value: await sumOf(refused) },
      { name: 'ErrorCount', unit: 'Count', value: await sumOf(errors) },
      { name: 'StoreFailureCount', unit: 'Count', value: await sumOf(writeFailures) },
      { name: 'UserRefreshFailureCount', unit: 'Count', value: await sumOf(metrics.userRefreshFailures) },
      ...reasons,
    ]
  }
}

async function sumOf<Name extends string>(counter: Counter<Name>): Promise<number> {
  return (await counter.get()).values.reduce((sum, { value }) => sum + value, 0)
}
