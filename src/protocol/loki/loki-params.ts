/** Parses the parameters of Loki's query API by Loki's rules. */

import { GatewayError } from '../../domain/errors.ts'
import { msToNs, NS_MAX, NS_MIN, NS_PER_SECOND, parseRfc3339 } from '../../domain/time.ts'

/** The parameters of the URL and of a form together. An empty parameter counts as absent. */
export class QueryParams {
  readonly #params: URLSearchParams

  /** `query` is the part of the URL after `?`; `form` is the body of a POST. */
  constructor(query: string, form = '') {
    this.#params = new URLSearchParams(query)
    for (const [name, value] of new URLSearchParams(form)) this.#params.append(name, value)
  }

  get(name: string): string | undefined {
    return this.#params.getAll(name).find((value) => value !== '')
  }

  getAll(...names: string[]): string[] {
    return names.flatMap((name) => this.#params.getAll(name)).filter((value) => value !== '')
  }

  required(name: string): string {
    const value = this.get(name)
    if (value === undefined) throw invalid(`parameter '${name}' is missing; give it in the URL or in a form body`)
    return value
  }

  /** A positive whole number. */
  limit(fallback: number): number {
    const text = this.get('limit')
    if (text === undefined) return fallback
    if (!/^[+-]?\d+$/.test(text)) throw invalid(`limit is '${shown(text)}'; expected a whole number`)
    const value = Number(text)
    if (value <= 0) throw invalid('limit must be a positive value')
    return value
  }

  direction(): 'forward' | 'backward' {
    const text = this.get('direction') ?? 'backward'
    const direction = text.toLowerCase()
    if (direction === 'forward' || direction === 'backward') return direction
    throw invalid(`invalid direction '${shown(text)}'; expected forward or backward`)
  }

  /** start, end and since as in Loki: end defaults to now, start to `since` (1 h) before the earlier of end and now. */
  range(nowMs: number): { start: bigint; end: bigint } {
    const now = msToNs(nowMs)
    const end = this.time('end', now)
    const since = this.get('since')
    const sinceNs = since === undefined ? 3600n * NS_PER_SECOND : parsePrometheusDuration('since', since)
    const start = this.time('start', (end < now ? end : now) - sinceNs)
    if (end < start) throw invalid('end timestamp must not be before or equal to start time')
    return { start, end }
  }

  time(name: string, fallback: bigint): bigint {
    const text = this.get(name)
    return text === undefined ? fallback : parseTime(name, text)
  }

  /** A step or interval in ns: a number of seconds or a Prometheus duration; undefined if absent. */
  duration(name: string): bigint | undefined {
    const text = this.get(name)
    if (text === undefined) return undefined
    const seconds = Number(text)
    if (text.trim() !== '' && Number.isFinite(seconds)) {
      if (Math.abs(seconds) > 9e9) throw invalid(`${name} is '${shown(text)}'; that is out of range`)
      return BigInt(Math.round(seconds * 1e9))
    }
    return parsePrometheusDuration(name, text)
  }
}

/**
 * A time: with a `.` seconds as a float rounded to ms, up to 10 digits seconds, more digits nanoseconds, otherwise RFC
 * 3339. See pkg/loghttp/params.go of grafana/loki. Milliseconds are not supported.
 */
export function parseTime(name: string, text: string): bigint {
  let ns: bigint | undefined
  if (/^[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) ns = BigInt(Math.round(Number(text) * 1000)) * 1_000_000n
  else if (/^[+-]?\d{1,25}$/.test(text)) ns = text.length <= 10 ? BigInt(text) * NS_PER_SECOND : BigInt(text)
  else ns = parseRfc3339(text)
  if (ns === undefined || ns < NS_MIN || ns > NS_MAX) {
    throw invalid(`${name} is '${shown(text)}'; expected seconds, nanoseconds or an RFC 3339 time`)
  }
  return ns
}

const DURATION_UNITS: readonly (readonly [unit: string, ns: bigint])[] = [
  ['y', 365n * 86_400n * NS_PER_SECOND],
  ['w', 7n * 86_400n * NS_PER_SECOND],
  ['d', 86_400n * NS_PER_SECOND],
  ['h', 3600n * NS_PER_SECOND],
  ['m', 60n * NS_PER_SECOND],
  ['s', NS_PER_SECOND],
  ['ms', 1_000_000n],
]
const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/

/**
 * A Prometheus duration in ns, with units in descending order from y to ms, each at most once: `1h30m`, `500ms`, `0`.
 */
export function parsePrometheusDuration(name: string, text: string): bigint {
  if (text === '0') return 0n
  const match = text === '' ? null : DURATION.exec(text)
  if (match === null) throw invalid(`${name} is '${shown(text)}'; expected a duration like 15s, 5m or 1h30m`)
  const ns = DURATION_UNITS.reduce((sum, [, unitNs], i) => sum + BigInt(match[i + 1] ?? '0') * unitNs, 0n)
  if (ns > NS_MAX) throw invalid(`${name} is '${shown(text)}'; that is out of range`)
  return ns
}

function shown(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}

function invalid(message: string): GatewayError {
  return new GatewayError('parameter_invalid', message)
}
