/** Parses and formats durations and sizes in queries. Values in log lines follow other rules. */

/** Prometheus's units, the largest first: each at most once and in this order. */
const LONG_UNITS: readonly (readonly [unit: string, ns: bigint])[] = [
  ['y', 365n * 86_400_000_000_000n],
  ['w', 7n * 86_400_000_000_000n],
  ['d', 86_400_000_000_000n],
  ['h', 3_600_000_000_000n],
  ['m', 60_000_000_000n],
  ['s', 1_000_000_000n],
  ['ms', 1_000_000n],
]
const LONG_DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/

const GO_UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])
const GO_DURATION = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const GO_PART = /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g
/** Go's durations are signed 64-bit nanoseconds. */
const DURATION_MAX = 2n ** 63n - 1n
const DIGITS_MAX = 40

/**
 * Parses `1d12h` in Prometheus's format (y w d h m s ms, whole numbers, in order), or `1.5h` in Go's (also us and ns,
 * with a sign), to nanoseconds; undefined for other text and beyond 292 years.
 */
export function parseDuration(text: string): bigint | undefined {
  if (text === '' || text.length > DIGITS_MAX) return undefined
  if (text === '0') return 0n
  const long = LONG_DURATION.exec(text)
  const ns =
    long !== null
      ? LONG_UNITS.reduce((sum, [, unit], i) => sum + BigInt(long[i + 1] ?? '0') * unit, 0n)
      : GO_DURATION.test(text)
        ? parseGoDuration(text)
        : undefined
  return ns === undefined || ns > DURATION_MAX || ns < -DURATION_MAX ? undefined : ns
}

function parseGoDuration(text: string): bigint {
  let sum = 0n
  for (const [, whole = '', fraction = '', name = ''] of text.matchAll(GO_PART)) {
    const unit = GO_UNITS.get(name) as bigint
    sum += BigInt(whole || '0') * unit + (BigInt(fraction || '0') * unit) / 10n ** BigInt(fraction.length)
  }
  return text.startsWith('-') ? -sum : sum
}

/** The shortest form with Prometheus's units, largest first: `1d12h`; Go's units below a millisecond. */
export function formatDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatDuration(-ns)}`
  if (ns === 0n) return '0s'
  if (ns % 1_000_000n !== 0n) return formatGoDuration(ns)
  let rest = ns
  let text = ''
  for (const [name, unit] of LONG_UNITS) {
    // Years and weeks only if they divide evenly, as in Prometheus.
    if ((name === 'y' || name === 'w') && rest % unit !== 0n) continue
    if (rest >= unit) text += `${rest / unit}${name}`
    rest %= unit
  }
  return text
}

/** Go's format of durations: `1h0m0s`, `1.5s`, `20ms`. */
export function formatGoDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatGoDuration(-ns)}`
  if (ns === 0n) return '0s'
  if (ns < 1_000n) return `${ns}ns`
  if (ns < 1_000_000n) return `${decimal(ns, 3)}µs`
  if (ns < 1_000_000_000n) return `${decimal(ns, 6)}ms`
  const hours = ns / 3_600_000_000_000n
  const minutes = (ns / 60_000_000_000n) % 60n
  const seconds = `${decimal(ns % 60_000_000_000n, 9)}s`
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${minutes}m${seconds}` : seconds
}

function decimal(value: bigint, places: number): string {
  const unit = 10n ** BigInt(places)
  const fraction = (value % unit).toString().padStart(places, '0').replace(/0+$/, '')
  return fraction === '' ? `${value / unit}` : `${value / unit}.${fraction}`
}

const SIZE = /^(\d+(?:\.\d*)?|\.\d+)([kKMGTPE]?)(i?)(B?)$/

/**
 * `5KB` (1000), `5KiB` (1024), `5B`, `5k`: the size in bytes; undefined for other text. Only `k` may be lower case, as
 * in Loki.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text)
  if (match === null) return undefined
  const [, number = '', prefix = '', binary = '', unit = ''] = match
  if (prefix === '' && (binary !== '' || unit === '')) return undefined
  const power = 'kmgtpe'.indexOf(prefix.toLowerCase()) + 1
  return Math.trunc(Number(number) * (binary === '' ? 1000 : 1024) ** (prefix === '' ? 0 : power))
}

/** A size in the largest unit that is exact: `5KiB`, `1.5MB`, `1234567B`. */
export function formatSize(bytes: number): string {
  for (const [base, suffix] of [
    [1000, 'B'],
    [1024, 'iB'],
  ] as const) {
    for (let power = 6; power >= 1; power--) {
      const value = bytes / base ** power
      const text = value.toString()
      if (value >= 1 && text.length <= 5 && value * base ** power === bytes)
        return `${text}${'KMGTPE'[power - 1]}${suffix}`
    }
  }
  return `${bytes}B`
}
