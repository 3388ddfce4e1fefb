/** Go's error texts for invalid numbers, durations and sizes, which Loki shows in `__error_details__`. */

import { quoteGo } from '../../domain/labels.ts'
import { parseGoDuration } from './convert.ts'

const NUMBER =
  /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$|^[-+]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][-+]?\d+$/
const UNITS = new Set(['ns', 'us', '\u00b5s', '\u03bcs', 'ms', 's', 'm', 'h'])
/** Maximum number of digits of 64-bit nanoseconds. */
const WHOLE_DIGITS_MAX = 19

/** The error text for a text that parseGoFloat rejects. */
export function floatFault(text: string): string {
  return `strconv.ParseFloat: parsing ${quoteGo(text)}: ${NUMBER.test(text) ? 'value out of range' : 'invalid syntax'}`
}

/** The error text for a text that parseGoDuration rejects. */
export function durationFault(text: string): string {
  const invalid = `time: invalid duration ${quoteTime(text)}`
  let rest = text.replace(/^[-+]/, '')
  if (rest === '') return invalid
  while (rest !== '') {
    const number = /^(\d*)(?:\.(\d*))?/.exec(rest) as RegExpExecArray
    const [all, whole = '', fraction = ''] = number
    if (whole === '' && fraction === '') return invalid
    if (whole.replace(/^0+/, '').length > WHOLE_DIGITS_MAX) return invalid
    rest = rest.slice(all.length)
    const unit = (/^[^.\d]*/.exec(rest) as RegExpExecArray)[0]
    if (unit === '') return `time: missing unit in duration ${quoteTime(text)}`
    if (!UNITS.has(unit)) return `time: unknown unit ${quoteTime(unit)} in duration ${quoteTime(text)}`
    if (parseGoDuration(`${all}${unit}`) === undefined) return invalid
    rest = rest.slice(unit.length)
  }
  return invalid
}

/** The error text for a text that parseBytes rejects. */
export function bytesFault(text: string): string {
  const digits = (/^[\d.,]*/.exec(text) as RegExpExecArray)[0]
  const number = digits.replaceAll(',', '')
  if (!NUMBER.test(number)) return floatFault(number)
  const unit = text.slice(digits.length).trim().toLowerCase()
  return /^(?:[kmgtpe]i?)?b?$/.test(unit) ? `too large: ${text}` : `unhandled size name: ${unit}`
}

const UTF8 = new TextEncoder()

/** Printable ASCII is unchanged; every other byte is escaped. */
function quoteTime(text: string): string {
  const shown = text.replace(/["\\]|[^\x20-\x7f]/gu, (char) => {
    if (char === '"' || char === '\\') return `\\${char}`
    return [...UTF8.encode(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  })
  return `"${shown}"`
}
