/** Counts the lines of each service and level every minute, and reports unusual rates as incidents. */

import { SERVICE_NAME } from '../../domain/entries/service-name.ts'
import type { IncidentReport } from '../../domain/incidents/incident.ts'
import { formatLabels, type Labels, labelValue } from '../../domain/labels.ts'
import { DETECTED_LEVEL } from '../../domain/levels/level.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { WINDOW_MINUTES } from '../../domain/rules/rate-baseline.ts'
import { type CountedRate, type RateNews, WatchedRates, type WatchSettings } from '../../domain/rules/watched-rates.ts'
import { msToNs } from '../../domain/time.ts'
import { parseExpr } from '../../logql/parse/parse.ts'
import type { MetricExpr } from '../../logql/parse/syntax.ts'
import type { IncidentSink } from '../../ports/incidents.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import type { StateStore } from '../../ports/rules.ts'
import { openTurn, type QueryTurns } from '../query/query-turns.ts'
import { runMetricQuery } from '../query/run-metric-query.ts'

export interface AnomalyParts {
  readonly store: LogStore
  readonly clock: Clock
  readonly states: StateStore
  readonly incidents: IncidentSink
  readonly limitsOf: (tenant: string) => QueryLimits
  /** Shared with user queries, if this process serves any. */
  readonly turns?: QueryTurns | undefined
  readonly tenants: readonly string[]
  readonly settings: WatchSettings
  /**
   * Number of minutes that are counted after a pause; older ones are unknown. Few (2) if the gateway itself paused, because
   * lines of that time arrive late; many if the gateway receives lines all the time and this is called on a schedule.
   */
  readonly catchUpMinutes: number
  /** A signal that is aborted after `ms`. */
  readonly signalAfter: (ms: number) => AbortSignal
  /** A round failed for this tenant; the next one retries. Must not throw. */
  readonly onFailure: (tenant: string, cause: unknown) => void
}

const MINUTE_MS = 60_000
/** How long after its end a minute is counted, to wait for late lines. */
const SETTLE_MS = 30_000
const TIMEOUT_MS = 30_000
/** Maximum difference between the clocks of two processes. */
const CLOCKS_DIFFER_MINUTES = 5
/** Wait after a failure. */
const RETRY_MS = 10_000
/** An anomaly ends within a day, because a lasting change becomes the new normal; this closes abandoned ones. */
const CLOSES_AFTER_MS = 25 * 60 * MINUTE_MS
/** Series of the count per watched series, because ignored ones are counted too. */
const SERIES_OF_COUNT = 10
/** Maximum number of texts of a tenant's state, which is a hundred thousand series. */
const TEXTS_MAX = 1000
const SERIOUS_LEVELS = ['error', 'critical', 'fatal']

/** Lines of all services by level in one minute; counted from columns, without reading lines. */
const COUNT = parseExpr(`sum by (${SERVICE_NAME}, ${DETECTED_LEVEL}) (count_over_time({${SERVICE_NAME}=~".+"}[1m]))`)

export class AnomalyDetector {
  readonly #parts: AnomalyParts
  readonly #rates = new Map<string, WatchedRates>()
  /** When to retry a tenant that failed, ms since the epoch. */
  readonly #retries = new Map<string, number>()
  #round: Promise<void> | undefined

  constructor(parts: AnomalyParts) {
    this.#parts = parts
  }

  /** Watched series, ignored series above the limit, and current anomalies, of all tenants. */
  get figures(): { readonly series: number; readonly ignored: number; readonly anomalies: number } {
    const sum = { series: 0, ignored: 0, anomalies: 0 }
    for (const { figures } of this.#rates.values()) {
      sum.series += figures.series
      sum.ignored += figures.ignored
      sum.anomalies += figures.anomalies
    }
    return sum
  }

  /** Counts the minutes that are complete at `nowMs`. Overlapping calls share one round. Never rejects. */
  async evaluateDue(nowMs: number): Promise<void> {
    this.#round ??= this.#evaluate(nowMs).finally(() => {
      this.#round = undefined
    })
    await this.#round
  }

  async #evaluate(nowMs: number): Promise<void> {
    const last = Math.floor((nowMs - SETTLE_MS) / MINUTE_MS) - 1
    for (const tenant of this.#parts.tenants) {
      const retryMs = this.#retries.get(tenant)
      if (retryMs !== undefined && this.#parts.clock.monotonicMs() < retryMs) continue
      if (isCounted(this.#rates.get(tenant)?.lastMinute ?? -1, last)) continue
      try {
        await this.#evaluateTenant(tenant, last)
      } catch (cause) {
        this.#retries.set(tenant, this.#parts.clock.monotonicMs() + RETRY_MS)
        this.#parts.onFailure(tenant, cause)
      }
    }
  }

  async #evaluateTenant(tenant: string, last: number): Promise<void> {
    const rates = await this.#ratesOf(tenant)
    if (isCounted(rates.lastMinute, last)) return
    const oldest = last - this.#parts.catchUpMinutes + 1
    const first = rates.lastMinute < last ? Math.max(rates.lastMinute + 1, oldest) : last
    const counts = await this.#count(tenant, first, last)
    for (let minute = first; minute <= last; minute++) rates.observe(minute, counts.get(minute) ?? [])
    // The state is written before the report: after a crash in between, the next process reports with the same ids.
    await this.#write(tenant, rates)
    if (await this.#report(tenant, rates)) await this.#write(tenant, rates)
  }

  /** The rates in memory, unless another process has newer ones. */
  async #ratesOf(tenant: string): Promise<WatchedRates> {
    const { states, settings } = this.#parts
    const known = this.#rates.get(tenant)
    const index = readIndex(await states.readCursor(indexName(tenant)))
    if (known !== undefined && known.lastMinute >= index.minute) return known
    const texts: string[] = []
    for (let at = 0; at < index.texts; at++) {
      const text = await states.readCursor(textName(tenant, at))
      if (text !== undefined) texts.push(text)
    }
    const rates = new WatchedRates(settings)
    rates.load(texts)
    this.#rates.set(tenant, rates)
    return rates
  }

  async #write(tenant: string, rates: WatchedRates): Promise<void> {
    const { states } = this.#parts
    const texts = rates.texts()
    for (const [at, text] of texts.entries()) await states.writeCursor(textName(tenant, at), text)
    await states.writeCursor(indexName(tenant), JSON.stringify({ minute: rates.lastMinute, texts: texts.length }))
  }

  /** The counts of minutes `first` to `last`, inclusive, by minute. */
  async #count(tenant: string, first: number, last: number): Promise<ReadonlyMap<number, readonly CountedRate[]>> {
    const { store, clock, limitsOf, settings, signalAfter, turns } = this.#parts
    const limits = { ...limitsOf(tenant), seriesMax: settings.seriesMax * SERIES_OF_COUNT }
    // A window ends at its time: the window of a minute at the start of the next.
    const at = (minute: number): bigint => msToNs((minute + 1) * MINUTE_MS)
    const time = { kind: 'range', start: at(first), end: at(last), step: msToNs(MINUTE_MS) } as const
    const request = { tenant, expr: COUNT as MetricExpr, time }
    const turn = openTurn(turns, tenant, signalAfter(TIMEOUT_MS))
    const { result } = await runMetricQuery(store, clock, limits, request, turn)
    const counts = new Map<number, CountedRate[]>()
    if (result.kind !== 'matrix') return counts
    for (const { labels, points } of result.series) {
      const service = labelValue(labels, SERVICE_NAME)
      const level = labelValue(labels, DETECTED_LEVEL) || 'unknown'
      for (const { ns, value } of points) {
        const minute = Number(ns / msToNs(MINUTE_MS)) - 1
        const known = counts.get(minute) ?? []
        known.push({ service, level, count: value })
        counts.set(minute, known)
      }
    }
    return counts
  }

  /** True if something was reported. Failed reports are retried in the next round. */
  async #report(tenant: string, rates: WatchedRates): Promise<boolean> {
    const { incidents, onFailure } = this.#parts
    let hasReported = false
    for (const news of rates.news()) {
      try {
        const incident = { tenant, kind: 'anomaly', key: formatLabels(labelsOf(news)) } as const
        if (news.anomaly === undefined) await incidents.resolve(incident)
        else await incidents.raise(reportOf(incident, news, news.anomaly))
        rates.markReported(news)
        hasReported = true
      } catch (cause) {
        onFailure(tenant, cause)
      }
    }
    return hasReported
  }
}

function reportOf(
  incident: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>,
  news: RateNews,
  { direction, seen, usual, sinceMinute }: NonNullable<RateNews['anomaly']>,
): IncidentReport {
  const { service, level } = news
  const title = `${service}: ${direction} ${level} lines than usual, ${Math.round(seen)} in ${WINDOW_MINUTES} minutes instead of ${Math.round(usual)}`
  const isSerious = direction === 'more' && SERIOUS_LEVELS.includes(level)
  const ms = (sinceMinute + 1) * MINUTE_MS
  const selector = formatLabels([{ name: SERVICE_NAME, value: service }])
  return {
    ...incident,
    title,
    labels: labelsOf(news),
    severity: isSerious ? 'error' : 'warn',
    query: `${selector} | ${formatLabels([{ name: DETECTED_LEVEL, value: level }]).slice(1, -1)}`,
    eventId: `anomaly-${sinceMinute}`,
    ms,
    line: title,
    closesAfterMs: CLOSES_AFTER_MS,
  }
}

function labelsOf({ service, level }: RateNews): Labels {
  return [
    { name: DETECTED_LEVEL, value: level },
    { name: SERVICE_NAME, value: service },
  ]
}

function indexName(tenant: string): string {
  return `anomalies/${tenant}`
}

function textName(tenant: string, at: number): string {
  return `anomalies/${tenant}/${at}`
}

/** Ignores a minute far in the future: if the clock moved backwards, do not wait for it to catch up. */
function isCounted(lastMinute: number, minute: number): boolean {
  return lastMinute >= minute && lastMinute - minute <= CLOCKS_DIFFER_MINUTES
}

/** Text of another version is ignored. */
function readIndex(text: string | undefined): { readonly minute: number; readonly texts: number } {
  const match = /^\{"minute":(-?\d{1,15}),"texts":(\d{1,6})\}$/.exec(text ?? '')
  return { minute: Number(match?.[1] ?? -1), texts: Math.min(TEXTS_MAX, Number(match?.[2] ?? 0)) }
}
