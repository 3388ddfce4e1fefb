/** Go's fmt.Sprintf. See https://pkg.go.dev/fmt. */

import { quoteGo } from '../../../../domain/labels.ts'
import type { Budget } from '../budget.ts'
import { formatPrecise } from '../format-number.ts'
import { formatValue } from '../format-value.ts'
import { type GoValue, isGoMap, isList, typeName } from '../value.ts'

/** A directive: flags, width, precision, verb, with `*` and `[n]` for arguments. */
const DIRECTIVE = /%([-+# 0]*)(\[\d{1,6}\])?(\*|\d{1,7})?(\.(?:(\[\d{1,6}\])?(\*|\d{0,7})))?(\[\d{1,6}\])?([\s\S]?)/gu
/** Go's own limit on widths and precisions. */
const WIDTH_MAX = 1_000_000

interface Flags {
  readonly minus: boolean
  readonly plus: boolean
  readonly sharp: boolean
  readonly space: boolean
  readonly zero: boolean
  readonly width: number | undefined
  readonly precision: number | undefined
}

/** The formatted text; like Go's it never fails, but contains the fault: `%!d(string=hi)`. The budget may end it. */
export function sprintf(format: string, args: readonly GoValue[], budget: Budget): string {
  const printer = new Printer(args, budget)
  let text = ''
  let last = 0
  for (const match of format.matchAll(DIRECTIVE)) {
    budget.step()
    text += format.slice(last, match.index) + printer.print(match)
    last = match.index + match[0].length
  }
  budget.spend(format.length)
  return text + format.slice(last) + printer.rest()
}

class Printer {
  readonly #args: readonly GoValue[]
  readonly #budget: Budget
  #next = 0
  #isReordered = false
  #isBadIndex = false

  constructor(args: readonly GoValue[], budget: Budget) {
    this.#args = args
    this.#budget = budget
  }

  print(match: RegExpMatchArray): string {
    const [, marks = '', widthIndex, widthText, dot, precisionIndex, precisionText = '', index, verb = ''] = match
    this.#isBadIndex = false
    this.#jump(widthIndex)
    const width = this.#size(widthText)
    this.#jump(precisionIndex)
    const precision = dot === undefined ? undefined : this.#size(precisionText === '' ? '0' : precisionText)
    this.#jump(index)
    if (verb === '') return '%!(NOVERB)'
    if (verb === '%') return '%'
    if (this.#isBadIndex) return `%!${verb}(BADINDEX)`
    if (this.#next >= this.#args.length) return `%!${verb}(MISSING)`
    if (width === 'bad') return `%!(BADWIDTH)${this.#printArg(verb, parseFlags(marks, undefined, undefined))}`
    if (precision === 'bad') return `%!(BADPREC)${this.#printArg(verb, parseFlags(marks, width, undefined))}`
    return this.#printArg(verb, parseFlags(marks, width, precision))
  }

  /** Go's text for arguments without a directive. */
  rest(): string {
    if (this.#isReordered || this.#next >= this.#args.length) return ''
    const extra = this.#args
      .slice(this.#next)
      .map((arg) => (arg === undefined ? '<nil>' : `${typeName(arg)}=${formatValue(arg, this.#budget)}`))
    return `%!(EXTRA ${extra.join(', ')})`
  }

  #printArg(verb: string, flags: Flags): string {
    const arg = this.#args[this.#next++]
    return formatArg(arg, verb, flags, this.#budget) ?? badVerb(arg, verb, flags, this.#budget)
  }

  #jump(index: string | undefined): void {
    if (index === undefined) return
    this.#isReordered = true
    const place = Number(index.slice(1, -1)) - 1
    if (place < 0 || place >= this.#args.length) this.#isBadIndex = true
    else this.#next = place
  }

  #size(text: string | undefined): number | 'bad' | undefined {
    if (text === undefined) return undefined
    if (text !== '*') return Number(text) > WIDTH_MAX ? 'bad' : Number(text)
    const arg = this.#args[this.#next++]
    return typeof arg !== 'bigint' || arg > WIDTH_MAX || arg < -WIDTH_MAX ? 'bad' : Number(arg)
  }
}

function parseFlags(marks: string, width: number | undefined, precision: number | undefined): Flags {
  // A negative width from `*` sets the minus flag; a negative precision is ignored.
  const minus = marks.includes('-') || (width ?? 0) < 0
  return {
    minus,
    plus: marks.includes('+'),
    sharp: marks.includes('#'),
    space: marks.includes(' '),
    zero: marks.includes('0') && !minus,
    width: width === undefined ? undefined : Math.abs(width),
    precision: precision !== undefined && precision < 0 ? undefined : precision,
  }
}

/** Go's text for a verb that does not apply: the value is formatted with the same flags, `%!s(int=    7)` for `%5s`. */
function badVerb(arg: GoValue, verb: string, flags: Flags, budget: Budget): string {
  return `%!${verb}(${arg === undefined ? '<nil>' : `${typeName(arg)}=${formatPlain(arg, flags, budget)}`})`
}

/** Undefined if the verb does not apply to the argument's type. */
function formatArg(arg: GoValue, verb: string, flags: Flags, budget: Budget): string | undefined {
  if (verb === 'T') return pad(typeName(arg), flags, budget)
  if (verb === 'v' || arg === undefined) {
    if (verb !== 'v') return undefined
    if (typeof arg !== 'string' || !flags.sharp) return formatPlain(arg, flags, budget)
    return pad(quoteGo(arg), flags, budget)
  }
  switch (typeof arg) {
    case 'string':
      return formatString(arg, verb, flags, budget)
    case 'bigint':
      return formatInteger(arg, verb, flags, budget)
    case 'number':
      return formatNumber(arg, verb, flags, budget)
    case 'boolean':
      return verb === 't' ? pad(String(arg), flags, budget) : undefined
    default:
      return formatEach(arg, verb, flags, budget)
  }
}

function formatPlain(arg: GoValue, flags: Flags, budget: Budget): string {
  if (typeof arg === 'string') return formatString(arg, 's', flags, budget) as string
  if (typeof arg === 'bigint') return formatInteger(arg, 'd', flags, budget) as string
  if (typeof arg === 'number') return formatNumber(arg, 'g', flags, budget) as string
  return pad(formatValue(arg, budget), flags, budget)
}

/** A verb applies to each element of lists and maps, as in Go. */
function formatEach(arg: GoValue, verb: string, flags: Flags, budget: Budget): string | undefined {
  const one = (value: GoValue): string => {
    budget.step()
    if (value === undefined) return '<nil>'
    const text = isList(value) || isGoMap(value) ? formatValue(value, budget) : formatArg(value, verb, flags, budget)
    return text ?? badVerb(value, verb, flags, budget)
  }
  if (isList(arg)) return `[${arg.map(one).join(' ')}]`
  if (isGoMap(arg))
    return `map[${arg
      .entries()
      .map(([key, value]) => `${one(key)}:${one(value)}`)
      .join(' ')}]`
  return verb === 's' ? pad(formatValue(arg, budget), flags, budget) : undefined
}

function formatString(arg: string, verb: string, flags: Flags, budget: Budget): string | undefined {
  const text = flags.precision === undefined ? arg : firstChars(arg, flags.precision)
  switch (verb) {
    case 's':
      return pad(text, flags, budget)
    case 'q':
      budget.spend(text.length * 6)
      return pad(flags.sharp && !/[`\p{Cc}]/u.test(text) ? `\`${text}\`` : quoteGo(text), flags, budget)
    case 'x':
    case 'X': {
      budget.spend(text.length * 6)
      const hex = [...new TextEncoder().encode(arg)].map((byte) => byte.toString(16).padStart(2, '0'))
      const shown = flags.precision === undefined ? hex : hex.slice(0, flags.precision)
      const joined = (flags.sharp && shown.length > 0 ? '0x' : '') + shown.join(flags.space ? ' ' : '')
      return pad(verb === 'X' ? joined.toUpperCase() : joined, flags, budget)
    }
    default:
      return undefined
  }
}

const BASES: Readonly<Record<string, { radix: number; prefix: string }>> = {
  d: { radix: 10, prefix: '' },
  b: { radix: 2, prefix: '0b' },
  o: { radix: 8, prefix: '0' },
  O: { radix: 8, prefix: '0o' },
  x: { radix: 16, prefix: '0x' },
  X: { radix: 16, prefix: '0X' },
}

function formatInteger(arg: bigint, verb: string, flags: Flags, budget: Budget): string | undefined {
  if (verb === 'c' || verb === 'q') return pad(formatChar(arg, verb), flags, budget)
  if (verb === 'U') return pad(`U+${hexOf(arg).padStart(4, '0')}`, flags, budget)
  const base = Object.hasOwn(BASES, verb) ? BASES[verb] : undefined
  if (base === undefined) return undefined
  const size = arg < 0n ? -arg : arg
  let digits = size.toString(base.radix)
  if (verb === 'X') digits = digits.toUpperCase()
  budget.spend(flags.precision ?? 0)
  if (flags.precision !== undefined)
    digits = size === 0n && flags.precision === 0 ? '' : digits.padStart(flags.precision, '0')
  const prefix = verb === 'O' || flags.sharp ? base.prefix : ''
  const sign = signOf(arg < 0n, flags)
  if (flags.zero && flags.precision === undefined && flags.width !== undefined) {
    budget.spend(flags.width)
    digits = digits.padStart(flags.width - sign.length, '0')
  }
  return pad(sign + prefix + digits, { ...flags, zero: false }, budget)
}

function hexOf(code: bigint): string {
  return BigInt.asUintN(64, code).toString(16).toUpperCase()
}

function formatChar(arg: bigint, verb: string): string {
  const isChar = arg >= 0n && arg <= 0x10ffffn && !(arg >= 0xd800n && arg <= 0xdfffn)
  const char = isChar ? String.fromCodePoint(Number(arg)) : '\ufffd'
  if (verb === 'c') return char
  return char === "'" ? "'\\''" : `'${quoteGo(char).slice(1, -1).replace('\\"', '"')}'`
}

function formatNumber(arg: number, verb: string, flags: Flags, budget: Budget): string | undefined {
  const kind = verb.toLowerCase()
  if (kind !== 'e' && kind !== 'f' && kind !== 'g') return undefined
  budget.spend(flags.precision ?? 0)
  const text = formatPrecise(arg, kind, flags.precision)
  const isNegative = text.startsWith('-')
  const size = text.replace(/^[-+]/, '')
  const sign = text.startsWith('+') && !flags.space ? '+' : signOf(isNegative, flags)
  const hasDigits = /\d/.test(size)
  const shown = verb === kind ? size : size.toUpperCase()
  if (flags.zero && hasDigits && flags.width !== undefined) {
    budget.spend(flags.width)
    return sign + shown.padStart(flags.width - sign.length, '0')
  }
  return pad(sign + (hasDigits ? shown : size), { ...flags, zero: false }, budget)
}

function signOf(isNegative: boolean, flags: Flags): string {
  if (isNegative) return '-'
  if (flags.plus) return '+'
  return flags.space ? ' ' : ''
}

/** Width counts characters (code points). */
function pad(text: string, { width, minus, zero }: Flags, budget: Budget): string {
  budget.spend(text.length + (width ?? 0))
  if (width === undefined) return text
  const missing = width - countChars(text)
  if (missing <= 0) return text
  return minus ? text + ' '.repeat(missing) : (zero ? '0' : ' ').repeat(missing) + text
}

export function countChars(text: string): number {
  let count = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0xdc00 && code <= 0xdfff && i > 0 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) continue
    count++
  }
  return count
}

/** The first `count` code points. */
export function firstChars(text: string, count: number): string {
  let end = 0
  for (let left = count; left > 0 && end < text.length; left--)
    end += (text.codePointAt(end) as number) > 0xffff ? 2 : 1
  return text.slice(0, end)
}
