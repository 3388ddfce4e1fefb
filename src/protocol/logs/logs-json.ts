/** The bodies of POST /logs to log items: one object, an array of them, or one object a line. */

import { type ErrorCode, GatewayError } from '../../domain/errors.ts'
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
  textOfBody,
} from '../bytes/exact-json.ts'

/** The severities that are stored, the mildest first. */
export const SEVERITIES = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** A log as a client posted it. */
export interface LogItem {
  /** What makes a retry recognisable; printable text of at most ID_BYTES_MAX bytes. */
  readonly id?: string
  readonly severity: Severity
  readonly message: string
  /** All other keys, with their values exactly as they came. */
  readonly fields: JsonObject
}

/** A log that cannot be taken, and why; `index` is its place in the body, from 0. */
export interface LogProblem {
  readonly index: number
  readonly code: ErrorCode
  readonly message: string
}

export interface DecodedLogs {
  /** True for a body that is one object: its sender expects the answer to be one as well. */
  readonly isSingle: boolean
  /** In the order of the body; never empty. */
  readonly results: readonly (LogItem | LogProblem)[]
}

/** Logs of one request: what one answer can name one by one. */
export const LOG_ITEMS_MAX = 10_000
/** Ids are kept for every log, and looked up at every retry. */
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
/** Control characters, lone surrogates and the replacement character would not come back as they were. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\ufffd]/u

export function isLogProblem(result: LogItem | LogProblem): result is LogProblem {
  return 'code' in result
}

/** The stored severity for a word in any case, among them syslog's and common short forms; undefined for others. */
export function parseSeverity(word: string): Severity | undefined {
  const lower = word.toLowerCase()
  return SEVERITIES.find((severity) => severity === lower) ?? OTHER_WORDS.get(lower)
}

/**
 * Reads a body. NDJSON is taken under both content types; bytes that are no UTF-8 become U+FFFD, a byte order mark is
 * dropped. Under `ndjson` a line that is no JSON is a problem of its own; under `json` it condemns the body.
 *
 * Throws body_malformed for a body that is no JSON or holds no log, body_too_large for more than LOG_ITEMS_MAX logs.
 */
export function decodeLogs(body: Uint8Array, contentType: 'json' | 'ndjson'): DecodedLogs {
  const text = textOfBody(body)
  const budget = { left: JSON_VALUES_MAX }
  let value: JsonValue
  try {
    value = parseJson(text, budget)
  } catch (error) {
    return { isSingle: false, results: decodeLines(text, budget, contentType, error) }
  }
  const values = Array.isArray(value) ? (value as readonly JsonValue[]) : [value]
  if (values.length === 0) throw new GatewayError('body_malformed', 'body is an empty array; send at least one log')
  checkCount(values.length)
  const isSingle = contentType === 'json' && isJsonObject(value)
  return { isSingle, results: values.map(toItem) }
}

/** The line that is stored: a compact JSON object of message and fields. Severity is a label, the id is metadata. */
export function formatLogLine(item: LogItem): string {
  return formatJsonObject([['message', item.message], ...item.fields])
}

/** Reads what formatLogLine wrote; undefined for a line that is no JSON object with a text under `message`. */
export function parseLogLine(line: string): Pick<LogItem, 'message' | 'fields'> | undefined {
  if (!line.startsWith('{')) return undefined
  let value: JsonValue
  try {
    value = parseJson(line, { left: JSON_VALUES_MAX })
  } catch {
    return undefined // a line of another client that only begins like JSON
  }
  if (!isJsonObject(value)) return undefined
  const message = value.get('message')
  return typeof message === 'string' ? { message, fields: without(value, 'message') } : undefined
}

/** `wholeError` is why the text is no single value; it is reported if parsing line by line fails too. */
function decodeLines(
  text: string,
  budget: JsonBudget,
  contentType: 'json' | 'ndjson',
  wholeError: unknown,
): (LogItem | LogProblem)[] {
  const results: (LogItem | LogProblem)[] = []
  let hasJson = false
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const range = { start, end }
    start = end + 1
    if (text.slice(range.start, end).trim() === '') continue
    checkCount(results.length + 1)
    try {
      results.push(toItem(parseJson(text, budget, range), results.length))
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

/** The message, and the key it stands under: `msg`, as pino and bunyan write it, where `message` is missing. */
function messageOf(log: JsonObject): [message: JsonValue, key: string] {
  const message = log.get('message') ?? null
  if (message !== null) return [message, 'message']
  const short = log.get('msg')
  return typeof short === 'string' ? [short, 'msg'] : ['', 'message']
}

/**
 * The severity, undefined for one that is none, and the key it stands under. Where it is missing, a `level` that is one
 * counts: a word gives way to the severity, a number stays a field as well, since it may say more.
 */
function severityOf(log: JsonObject): [severity: Severity | undefined, key: string] {
  const given = log.get('severity') ?? null
  if (given !== null) return [severityOfValue(given), 'severity']
  const level = log.get('level') ?? null
  const severity = severityOfValue(level) ?? 'info'
  return [severity, typeof level === 'string' && parseSeverity(level) !== undefined ? 'level' : 'severity']
}

function severityOfValue(value: JsonValue): Severity | undefined {
  if (typeof value === 'string') return parseSeverity(value)
  return value instanceof JsonNumber ? severityOfNumber(Number(value.text)) : undefined
}

/** By the numbers of pino and bunyan, 10 (trace) to 60 (fatal); one in between counts as the milder. */
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
