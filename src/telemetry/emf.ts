/** Counts for CloudWatch, as lines of its embedded metric format on stdout. */

import type { Counter } from 'prom-client'
import type { Clock } from '../ports/log-store.ts'
import { type EmfFigure, type EmfPlace, formatEmfLine } from './emf-line.ts'
import type { Metrics } from './metrics.ts'

/** A count that only rises, since the start of the process. */
export type Total = EmfFigure

export type ReadTotals = () => Promise<readonly Total[]>

export interface EmfParts extends Pick<EmfPlace, 'namespace' | 'service'> {
  readonly readTotals: ReadTotals
  readonly clock: Clock
  /** Takes one line, its newline included. */
  write(line: string): void
}

/**
 * A line of 500 bytes costs as much to log as 0.4 DynamoDB writes of 1 KB ($0.50 a GB against $0.625 a million,
 * us-east-1, 2026); the request with a single entry makes one such write at least, and pays for its invocation. So no
 * line costs more than what it counts, and under load it is one in at least a thousand entries or ten seconds.
 */
const INTERVAL_MS = 10_000
const COUNT_MIN = 1000
/** Of one directive; CloudWatch drops the whole line beyond. */
const METRICS_MAX = 100

/**
 * Writes what the totals rose by since the line before. Tenants are no dimensions, nor anything else that clients name:
 * each value of a dimension is a metric that is paid for.
 */
export class EmfReporter {
  readonly #parts: EmfParts
  readonly #told = new Map<string, number>()
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(parts: EmfParts) {
    this.#parts = parts
  }

  /**
   * To be called where a piece of work ends, before its answer leaves: a function is frozen then. Writes a line when
   * ten seconds have passed since the last one, or a thousand of something were counted; otherwise the next call tells
   * it.
   */
  async report(): Promise<void> {
    const rises = this.#rises(await this.#parts.readTotals())
    const isSoon = this.#parts.clock.monotonicMs() - this.#lastMs < INTERVAL_MS
    if (isSoon && !rises.some(({ unit, value }) => unit === 'Count' && value >= COUNT_MIN)) return
    this.#tell(rises)
  }

  /** Writes what is left: to be called before the process ends. */
  async flush(): Promise<void> {
    this.#tell(this.#rises(await this.#parts.readTotals()))
  }

  #rises(totals: readonly Total[]): Total[] {
    return totals
      .map((total) => ({ ...total, value: total.value - (this.#told.get(total.name) ?? 0) }))
      .filter(({ value }) => value > 0)
  }

  /** What does not fit the line is told by the next one. */
  #tell(rises: readonly Total[]): void {
    const told = rises.slice(0, METRICS_MAX)
    if (told.length === 0) return
    const { clock } = this.#parts
    this.#lastMs = clock.monotonicMs()
    for (const { name, value } of told) this.#told.set(name, (this.#told.get(name) ?? 0) + value)
    this.#parts.write(formatEmfLine(told, { ...this.#parts, nowMs: clock.nowMs() }))
  }
}

/** The gateway's totals: the same counters that Prometheus reads. Reasons of refusals are a closed list of ours. */
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
