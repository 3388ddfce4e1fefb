/** `ip("10.0.0.0/8")`: addresses in lines and labels. */

import { GatewayError } from '../../domain/errors.ts'

interface Address {
  readonly isV4: boolean
  readonly value: bigint
}

/** Addresses of one kind from `low` to `high`. */
interface AddressRange {
  readonly isV4: boolean
  readonly low: bigint
  readonly high: bigint
}

const V4_IN_TEXT = /(?<![0-9.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)/g
const V6_IN_TEXT = /(?<![0-9a-fA-F.:])[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*/g
/** The longest text of an address, with an embedded v4 address. */
const ADDRESS_CHARS_MAX = 45

/**
 * Tests whether a text contains an address that matches the pattern: an address, a range `a-b`, or a CIDR, v4 or v6. Throws
 * query_malformed for any other pattern.
 */
export function compileIpFilter(pattern: string): (text: string) => boolean {
  const { isV4, low, high } = parseRange(pattern)
  const takes = ({ value }: Address): boolean => value >= low && value <= high
  return (text) => {
    for (const match of text.matchAll(isV4 ? V4_IN_TEXT : V6_IN_TEXT)) {
      const address = isV4 ? parseV4(match[0]) : parseV6InText(match[0])
      if (address !== undefined && takes(address)) return true
    }
    return false
  }
}

function parseRange(pattern: string): AddressRange {
  const range = pattern.includes('/') ? parseCidr(pattern) : parseBounds(pattern)
  if (range !== undefined && range.low <= range.high) return range
  const shown = pattern.slice(0, 128)
  const wanted = 'expected an address, a range like 10.0.0.1-10.0.0.9 or a CIDR like 10.0.0.0/8'
  throw new GatewayError('query_malformed', `parse error : ip: invalid pattern "${shown}": ${wanted}`)
}

function parseCidr(pattern: string): AddressRange | undefined {
  const [, text = '', bits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(pattern.trim()) ?? []
  const address = parseAddress(text)
  if (address === undefined) return undefined
  const width = address.isV4 ? 32 : 128
  const host = BigInt(width - Number(bits))
  if (host < 0n) return undefined
  const low = (address.value >> host) << host
  return { isV4: address.isV4, low, high: low + (1n << host) - 1n }
}

function parseBounds(pattern: string): AddressRange | undefined {
  const [first = '', last = first, ...more] = pattern.split('-').map((text) => text.trim())
  const low = parseAddress(first)
  const high = parseAddress(last)
  if (low === undefined || high === undefined || low.isV4 !== high.isV4 || more.length > 0) return undefined
  return { isV4: low.isV4, low: low.value, high: high.value }
}

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

function parseV4(text: string): Address | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined
  }
  return { isV4: true, value: BigInt(parts.reduce((sum, part) => sum * 256 + Number(part), 0)) }
}

/** A candidate from a text may include a preceding colon and a following dot or colon. */
function parseV6InText(text: string): Address | undefined {
  if (text.length > ADDRESS_CHARS_MAX + 2) return undefined
  return parseV6(text) ?? parseV6(text.replace(/^:(?!:)/, '').replace(/(?<!:):$|\.+$/, ''))
}

function parseV6(text: string): Address | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0] as string)
  const tail = halves[1] === undefined ? [] : groupsOf(halves[1])
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return { isV4: false, value: groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n) }
}

/** 16-bit groups; a v4 address at the end counts as two. */
function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const v4 = index === parts.length - 1 ? parseV4(part) : undefined
    if (v4 === undefined) return undefined
    groups.push(Number(v4.value >> 16n), Number(v4.value & 0xffffn))
  }
  return groups
}
