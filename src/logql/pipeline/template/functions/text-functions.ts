/** Template functions for text: Go's strings package, sprig's, and Loki's own. */

import type { Budget } from '../budget.ts'
import { fault } from '../budget.ts'
import { define, type TemplateFunction } from './functions.ts'
import { countChars, firstChars } from './printf.ts'

const UTF8 = new TextEncoder()
const UTF8_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })
const NOT_ASCII = /[^\0-\x7f]/
/** unicode.IsSpace. */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/**
 * In the order of Loki's documentation; upper-case names are Go's, with the text first, the others sprig's, with the
 * text last.
 */
export const TEXT_FUNCTIONS: readonly (readonly [name: string, made: TemplateFunction])[] = [
  ['ToLower', define(['string'], ([text]) => text.toLowerCase())],
  ['ToUpper', define(['string'], ([text]) => text.toUpperCase())],
  ['lower', define(['string'], ([text]) => text.toLowerCase())],
  ['upper', define(['string'], ([text]) => text.toUpperCase())],
  ['title', define(['string'], ([text]) => titleCase(text))],
  [
    'Replace',
    define(['string', 'string', 'string', 'int'], ([text, old, by, times], { budget }) =>
      replaceText(text, { old, by, times: times < 0n ? Number.POSITIVE_INFINITY : Number(times) }, budget),
    ),
  ],
  [
    'replace',
    define(['string', 'string', 'string'], ([old, by, text], { budget }) =>
      replaceText(text, { old, by, times: Number.POSITIVE_INFINITY }, budget),
    ),
  ],
  ['Trim', define(['string', 'string'], ([text, chars]) => trimText(text, isOneOf(chars), 'both'))],
  ['TrimLeft', define(['string', 'string'], ([text, chars]) => trimText(text, isOneOf(chars), 'left'))],
  ['TrimRight', define(['string', 'string'], ([text, chars]) => trimText(text, isOneOf(chars), 'right'))],
  ['TrimPrefix', define(['string', 'string'], ([text, prefix]) => trimPrefix(text, prefix))],
  ['TrimSuffix', define(['string', 'string'], ([text, suffix]) => trimSuffix(text, suffix))],
  ['TrimSpace', define(['string'], ([text]) => trimText(text, isSpace, 'both'))],
  ['trim', define(['string'], ([text]) => trimText(text, isSpace, 'both'))],
  ['trimAll', define(['string', 'string'], ([chars, text]) => trimText(text, isOneOf(chars), 'both'))],
  ['trimPrefix', define(['string', 'string'], ([prefix, text]) => trimPrefix(text, prefix))],
  ['trimSuffix', define(['string', 'string'], ([suffix, text]) => trimSuffix(text, suffix))],
  ['trunc', define(['int', 'string'], ([count, text]) => truncate(text, Number(count)))],
  ['substr', define(['int', 'int', 'string'], ([start, end, text]) => substring(text, Number(start), Number(end)))],
  ['contains', define(['string', 'string'], ([part, text]) => text.includes(part))],
  ['hasPrefix', define(['string', 'string'], ([prefix, text]) => text.startsWith(prefix))],
  ['hasSuffix', define(['string', 'string'], ([suffix, text]) => text.endsWith(suffix))],
  ['indent', define(['int', 'string'], ([spaces, text], { budget }) => indent(text, spaces, budget))],
  ['nindent', define(['int', 'string'], ([spaces, text], { budget }) => `\n${indent(text, spaces, budget)}`)],
  ['repeat', define(['int', 'string'], ([times, text], { budget }) => repeat(text, times, budget))],
  ['alignLeft', define(['int', 'string'], ([width, text], { budget }) => align(text, width, 'left', budget))],
  ['alignRight', define(['int', 'string'], ([width, text], { budget }) => align(text, width, 'right', budget))],
  ['urlencode', define(['string'], ([text], { budget }) => urlEncode(text, budget))],
  ['urldecode', define(['string'], ([text]) => urlDecode(text))],
  ['b64enc', define(['string'], ([text], { budget }) => base64Encode(text, budget))],
  ['b64dec', define(['string'], ([text]) => base64Decode(text))],
]

/** Length of the text in UTF-8 bytes, like Go's len. */
export function utf8Length(text: string): number {
  return NOT_ASCII.test(text) ? UTF8.encode(text).length : text.length
}

/** Bytes [start, end) of the text in UTF-8, as text; each byte of a truncated character becomes U+FFFD, as in Go. */
export function utf8Slice(text: string, start: number, end: number): string {
  if (!NOT_ASCII.test(text)) return text.slice(start, end)
  const bytes = UTF8.encode(text).subarray(start, end)
  return UTF8_TEXT.decode(bytes) + '\ufffd'.repeat(Math.max(0, cutBytes(bytes) - 1))
}

/** How many bytes at the end are the beginning of a character; TextDecoder shows them as one. */
function cutBytes(bytes: Uint8Array): number {
  for (let back = 1; back < 4 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** url.QueryEscape: a space becomes a plus; letters, digits and `-_.~` are unchanged. */
export function urlEncode(text: string, budget: Budget): string {
  budget.spend(text.length * 3)
  const encoded = encodeURIComponent(text.toWellFormed()).replaceAll('%20', '+')
  return encoded.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function urlDecode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw fault('decodes an invalid URL escape')
  const bytes: number[] = []
  for (const [part] of text.matchAll(/%..|\+|[^%+]+/gs)) {
    if (part === '+') bytes.push(32)
    else if (part.startsWith('%')) bytes.push(Number.parseInt(part.slice(1), 16))
    else for (const byte of UTF8.encode(part)) bytes.push(byte)
  }
  return UTF8_TEXT.decode(Uint8Array.from(bytes))
}

/** Capitalises the first letter of each word, with the word separators of strings.Title. */
function titleCase(text: string): string {
  return text.replace(/(?<![\p{L}\p{Nd}_]|[^\p{ASCII}\s])\p{L}/gu, (letter) => letter.toUpperCase())
}

function replaceText(text: string, rule: { old: string; by: string; times: number }, budget: Budget): string {
  const { old, by, times } = rule
  // Go inserts it before each character and at the end.
  const pieces = old === '' ? ['', ...text] : text.split(old)
  const gaps = Math.min(old === '' ? pieces.length : pieces.length - 1, times)
  budget.spend(text.length + gaps * by.length)
  if (old !== '') return pieces.slice(0, gaps + 1).join(by) + tail(pieces, gaps + 1, old)
  let replaced = ''
  for (const [index, piece] of pieces.entries()) replaced += piece + (index < gaps ? by : '')
  return replaced
}

function tail(pieces: readonly string[], from: number, old: string): string {
  return from < pieces.length ? old + pieces.slice(from).join(old) : ''
}

function isSpace(char: string): boolean {
  return SPACE.test(char)
}

function isOneOf(chars: string): (char: string) => boolean {
  const set = new Set(chars)
  return (char) => set.has(char)
}

function trimText(text: string, isTrimmed: (char: string) => boolean, side: 'left' | 'right' | 'both'): string {
  const chars = [...text]
  let start = 0
  let end = chars.length
  if (side !== 'right') while (start < end && isTrimmed(chars[start] as string)) start++
  if (side !== 'left') while (end > start && isTrimmed(chars[end - 1] as string)) end--
  return chars.slice(start, end).join('')
}

function trimPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text
}

function trimSuffix(text: string, suffix: string): string {
  return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text
}

/** A negative count keeps the end. */
function truncate(text: string, count: number): string {
  const length = utf8Length(text)
  if (count < 0) return length + count > 0 ? utf8Slice(text, length + count, length) : text
  return count < length ? utf8Slice(text, 0, count) : text
}

function substring(text: string, start: number, end: number): string {
  const length = utf8Length(text)
  if (start < 0) {
    if (end < 0 || end > length) throw fault('takes a substring outside of the text')
    return utf8Slice(text, 0, end)
  }
  const last = end < 0 || end > length ? length : end
  if (start > last) throw fault('takes a substring outside of the text')
  return utf8Slice(text, start, last)
}

function indent(text: string, spaces: bigint, budget: Budget): string {
  if (spaces < 0n) throw fault('indents by less than nothing')
  const lines = text.split('\n')
  budget.spend(text.length + (Number(spaces) + 1) * lines.length)
  const margin = ' '.repeat(Number(spaces))
  return lines.map((line) => margin + line).join('\n')
}

function repeat(text: string, times: bigint, budget: Budget): string {
  if (times < 0n) throw fault('repeats less than nothing')
  budget.spend(text.length * Number(times))
  return text === '' ? '' : text.repeat(Number(times))
}

/** Pads with spaces, or truncates: the left form keeps the start, the right one the end. Counts characters. */
function align(text: string, width: bigint, side: 'left' | 'right', budget: Budget): string {
  if (width < 0n) return text
  const missing = Number(width) - countChars(text)
  budget.spend(Math.max(missing, 0) + text.length)
  if (missing >= 0) return side === 'left' ? text + ' '.repeat(missing) : ' '.repeat(missing) + text
  if (side === 'left') return firstChars(text, Number(width))
  return text.slice(firstChars(text, -missing).length)
}

function base64Encode(text: string, budget: Budget): string {
  const bytes = UTF8.encode(text)
  budget.spend(bytes.length * 2)
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** Like sprig, returns the error text for invalid base64. */
function base64Decode(text: string): string {
  const fault = base64Fault(text)
  if (fault !== undefined) return `illegal base64 data at input byte ${fault}`
  const binary = atob(text.replace(/[\r\n]/g, ''))
  return UTF8_TEXT.decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)))
}

/** The position in bytes at which Go's decoder fails; line breaks are skipped. Undefined if the text is valid. */
function base64Fault(text: string): number | undefined {
  let inGroup = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === '\n' || char === '\r') continue
    if (/[A-Za-z0-9+/]/.test(char)) inGroup = (inGroup + 1) % 4
    else if (char === '=' && inGroup >= 2) return paddingFault(text, at, inGroup)
    // The text before it is ASCII.
    else return at
  }
  return inGroup === 0 ? undefined : text.length - inGroup
}

/** From the first `=` on: it must complete the group, alone or with a second one, and nothing may follow. */
function paddingFault(text: string, first: number, inGroup: number): number | undefined {
  const next = (from: number): number => from + (/^[\r\n]*/.exec(text.slice(from))?.[0].length ?? 0)
  let at = first + 1
  if (inGroup === 2) {
    at = next(at)
    if (at === text.length) return at
    if (text[at] !== '=') return at - 1
    at++
  }
  at = next(at)
  return at < text.length ? at : undefined
}
