/** Numbers as in Loki's responses. */

/**
 * The shortest decimal that parses to the same number, never with an exponent: `0.0000001`; NaN, +Inf, -Inf; -0 keeps
 * its sign.
 */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  if (Object.is(value, -0)) return '-0'
  const text = String(value)
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text)
  if (match === null) return text
  const [, sign = '', whole = '', fraction = '', exponent = ''] = match
  const digits = whole + fraction
  const point = 1 + Number(exponent)
  return point <= 0 ? `${sign}0.${'0'.repeat(-point)}${digits}` : `${sign}${digits.padEnd(point, '0')}`
}

/** Nanoseconds as seconds with at most three decimals, for JSON: `1700000000` or `1700000000.25`. */
export function formatSeconds(ns: bigint): string {
  const ms = ns / 1_000_000n
  const sign = ms < 0n ? '-' : ''
  const size = ms < 0n ? -ms : ms
  const fraction = (size % 1000n).toString().padStart(3, '0').replace(/0+$/, '')
  return `${sign}${size / 1000n}${fraction === '' ? '' : `.${fraction}`}`
}
