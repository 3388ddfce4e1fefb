/** Simulated rates of lines from a seed, for the picture in docs/anomalies.md and the tests of its claims. */

export const MINUTES_OF_DAY = 1440
export const MINUTES_OF_WEEK = 7 * MINUTES_OF_DAY

/** Numbers in [0, 1) from the seed. The generator is mulberry32, which is in the public domain. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface RateShape {
  /** Lines per minute in the middle of the day. */
  readonly busy: number
  /** The share of it that remains at night, and on the days of a weekend. */
  readonly night: number
  readonly weekend: number
  /** 1: counts as in a Poisson process. Above 1: bursts; the variance is this many times the mean. */
  readonly dispersion: number
  /** Growth per day: 0.01 is one percent. */
  readonly drift: number
}

/** A shop: five times as many lines by day as at night, fewer at weekends. */
export const SHOP: RateShape = { busy: 200, night: 0.2, weekend: 0.6, dispersion: 2, drift: 0 }

/** The mean of a minute since the start, a Monday at midnight. */
export function meanAt({ busy, night, weekend, drift }: RateShape, minute: number): number {
  const day = Math.floor(minute / MINUTES_OF_DAY)
  const phase = (1 - Math.cos((2 * Math.PI * (minute % MINUTES_OF_DAY)) / MINUTES_OF_DAY)) / 2
  const ofWeek = day % 7 >= 5 ? weekend : 1
  return busy * ofWeek * (night + (1 - night) * phase) * (1 + drift) ** (minute / MINUTES_OF_DAY)
}

/** A count with this mean, and a variance of `dispersion` times the mean: a Poisson count whose mean varies. */
export function countOf(mean: number, dispersion: number, random: () => number): number {
  if (mean <= 0) return 0
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const varied = dispersion <= 1 ? mean : Math.max(0, mean + normal * Math.sqrt(mean * (dispersion - 1)))
  return poisson(varied, random)
}

/** By inversion for a small mean, by a rounded normal variable above. */
function poisson(mean: number, random: () => number): number {
  if (mean > 50) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return Math.max(0, Math.round(mean + normal * Math.sqrt(mean)))
  }
  let count = 0
  let left = random()
  let chance = Math.exp(-mean)
  while (left > chance && count < 1000) {
    left -= chance
    count++
    chance *= mean / count
  }
  return count
}
