/** Parses number literals of Go. */

import { parseGoFloat } from '../convert.ts'
import type { NumberLiteral } from './tree.ts'

const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*)$/
const INT_MAX = 2n ** 63n - 1n
const INT_MIN = -(2n ** 63n)

/** A number in a template, or the code of a character; undefined if it is invalid or out of range. */
export function parseNumber(text: string, isChar: boolean): NumberLiteral | undefined {
  if (isChar) {
    const code = text.codePointAt(0)
    if (code === undefined || String.fromCodePoint(code) !== text) return undefined
    return { integer: BigInt(code), float: code, isFloat: false }
  }
  const integer = parseGoInteger(text)
  if (integer !== undefined) return { integer, float: Number(integer), isFloat: false }
  const float = parseGoFloat(text.replaceAll('_', ''))
  if (float === undefined || !/\d/.test(text) || INTEGER.test(text)) return undefined
  const fits = Number.isInteger(float) && Math.abs(float) < 2 ** 63
  return { integer: fits ? BigInt(float) : undefined, float, isFloat: true }
}

/** A 64-bit integer with Go's prefixes 0x, 0o, 0b (and 0 for octal); undefined if invalid. */
export function parseGoInteger(text: string): bigint | undefined {
  const match = INTEGER.exec(text)
  if (match === null) return undefined
  const [, sign, written = ''] = match
  const digits = written.replaceAll('_', '')
  const isOctal = /^0\d/.test(digits)
  if (isOctal && /[89]/.test(digits)) return undefined
  if (digits.length > 80 || /^0[a-z]$/i.test(digits)) return undefined
  const size = BigInt(isOctal ? `0o${digits.slice(1)}` : digits)
  const value = sign === '-' ? -size : size
  return value >= INT_MIN && value <= INT_MAX ? value : undefined
}
