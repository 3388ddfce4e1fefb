/** `X-Loki-Query-Limits` and `X-Query-Tags`: headers with which a client limits and describes its query. */

import { GatewayError } from '../../domain/errors.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import { parsePrometheusDuration } from './loki-params.ts'

/** Limits that a request sets for itself; undefined: none. Durations are in ms. */
export interface AskedLimits {
  readonly rangeMsMax?: number
  /** Longest interval of a range aggregation, `[5m]`. */
  readonly intervalMsMax?: number
  /** Lines older than this are not read. */
  readonly lookbackMs?: number
  readonly entriesMax?: number
  readonly timeoutMs?: number
  /** Maximum bytes of lines in the streams and time range. */
  readonly bytesMax?: number
  /** Labels for which every selector needs a matcher, and the minimum number of matchers. */
  readonly labelsRequired: readonly string[]
  readonly matchersMin: number
}

const HEADER = 'X-Loki-Query-Limits'
const NO_LIMITS: AskedLimits = { labelsRequired: [], matchersMin: 0 }

/**
 * Parses the JSON of `X-Loki-Query-Limits`. Zero and the empty text mean no limit, as in Loki; unknown members are
 * ignored. Throws parameter_invalid for anything else that is invalid: Loki would ignore the header, and so its limits.
 */
export function parseQueryLimits(header: string | undefined): AskedLimits {
  if (header === undefined || header.trim() === '') return NO_LIMITS
  const json = readObject(header)
  const rangeMsMax = duration(json, 'maxQueryLength')
  const intervalMsMax = duration(json, 'maxQueryInterval')
  const lookbackMs = duration(json, 'maxQueryLookback')
  const timeoutMs = duration(json, 'maxQueryTime')
  const entriesMax = count(json, 'maxEntriesLimitPerQuery')
  const bytesMax = bytes(json, 'maxQueryBytesRead')
  return {
    ...(rangeMsMax && { rangeMsMax }),
    ...(intervalMsMax && { intervalMsMax }),
    ...(lookbackMs && { lookbackMs }),
    ...(timeoutMs && { timeoutMs }),
    ...(entriesMax && { entriesMax }),
    ...(bytesMax && { bytesMax }),
    labelsRequired: names(json, 'requiredLabels'),
    matchersMin: count(json, 'minimumLabelsNumber'),
  }
}

function readObject(header: string): ReadonlyMap<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(header)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('is not a JSON object')
  return new Map(Object.entries(value))
}

function duration(json: ReadonlyMap<string, unknown>, name: string): number {
  const value = json.get(name) ?? '0'
  if (typeof value !== 'string') throw invalid(`has a ${name} that is no duration like "24h"`)
  return value === '' ? 0 : Number(parsePrometheusDuration(`${HEADER} ${name}`, value) / NS_PER_MS)
}

function count(json: ReadonlyMap<string, unknown>, name: string): number {
  const value = json.get(name) ?? 0
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`has a ${name} that is no whole number`)
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ...['', 'B'].map((unit): [string, number] => [unit, 1]),
  ...['K', 'M', 'G', 'T', 'P'].flatMap((letter, i): [string, number][] => {
    // Loki's configuration reads all of these as powers of 1024.
    return [letter, `${letter}B`, `${letter}IB`].map((unit) => [unit, 1024 ** (i + 1)])
  }),
])

function bytes(json: ReadonlyMap<string, unknown>, name: string): number {
  const value = json.get(name) ?? 0
  if (typeof value === 'number') return count(json, name)
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(value).trim()) ?? []
  const scale = UNITS.get(unit.toUpperCase())
  if (digits === '' || scale === undefined) throw invalid(`has a ${name} that is no size like "10GB"`)
  return Math.trunc(Number(digits) * scale)
}

function names(json: ReadonlyMap<string, unknown>, name: string): readonly string[] {
  const value = json.get(name) ?? []
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw invalid(`has a ${name} that is no list of label names`)
}

function invalid(what: string): GatewayError {
  return new GatewayError('parameter_invalid', `${HEADER} ${what}; correct it or leave it out`)
}

const UNSAFE_TAG_CHARS = /[^a-zA-Z0-9-=.@, ]+/g
const TAG_CHARS_MAX = 500
/** The tag that Grafana's Logs Drilldown sends. */
const DRILLDOWN = 'grafana-lokiexplore-app'

/** The characters of `X-Query-Tags` that Loki keeps, for the log; undefined if there are none. */
export function queryTags(header: string | undefined): string | undefined {
  return header === undefined || header === ''
    ? undefined
    : header.replaceAll(UNSAFE_TAG_CHARS, '_').slice(0, TAG_CHARS_MAX)
}

/** True if the tags contain `Source=grafana-lokiexplore-app`, in any case. */
export function isDrilldown(tags: string | undefined): boolean {
  return (tags ?? '').split(',').some((tag) => {
    const [name = '', value = '', ...rest] = tag.split('=').filter((part) => part !== '')
    return rest.length === 0 && name.toLowerCase() === 'source' && value.toLowerCase() === DRILLDOWN
  })
}
