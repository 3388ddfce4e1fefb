/** Decodes the bodies of POST /logs to log items: an object, an array of objects, or NDJSON. */

import { type ErrorCode, GatewayError } from '../../domain/errors.ts'
import { finishSlices, type Slices, Stride } from '../../kit/slices.ts'
import {
  formatJsonObject,
  isJsonObject,
  JSON_VALUES_MAX,
  type JsonBudget,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  jsonKind,
  parseJson,
  sliceJson,
  textOfBody,
} from '../bytes/exact-json.ts'

/** The stored severities, in ascending order. */
export const SEVERITIES = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** A log posted by a client. */
export interface LogItem {
  /** Identifies retries; printable text of at most ID_BYTES_MAX bytes. */
  readonly id?: string
  readonly severity: Severity
  readonly message: string
  /** All other keys, with their exact values. */
  readonly fields: JsonObject
}

/** A rejected log with the reason; `index` is its position in the body, from 0. */
export interface LogProblem {
  readonly index: number
  readonly code: ErrorCode
  readonly message: string
}

export interface DecodedLogs {
  /** True if the body is a single object: then the response is one too. */
  readonly isSingle: boolean
  /** In the order of the body; never empty. */
  readonly results: readonly (LogItem | LogProblem)[]
}

/** Maximum number of logs per request: the response lists each of them. */
export const LOG_ITEMS_MAX = 10_000
/** Ids are stored for every log, and looked up at every retry. */
export const ID_BYTES_MAX = 256

const OTHER_WORDS: ReadonlyMap<string, Severity> = new Map([
  ['trc', 'trace'],
  ['dbg', 'debug'],
  ['verbose', 'debug'],
  ['inf', 'info'],
  ['information', 'info'],
  ['informational', 'info'],
  ['notice', 'info'],
  ['log', 'info'],
  ['warn', 'warning'],
  ['wrn', 'warning'],
  ['err', 'error'],
  ['crit', 'critical'],
  ['alert', 'critical'],
  ['emerg', 'fatal'],
  ['emergency', 'fatal'],
  ['panic', 'fatal'],
])

const UTF8 = new TextEncoder()
/** Control characters, lone surrogates and the replacement character would not be returned unchanged. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\ufffd]/u

export function isLogProblem(result: LogItem | LogProblem): result is LogProblem {
  return 'code' in result
}

/** The stored severity of a word in any case, including syslog's and common short forms; undefined for others. */
export function parseSeverity(word: string): Severity | undefined {
  const lower = word.toLowerCase()
  return SEVERITIES.find((severity) => severity === lower) ?? OTHER_WORDS.get(lower)
}

/**
 * Decodes a body. NDJSON is accepted under both content types; invalid UTF-8 becomes U+FFFD, a byte order mark is
 * removed. With `ndjson` an invalid line is rejected individually; with `json` it makes the body invalid.
 *
 * Throws body_malformed for a body that is not JSON or has no logs, body_too_large for more than LOG_ITEMS_MAX logs.
 */
export function* sliceLogs(body: Uint8Array, contentType: 'json' | 'ndjson'): Slices<DecodedLogs> {
  const text = textOfBody(body)
  const budget = { left: JSON_VALUES_MAX }
  let value: JsonValue
  try {
    value = yield* sliceJson(text, budget)
  } catch (error) {
    return { isSingle: false, results: yield* sliceLines(text, budget, contentType, error) }
  }
  const values = Array.isArray(value) ? (value as readonly JsonValue[]) : [value]
  if (values.length === 0) throw new GatewayError('body_malformed', 'body is an empty array; send at least one log')
  checkCount(values.length)
  const isSingle = contentType === 'json' && isJsonObject(value)
  const results: (LogItem | LogProblem)[] = []
  const stride = new Stride(STRETCH)
  for (const [index, log] of values.entries()) {
    results.push(toItem(log, index))
    if (stride.isDue()) yield
  }
  return { isSingle, results }
}

/** The same at once. */
export function decodeLogs(body: Uint8Array, contentType: 'json' | 'ndjson'): DecodedLogs {
  return finishSlices(sliceLogs(body, contentType))
}

/** Number of logs that are read between two yields. */
const STRETCH = 200

/** The stored line: a compact JSON object of message and fields. Severity is a label, the id is metadata. */
export function formatLogLine(item: LogItem): string {
  return formatJsonObject([['message', item.message], ...item.fields])
}

/** Parses the result of formatLogLine; undefined if the line is not a JSON object with a string under `message`. */
export function parseLogLine(line: string): Pick<LogItem, 'message' | 'fields'> | undefined {
  if (!line.startsWith('{')) return undefined
  let value: JsonValue
  try {
    value = parseJson(line, { left: JSON_VALUES_MAX })
  } catch {
    return undefined // a line of another client that only starts like JSON
  }
  if (!isJsonObject(value)) return undefined
  const message = value.get('message')
  return typeof message === 'string' ? { message, fields: without(value, 'message') } : undefined
}

/** `wholeError` is the reason why the text is not a single value; it is reported if parsing line by line fails too. */
function* sliceLines(
  text: string,
  budget: JsonBudget,
  contentType: 'json' | 'ndjson',
  wholeError: unknown,
): Slices<(LogItem | LogProblem)[]> {
  const results: (LogItem | LogProblem)[] = []
  const stride = new Stride(STRETCH)
  let hasJson = false
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const range = { start, end }
    start = end + 1
    if (text.slice(range.start, end).trim() === '') continue
    checkCount(results.length + 1)
    if (stride.isDue()) yield
    try {
      results.push(toItem(yield* sliceJson(text, budget, range), results.length))
      hasJson = true
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'body_malformed') throw error
      if (contentType === 'json') throw wholeError
      results.push({ index: results.length, code: error.code, message: error.message })
    }
  }
  if (!hasJson) throw wholeError
  return results
}

function checkCount(count: number): void {
  if (count <= LOG_ITEMS_MAX) return
  throw new GatewayError('body_too_large', `body holds more than ${LOG_ITEMS_MAX} logs; send them in parts`)
}

function toItem(value: JsonValue, index: number): LogItem | LogProblem {
  const problem = (message: string): LogProblem => ({ index, code: 'body_malformed', message })
  if (!isJsonObject(value)) return problem(`log ${index} is ${jsonKind(value)}; send an object`)
  const [message, messageKey] = messageOf(value)
  if (typeof message !== 'string') {
    return problem(`message of log ${index} is ${jsonKind(message)}; send a string, and data under other keys`)
  }
  const [severity, severityKey] = severityOf(value)
  if (severity === undefined) {
    const word = value.get('severity') as JsonValue
    const came = typeof word === 'string' ? 'an unknown word' : jsonKind(word)
    return problem(`severity of log ${index} is ${came}; send one of ${SEVERITIES.join(', ')}`)
  }
  const fields = without(value, 'id', 'severity', 'message', severityKey, messageKey)
  const id = value.get('id') ?? undefined
  if (id === undefined) return { severity, message, fields }
  if (typeof id !== 'string' || !isId(id)) {
    const came = typeof id === 'string' ? 'empty, too long or not printable' : jsonKind(id)
    return problem(`id of log ${index} is ${came}; send 1 to ${ID_BYTES_MAX} bytes of printable text, or none`)
  }
  return { id, severity, message, fields }
}

/** The message and its key: `msg`, as in pino and bunyan, if `message` is missing. */
function messageOf(log: JsonObject): [message: JsonValue, key: string] {
  const message = log.get('message') ?? null
  if (message !== null) return [message, 'message']
  const short = log.get('msg')
  return typeof short === 'string' ? [short, 'msg'] : ['', 'message']
}

/**
 * The severity (undefined if invalid) and its key. If it is missing, a valid `level` is used: a word is replaced by the
 * severity, a number is also kept as a field, because it may be more precise.
 */
function severityOf(log: JsonObject): [severity: Severity | undefined, key: string] {
  const declared = log.get('severity') ?? null
  if (declared !== null) return [severityOfValue(declared), 'severity']
  const level = log.get('level') ?? null
  const severity = severityOfValue(level) ?? 'info'
  return [severity, typeof level === 'string' && parseSeverity(level) !== undefined ? 'level' : 'severity']
}

function severityOfValue(value: JsonValue): Severity | undefined {
  if (typeof value === 'string') return parseSeverity(value)
  return value instanceof JsonNumber ? severityOfNumber(Number(value.text)) : undefined
}

/** Numbers of pino and bunyan, 10 (trace) to 60 (fatal); numbers in between are rounded down. */
function severityOfNumber(number: number): Severity | undefined {
  if (!(number >= 10 && number < 70)) return undefined
  return NUMBERED[Math.floor(number / 10) - 1]
}

const NUMBERED: readonly Severity[] = ['trace', 'debug', 'info', 'warning', 'error', 'fatal']

function isId(text: string): boolean {
  return (
    text !== '' && text.length <= ID_BYTES_MAX && UTF8.encode(text).length <= ID_BYTES_MAX && !UNPRINTABLE.test(text)
  )
}

function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  const rest = new Map(object)
  for (const name of names) rest.delete(name)
  return rest
}
