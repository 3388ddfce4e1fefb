/** Converts label values to numbers: numbers and durations in Go's syntax, and sizes. */

const NS_BY_UNIT = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['\u00b5s', 1e3], // micro sign
  ['\u03bcs', 1e3], // Greek mu
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
])
const DURATION = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/
const DURATION_PART = /(\d*)(\.\d*)?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g
/** Go's durations are 64-bit nanoseconds. */
const DURATION_NS_MAX = 2 ** 63
const VALUE_CHARS_MAX = 256

/**
 * Nanoseconds of a duration in the syntax of Go's time.ParseDuration (`1h15m30.5s`, units up to hours); undefined if
 * invalid. A double: exact below 104 days.
 */
export function parseGoDuration(text: string): number | undefined {
  const plain = parsePlainDuration(text)
  if (plain !== undefined) return plain
  if (text === '0' || text === '+0' || text === '-0') return 0
  if (text.length > VALUE_CHARS_MAX || !DURATION.test(text)) return undefined
  let ns = 0
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(DURATION_PART)) {
    const scale = NS_BY_UNIT.get(unit) as number
    ns += Number(whole) * scale + Math.trunc(Number(`0${fraction}`) * scale)
  }
  if (ns >= DURATION_NS_MAX) return undefined
  return text.startsWith('-') ? -ns : ns
}

/** Fast path for a few digits and a unit, `250ms`. Undefined for every other text. */
function parsePlainDuration(text: string): number | undefined {
  let whole = 0
  let at = 0
  for (; at < 9; at++) {
    const digit = text.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) break
    whole = whole * 10 + digit
  }
  const rest = text.length - at
  if (at === 0 || rest === 0 || rest > 2) return undefined
  const unit = text.charCodeAt(at)
  if (rest === 1) return unit === 115 ? whole * 1e9 : undefined
  if (text.charCodeAt(at + 1) !== 115) return undefined
  return unit === 109 ? whole * 1e6 : unit === 117 || unit === 0xb5 ? whole * 1e3 : unit === 110 ? whole : undefined
}

const KIBI = 1024
const BYTES_BY_UNIT = new Map<string, number>([['', 1]])
for (const [power, letter] of ['', 'k', 'm', 'g', 't', 'p', 'e'].entries()) {
  BYTES_BY_UNIT.set(`${letter}b`, 1000 ** power)
  if (power === 0) continue
  BYTES_BY_UNIT.set(letter, 1000 ** power)
  BYTES_BY_UNIT.set(`${letter}ib`, KIBI ** power)
  BYTES_BY_UNIT.set(`${letter}i`, KIBI ** power)
}
const SIZE = /^([0-9.,]+)\s*([a-zA-Z]*)\s*$/

/** Bytes of a size such as `1.5KiB`, `1kb` (1000) or `1,024`, in any case; undefined if invalid. */
export function parseBytes(text: string): number | undefined {
  if (text.length > VALUE_CHARS_MAX) return undefined
  const [, digits = '', unit = ''] = SIZE.exec(text) ?? []
  const scale = BYTES_BY_UNIT.get(unit.toLowerCase())
  const number = parseGoFloat(digits.replaceAll(',', ''))
  if (scale === undefined || number === undefined || number * scale >= 2 ** 64) return undefined
  return Math.trunc(number * scale)
}

const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/
const HEXADECIMAL = /^([-+]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([-+]?\d{1,9})$/
/** An underscore that is not between two digits, or between the prefix and a digit. */
const STRAY = /(?<!\d)_|_(?!\d)/
const STRAY_IN_HEXADECIMAL = /(?<![\da-fA-FxX])_|_(?![\da-fA-F])/
const INFINITE = /^([-+]?)inf(?:inity)?$/i

/** A number in the syntax of Go's strconv.ParseFloat; undefined if invalid or too large for a double. */
export function parseGoFloat(text: string): number | undefined {
  if (DECIMAL.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? value : undefined
  }
  if (/^nan$/i.test(text)) return Number.NaN
  if (text.includes('_')) {
    const stray = /^[-+]?0[xX]/.test(text) ? STRAY_IN_HEXADECIMAL : STRAY
    return stray.test(text) ? undefined : parseGoFloat(text.replaceAll('_', ''))
  }
  const infinite = INFINITE.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return parseHexFloat(text)
}

function parseHexFloat(text: string): number | undefined {
  const match = HEXADECIMAL.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent] = match
  if (whole === '' && fraction === '') return undefined
  const mantissa = Number(`0x${whole}${fraction}`)
  const value = mantissa * 2 ** (Number(exponent) - 4 * fraction.length)
  if (!Number.isFinite(value)) return undefined
  return sign === '-' ? -value : value
}
