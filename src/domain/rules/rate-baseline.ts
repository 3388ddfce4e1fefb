/**
 * The usual rate of lines of a series for each hour of the week, and detection of rates that are far from it.
 *
 * Counts per minute are transformed to x = 2·sqrt(count + 3/8), which gives a Poisson count a noise of about 1 at any rate
 * (F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35, 1948). An hour is
 * represented by its median, its noise by 1.4826 times the median absolute deviation (F. R. Hampel, "The influence curve
 * and its role in robust estimation", JASA 69, 1974), so a few outliers change neither. Both are updated by exponentially
 * weighted steps, clipped against outliers (P. J. Huber, "Robust estimation of a location parameter", 1964).
 */

export interface BaselineSettings {
  /** Hours of learning before anything is judged. */
  readonly warmUpHours: number
  /** Factor above or below the usual rate. */
  readonly factor: number
  /** Lines in WINDOW_MINUTES below which nothing is an anomaly: observed lines for an increase, usual lines for a drop. */
  readonly countMin: number
}

export type Direction = 'more' | 'fewer'

/** The last minutes compared with the usual rate. Counts are per WINDOW_MINUTES. */
export interface Reading {
  readonly seen: number
  readonly usual: number
  /** Distance in units of the usual noise. */
  readonly deviation: number
}

export interface Anomaly extends Reading {
  readonly direction: Direction
  /** The minute of detection, since the epoch. */
  readonly sinceMinute: number
}

/** The state of a baseline as JSON. */
export interface BaselineState {
  /** Usual level of each hour of the week, in hundredths; undefined (null in JSON) if not observed yet. */
  readonly hours: readonly (number | null)[]
  /** Common factor of all hours, which follows changes that all hours share. */
  readonly scale: number
  readonly noise: number
  readonly hoursSeen: number
  /** The hour that is being learned, and its minutes so far, in hundredths. */
  readonly hour: number
  readonly values: readonly number[]
  readonly lastMinute: number
  /** Counts of the last minutes without a gap. */
  readonly recent: readonly number[]
  readonly strange: number
  readonly calm: number
  readonly anomaly: Anomaly | undefined
}

/** The median of this many minutes is judged, so that one or two outliers do not matter. */
export const WINDOW_MINUTES = 5
/** Consecutive minutes until an anomaly starts, and until it ends. */
const STRANGE_MINUTES = 2
const CALM_MINUTES = 10
/** Units of noise: 5 happen by chance less than once in years. An anomaly ends below half of it. */
const DEVIATION_MIN = 5
/** A change that lasts this long becomes the new normal. */
const ACCEPTED_MINUTES = 24 * 60
/** Hours with fewer minutes are not learned. */
const HOUR_MINUTES_MIN = 20
/** Weights of a new hour: for its hour of the week, for the common scale, and for the noise. */
const HOUR_WEIGHT = 0.3
const SCALE_WEIGHT = 0.04
const NOISE_WEIGHT = 0.05
/** Maximum effect of an hour, in units of noise. */
const LESSON_MAX = 3
/** Levels are square roots, so this is a change of the rate by a factor of some thousand. */
const SCALE_MAX = 64
const HOURS_OF_WEEK = 168
/** The epoch was a Thursday; the start of the week does not matter. */
const hourOfWeek = (hour: number): number => ((hour % HOURS_OF_WEEK) + HOURS_OF_WEEK) % HOURS_OF_WEEK

export class RateBaseline {
  #hours: (number | undefined)[]
  #scale: number
  #noise: number
  #hoursSeen: number
  #hour: number
  #values: number[]
  #lastMinute: number
  #recent: number[]
  #strange: number
  #calm: number
  #anomaly: Anomaly | undefined

  private constructor(state: BaselineState) {
    this.#hours = Array.from({ length: HOURS_OF_WEEK }, (_, index) => fromHundredths(state.hours[index]))
    this.#scale = state.scale
    this.#noise = state.noise
    this.#hoursSeen = state.hoursSeen
    this.#hour = state.hour
    this.#values = state.values.map((value) => value / 100)
    this.#lastMinute = state.lastMinute
    this.#recent = [...state.recent]
    this.#strange = state.strange
    this.#calm = state.calm
    this.#anomaly = state.anomaly
  }

  /** A baseline without observations. */
  static empty(): RateBaseline {
    return new RateBaseline({ ...NOTHING, hours: [], hoursSeen: 0 })
  }

  /** A baseline without lines before `minute`: for a level that a known service has never written. */
  static silent(hoursSeen: number, minute: number): RateBaseline {
    const hours = new Array<number>(HOURS_OF_WEEK).fill(Math.round(levelOf(0) * 100))
    const recent = new Array<number>(WINDOW_MINUTES - 1).fill(0)
    return new RateBaseline({ ...NOTHING, hours, hoursSeen, recent, lastMinute: minute - 1 })
  }

  static restore(state: BaselineState): RateBaseline {
    return new RateBaseline(state)
  }

  get anomaly(): Anomaly | undefined {
    return this.#anomaly
  }

  get hoursSeen(): number {
    return this.#hoursSeen
  }

  /** Minutes since the epoch; -1 before the first. */
  get lastMinute(): number {
    return this.#lastMinute
  }

  /** True if no hour had lines, so that it can be dropped without loss. */
  get isSilent(): boolean {
    const silent = levelOf(0) + 0.5
    return this.#anomaly === undefined && this.#hours.every((level) => (level ?? 0) * this.#scale <= silent)
  }

  /**
   * Adds the count of a minute (since the epoch), later than the previous one; omitted minutes are unknown, not zero.
   * Returns the reading once there is enough data to judge.
   */
  observe(minute: number, count: number, settings: BaselineSettings): Reading | undefined {
    const hour = Math.floor(minute / 60)
    if (hour !== this.#hour) this.#learnHour(hour)
    this.#values.push(levelOf(count))
    if (minute !== this.#lastMinute + 1) this.#recent = []
    this.#lastMinute = minute
    this.#recent.push(count)
    if (this.#recent.length > WINDOW_MINUTES) this.#recent.shift()
    const usual = this.#usualAt(minute)
    if (usual === undefined || this.#hoursSeen < settings.warmUpHours) return undefined
    if (this.#recent.length < WINDOW_MINUTES) return undefined
    const reading = this.#read(usual)
    this.#judge(minute, reading, settings)
    return reading
  }

  state(): BaselineState {
    return {
      hours: this.#hours.map((level) => (level === undefined ? null : Math.round(level * 100))),
      scale: this.#scale,
      noise: this.#noise,
      hoursSeen: this.#hoursSeen,
      hour: this.#hour,
      values: this.#values.map((value) => Math.round(value * 100)),
      lastMinute: this.#lastMinute,
      recent: this.#recent,
      strange: this.#strange,
      calm: this.#calm,
      anomaly: this.#anomaly,
    }
  }

  #read(usual: number): Reading {
    const seenLevel = medianOf(this.#recent.map(levelOf))
    return {
      seen: countOf(seenLevel) * WINDOW_MINUTES,
      usual: countOf(usual) * WINDOW_MINUTES,
      deviation: (seenLevel - usual) / this.#noise,
    }
  }

  #judge(minute: number, reading: Reading, settings: BaselineSettings): void {
    const direction = directionOf(reading, settings)
    if (this.#anomaly === undefined) {
      this.#strange = direction === undefined ? 0 : this.#strange + 1
      if (direction === undefined || this.#strange < STRANGE_MINUTES) return
      this.#anomaly = { ...reading, direction, sinceMinute: minute }
      this.#calm = 0
      return
    }
    const isAccepted = minute - this.#anomaly.sinceMinute >= ACCEPTED_MINUTES
    if (isAccepted) this.#accept(minute)
    this.#calm = isCalm(reading, this.#anomaly.direction, settings) ? this.#calm + 1 : 0
    if (!isAccepted && this.#calm < CALM_MINUTES) return
    this.#anomaly = undefined
    this.#strange = 0
    this.#calm = 0
  }

  /** Makes the current rate the usual one, without changing the shape of the week. */
  #accept(minute: number): void {
    const usual = this.#usualAt(minute)
    if (usual !== undefined) this.#rescale(medianOf(this.#recent.map(levelOf)) / usual)
  }

  /** The usual level, interpolated between the middles of two hours; a missing hour uses the same hour of other days. */
  #usualAt(minute: number): number | undefined {
    const position = minute / 60 - 0.5
    const first = Math.floor(position)
    const before = this.#levelOfHour(first)
    const after = this.#levelOfHour(first + 1)
    const level =
      before === undefined || after === undefined ? (before ?? after) : before + (after - before) * (position - first)
    // Not below the level of zero lines.
    return level === undefined ? undefined : Math.max(levelOf(0), level * this.#scale)
  }

  #levelOfHour(hour: number): number | undefined {
    const slot = hourOfWeek(hour)
    const known = this.#hours[slot]
    if (known !== undefined) return known
    const others = this.#hours.filter((_, index) => index % 24 === slot % 24).filter((level) => level !== undefined)
    return others.length === 0 ? undefined : medianOf(others)
  }

  #rescale(factor: number): void {
    this.#scale = Math.min(SCALE_MAX, Math.max(1 / SCALE_MAX, this.#scale * factor))
  }

  /** Learns the hour that ended, unless it is anomalous. */
  #learnHour(next: number): void {
    const values = this.#values
    const hour = this.#hour
    this.#values = []
    this.#hour = next
    if (values.length < HOUR_MINUTES_MIN) return
    this.#hoursSeen++
    if (this.#anomaly !== undefined) return
    const median = medianOf(values)
    const spread = 1.4826 * medianOf(values.map((value) => Math.abs(value - median)))
    const slot = hourOfWeek(hour)
    const level = this.#hours[slot]
    if (level === undefined) {
      this.#hours[slot] = median / this.#scale
      this.#noise += NOISE_WEIGHT * (Math.max(1, spread) - this.#noise)
      return
    }
    const surprise = median - level * this.#scale
    const lesson = Math.max(-LESSON_MAX * this.#noise, Math.min(LESSON_MAX * this.#noise, surprise))
    this.#hours[slot] = Math.max(levelOf(0), level + (HOUR_WEIGHT * lesson) / this.#scale)
    this.#rescale(1 + (SCALE_WEIGHT * lesson) / Math.max(levelOf(0), level * this.#scale))
    // Differences between weeks are noise too.
    this.#noise += NOISE_WEIGHT * (Math.max(1, Math.hypot(spread, lesson)) - this.#noise)
  }
}

const NOTHING = {
  scale: 1,
  noise: 1,
  hour: -1,
  values: [],
  lastMinute: -1,
  recent: [],
  strange: 0,
  calm: 0,
  anomaly: undefined,
} as const

function directionOf(
  { seen, usual, deviation }: Reading,
  { factor, countMin }: BaselineSettings,
): Direction | undefined {
  if (deviation >= DEVIATION_MIN && seen >= countMin && seen >= factor * usual) return 'more'
  // Zero lines are always fewer, for any factor.
  if (deviation <= -DEVIATION_MIN && usual >= countMin && seen * factor <= usual) return 'fewer'
  return undefined
}

/** Requires half the distance, so that an anomaly near the threshold does not flap. */
function isCalm({ seen, usual, deviation }: Reading, direction: Direction, { factor }: BaselineSettings): boolean {
  const half = 1 + (factor - 1) / 2
  if (Math.abs(deviation) < DEVIATION_MIN / 2) return true
  return direction === 'more' ? seen < half * usual : seen * half > usual
}

function levelOf(count: number): number {
  return 2 * Math.sqrt(count + 3 / 8)
}

function countOf(level: number): number {
  return Math.max(0, (level / 2) ** 2 - 3 / 8)
}

/** Of at least one number. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

function fromHundredths(value: number | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : value / 100
}
