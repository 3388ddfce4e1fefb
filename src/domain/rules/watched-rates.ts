/** The baselines of a tenant's services and levels, with persistent texts. */

import { type Anomaly, type BaselineSettings, type BaselineState, RateBaseline } from './rate-baseline.ts'

export interface WatchSettings extends BaselineSettings {
  readonly seriesMax: number
}

/** A service and a level. */
export interface RateName {
  readonly service: string
  readonly level: string
}

export interface CountedRate extends RateName {
  readonly count: number
}

/** An unreported change of a series: an anomaly that started, or (undefined) one that ended. */
export interface RateNews extends RateName {
  readonly anomaly: Anomaly | undefined
}

interface Watched extends RateName {
  readonly baseline: RateBaseline
  /** The start of the reported anomaly. */
  reportedSince: number | undefined
}

const VERSION = 1
/** Series per text: some 150 KB, well below the size limit of a DynamoDB item. */
const SERIES_OF_TEXT = 100
/** Longer names are truncated, to bound the size of a text. */
const NAME_CHARS_MAX = 256
const MINUTES_OF_DAY = 24 * 60

export class WatchedRates {
  readonly #settings: WatchSettings
  readonly #series = new Map<string, Watched>()
  /** The maximum of observed hours over the levels of a service. */
  readonly #hoursSeen = new Map<string, number>()
  #ignored = 0
  #lastMinute = -1

  constructor(settings: WatchSettings) {
    this.#settings = settings
  }

  /** The last observed minute, since the epoch; -1 before the first. */
  get lastMinute(): number {
    return this.#lastMinute
  }

  get figures(): { readonly series: number; readonly ignored: number; readonly anomalies: number } {
    let anomalies = 0
    for (const { baseline } of this.#series.values()) if (baseline.anomaly !== undefined) anomalies++
    return { series: this.#series.size, ignored: this.#ignored, anomalies }
  }

  /** Adds all counts of a minute; a series without a count had no lines. Minutes are in order. */
  observe(minute: number, counted: readonly CountedRate[]): void {
    const counts = new Map(counted.map((rate) => [keyOf(rate), rate]))
    this.#ignored = 0
    if (minute % MINUTES_OF_DAY === 0) this.#forgetSilent()
    for (const [key, rate] of counts) {
      if (this.#series.has(key)) continue
      if (this.#series.size < this.#settings.seriesMax) this.#series.set(key, this.#begin(rate, minute))
      else this.#ignored++
    }
    for (const [key, { service, baseline }] of this.#series) {
      baseline.observe(minute, counts.get(key)?.count ?? 0, this.#settings)
      this.#hoursSeen.set(service, Math.max(this.#hoursSeen.get(service) ?? 0, baseline.hoursSeen))
    }
    this.#lastMinute = minute
  }

  /** The unreported changes, until they are marked as reported. */
  news(): readonly RateNews[] {
    return [...this.#series.values()].flatMap(({ service, level, baseline, reportedSince }) =>
      baseline.anomaly?.sinceMinute === reportedSince ? [] : [{ service, level, anomaly: baseline.anomaly }],
    )
  }

  markReported({ service, level, anomaly }: RateNews): void {
    const series = this.#series.get(keyOf({ service, level }))
    if (series !== undefined) series.reportedSince = anomaly?.sinceMinute
  }

  /** Persistent texts for `load`. */
  texts(): readonly string[] {
    const all = [...this.#series.values()].map(({ service, level, baseline, reportedSince }) => {
      return { service, level, reportedSince, ...baseline.state() }
    })
    const texts: string[] = []
    for (let i = 0; i < all.length; i += SERIES_OF_TEXT) {
      texts.push(
        JSON.stringify({ version: VERSION, minute: this.#lastMinute, series: all.slice(i, i + SERIES_OF_TEXT) }),
      )
    }
    return texts
  }

  /** Loads the result of `texts`. A text of another version is ignored, and its series are learned again. */
  load(texts: readonly string[]): void {
    for (const text of texts) {
      const value = parseJson(text)
      if (!isObject(value) || value.version !== VERSION || !Array.isArray(value.series)) continue
      this.#lastMinute = Math.max(this.#lastMinute, typeof value.minute === 'number' ? value.minute : -1)
      for (const each of value.series) this.#loadSeries(each)
    }
  }

  #loadSeries(value: unknown): void {
    if (!isObject(value) || typeof value.service !== 'string' || typeof value.level !== 'string') return
    if (this.#series.size >= this.#settings.seriesMax || !isBaselineState(value)) return
    const { service, level } = value
    const baseline = RateBaseline.restore(value)
    // toldSince: the name in texts of earlier versions.
    const since = value.reportedSince ?? value.toldSince
    const reportedSince = typeof since === 'number' ? since : undefined
    this.#series.set(keyOf({ service, level }), { service, level, baseline, reportedSince })
    this.#hoursSeen.set(service, Math.max(this.#hoursSeen.get(service) ?? 0, baseline.hoursSeen))
  }

  /** For a known service a new level has a usual rate of zero. */
  #begin({ service, level }: RateName, minute: number): Watched {
    const hours = this.#hoursSeen.get(service) ?? 0
    const isKnown = hours >= this.#settings.warmUpHours
    const baseline = isKnown ? RateBaseline.silent(hours, minute) : RateBaseline.empty()
    const names = { service: service.slice(0, NAME_CHARS_MAX), level: level.slice(0, NAME_CHARS_MAX) }
    return { ...names, baseline, reportedSince: undefined }
  }

  #forgetSilent(): void {
    const services = new Set<string>()
    for (const [key, { service, baseline, reportedSince }] of this.#series) {
      if (baseline.isSilent && reportedSince === undefined) this.#series.delete(key)
      else services.add(service)
    }
    for (const service of this.#hoursSeen.keys()) if (!services.has(service)) this.#hoursSeen.delete(service)
  }
}

function keyOf({ service, level }: RateName): string {
  return JSON.stringify([service.slice(0, NAME_CHARS_MAX), level.slice(0, NAME_CHARS_MAX)])
}

/** Checks the fields and their types, but not the values. */
function isBaselineState(
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & BaselineState {
  const numbers = ['scale', 'noise', 'hoursSeen', 'hour', 'lastMinute', 'strange', 'calm']
  const lists = ['hours', 'values', 'recent']
  return (
    numbers.every((name) => typeof value[name] === 'number') &&
    lists.every((name) => {
      const list = value[name]
      return (
        Array.isArray(list) && list.length <= 168 && list.every((each) => each === null || typeof each === 'number')
      )
    }) &&
    (value.anomaly === undefined || isObject(value.anomaly))
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // as a text of another version: see `load`
  }
}
