/** Formats floats like Go's strconv and fmt. */

/** For shortest digits Go switches to the exponent form here: a million is 1e+06. */
const EXPONENT_MAX = 6

/** 0.digits × 10^point; without digits it is zero. */
interface Decimal {
  readonly digits: string
  readonly point: number
}

/** `%v`: the fewest digits that parse to the same number, with an exponent below 1e-04 and from 1e+06. */
export function formatFloat(value: number): string {
  const special = formatSpecial(value)
  if (special !== undefined) return special
  const [mantissa = '0', exponent = '0'] = Math.abs(value).toExponential().split('e')
  const decimal = { digits: mantissa.replace('.', ''), point: Number(exponent) + 1 }
  return signOf(value) + writeGeneral(decimal, EXPONENT_MAX)
}

/** `%f`, `%e` and `%g` with a precision; undefined: 6 for e and f, the shortest for g. Ties round to even. */
export function formatPrecise(value: number, verb: 'e' | 'f' | 'g', precision: number | undefined): string {
  const special = formatSpecial(value)
  if (special !== undefined) return special
  const exact = exactDecimal(Math.abs(value))
  switch (verb) {
    case 'f': {
      const places = precision ?? 6
      return signOf(value) + writeFixed(roundDecimal(exact, exact.point + places), places)
    }
    case 'e': {
      const places = precision ?? 6
      return signOf(value) + writeExponent(roundDecimal(exact, places + 1), places)
    }
    case 'g': {
      if (precision === undefined) return formatFloat(value)
      const count = precision === 0 ? 1 : precision
      const { digits, point } = roundDecimal(exact, count)
      return signOf(value) + writeGeneral({ digits: digits.replace(/0+$/, ''), point }, count)
    }
  }
}

function signOf(value: number): string {
  return value < 0 || Object.is(value, -0) ? '-' : ''
}

function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return undefined
  return value > 0 ? '+Inf' : '-Inf'
}

const DOUBLE = new Float64Array(1)
const BITS = new BigUint64Array(DOUBLE.buffer)

/** All digits of a double, up to 767. JavaScript's own toFixed rounds ties up, Go rounds them to even. */
function exactDecimal(size: number): Decimal {
  if (size === 0) return { digits: '', point: 1 }
  DOUBLE[0] = size
  const bits = BITS[0] as bigint
  const biased = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  const mantissa = biased === 0 ? fraction : fraction | 0x10000000000000n
  const power = (biased === 0 ? 1 : biased) - 1075
  if (power >= 0) {
    const digits = (mantissa << BigInt(power)).toString()
    return { digits, point: digits.length }
  }
  const digits = (mantissa * 5n ** BigInt(-power)).toString()
  return { digits, point: digits.length + power }
}

/** The first `count` digits, rounded half to even. */
function roundDecimal({ digits, point }: Decimal, count: number): Decimal {
  if (count >= digits.length) return { digits, point }
  if (count < 0) return { digits: '', point }
  const next = digits.charCodeAt(count) - 48
  const isTie = next === 5 && /^0*$/.test(digits.slice(count + 1))
  const isOdd = count > 0 && (digits.charCodeAt(count - 1) - 48) % 2 === 1
  const kept = digits.slice(0, count)
  if (next < 5 || (isTie && !isOdd)) return { digits: kept, point }
  const raised = (BigInt(kept === '' ? '0' : kept) + 1n).toString().padStart(count, '0')
  return { digits: raised, point: raised.length > count ? point + 1 : point }
}

function writeGeneral(decimal: Decimal, exponentMax: number): string {
  const exponent = decimal.digits === '' ? 0 : decimal.point - 1
  const places = Math.max(decimal.digits.length - 1, 0)
  if (exponent < -4 || exponent >= exponentMax) return writeExponent(decimal, places)
  return writeFixed(decimal, Math.max(decimal.digits.length - decimal.point, 0))
}

function writeFixed({ digits, point }: Decimal, places: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (places === 0) return whole === '' ? '0' : whole
  const fraction = point >= 0 ? digits.slice(point) : '0'.repeat(Math.min(-point, places)) + digits
  return `${whole}.${fraction.slice(0, places).padEnd(places, '0')}`
}

/** Go writes an exponent with its sign and at least two digits. */
function writeExponent({ digits, point }: Decimal, places: number): string {
  const exponent = digits === '' ? 0 : point - 1
  const shown = digits.slice(0, places + 1).padEnd(places + 1, '0')
  const power = String(Math.abs(exponent)).padStart(2, '0')
  return `${shown[0]}${places > 0 ? `.${shown.slice(1)}` : ''}e${exponent < 0 ? '-' : '+'}${power}`
}
