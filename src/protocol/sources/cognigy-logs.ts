/**
 * Decodes a page of Cognigy's log list to entries: JSON of v2.0 and v2.1, and HAL.
 *
 * See https://docs.cognigy.com, API reference, "logs"; the official client's types name `nextCursor`, the v2.0 page
 * `next`, and the HAL form carries the cursor in `_links.next.href`.
 */

import { createHash } from 'node:crypto'
import { GatewayError } from '../../domain/errors.ts'
import type { SourceEntry } from '../../domain/sources/source-entry.ts'
import { NS_PER_MS, parseRfc3339 } from '../../domain/time.ts'
import {
  formatJson,
  isJsonObject,
  JSON_VALUES_MAX,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  jsonKind,
  parseJson,
  textOfBody,
} from '../bytes/exact-json.ts'

/** Cognigy's levels, most severe first. */
const COGNIGY_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

export interface CognigyPage {
  /** In the original order. */
  readonly entries: readonly SourceEntry[]
  /** Number of items without an id or a time. */
  readonly unreadable: number
  /** The cursor of the next page; undefined on the last one. */
  readonly next: string | undefined
}

/**
 * Decodes a page. Throws source_unavailable for any unknown format, so that a changed API never looks like an empty page.
 * The error describes the response by its type and number of keys, never by its text.
 */
export function parseCognigyPage(body: Uint8Array): CognigyPage {
  const page = parseObject(body)
  const items = itemsOf(page)
  if (items === undefined) {
    throw unknownShape(`an object of ${page.size} members with neither "items" nor "_embedded.logEntry"`)
  }
  const entries = items.map(toEntry).filter((entry) => entry !== undefined)
  if (entries.length === 0 && items.length > 0) {
    throw unknownShape(`a page of ${items.length} items of which none has an id and a time`)
  }
  return { entries, unreadable: items.length - entries.length, next: nextOf(page) }
}

/**
 * The safe parts of an error response (RFC 7807): its numeric `code` and its `traceId`. Its texts may contain the request.
 * Empty for anything else.
 */
export function parseProblem(body: Uint8Array): string {
  try {
    const problem = parseObject(body)
    const code = problem.get('code')
    const traceId = problem.get('traceId')
    const parts = [
      code instanceof JsonNumber ? `code ${code.text.slice(0, 12)}` : '',
      typeof traceId === 'string' && /^[\w-]{1,64}$/.test(traceId) ? `traceId ${traceId}` : '',
    ]
    return parts.filter((part) => part !== '').join(', ')
  } catch {
    // The error page of a proxy is not a problem document; its status is enough.
    return ''
  }
}

function parseObject(body: Uint8Array): JsonObject {
  let value: JsonValue
  try {
    value = parseJson(textOfBody(body), { left: JSON_VALUES_MAX })
  } catch (cause) {
    throw unknownShape(`${body.length} bytes that are not JSON`, cause)
  }
  if (!isJsonObject(value)) throw unknownShape(jsonKind(value))
  return value
}

function itemsOf(page: JsonObject): readonly JsonValue[] | undefined {
  const items = page.get('items')
  if (Array.isArray(items)) return items
  const embedded = page.get('_embedded')
  if (embedded === undefined || !isJsonObject(embedded)) return undefined
  const entries = embedded.get('logEntry')
  if (Array.isArray(entries)) return entries
  // HAL writes a list of one as the single object.
  return entries !== undefined && isJsonObject(entries) ? [entries] : undefined
}

function nextOf(page: JsonObject): string | undefined {
  for (const name of ['nextCursor', 'next']) {
    const value = page.get(name)
    if (isAbsent(value)) continue
    return cursorOf(value)
  }
  const links = page.get('_links')
  const next = links !== undefined && isJsonObject(links) ? links.get('next') : undefined
  const href = next !== undefined && isJsonObject(next) ? next.get('href') : undefined
  if (isAbsent(href)) return undefined
  if (typeof href !== 'string') throw unknownShape(`a link "next" whose href is ${jsonKind(href as JsonValue)}`)
  // Links may be relative; only the query is read.
  const cursor = URL.parse(href, 'http://localhost')?.searchParams.get('next')
  if (!cursor) throw unknownShape('a link "next" without a cursor')
  return cursorOf(cursor)
}

function isAbsent(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === ''
}

function cursorOf(value: JsonValue | undefined): string {
  if (typeof value === 'string' && /^[\w=+/.-]{1,512}$/.test(value)) return value
  throw unknownShape(`a cursor that is ${typeof value === 'string' ? 'no token' : jsonKind(value ?? null)}`)
}

/** An entry without an id gets a hash of its text; without a time, the time of its id. Undefined if both are missing. */
function toEntry(item: JsonValue): SourceEntry | undefined {
  if (!isJsonObject(item)) return undefined
  const rawId = item.get('_id')
  const objectId = typeof rawId === 'string' && rawId !== '' && rawId.length <= ID_CHARS_MAX ? rawId : undefined
  const timestampMs = timeOf(item.get('timestamp')) ?? timeOfObjectId(objectId)
  if (timestampMs === undefined) return undefined
  const id = objectId ?? createHash('sha256').update(formatJson(item)).digest('hex').slice(0, 32)
  const json = formatJson(objectId === undefined ? new Map([...item, ['_id', id]]) : item)
  const level = levelOf(item.get('type'))
  return { id, timestampMs, level, line: lineOf(item.get('msg'), json), metadata: metadataOf(item, id), json }
}

const ID_CHARS_MAX = 128
/** The years supported by both CloudWatch and nanoseconds. */
const TIME_MS_MAX = Date.UTC(2262, 0)

function timeOf(value: JsonValue | undefined): number | undefined {
  if (value instanceof JsonNumber) return inRange(Math.floor(Number(value.text)))
  if (typeof value !== 'string') return undefined
  const ns = parseRfc3339(value)
  return ns === undefined ? undefined : inRange(Number(ns / NS_PER_MS))
}

/** The first four bytes of an ObjectId are its creation time in seconds. See MongoDB's manual, "ObjectId". */
function timeOfObjectId(id: string | undefined): number | undefined {
  return id !== undefined && /^[0-9a-f]{24}$/i.test(id)
    ? inRange(Number.parseInt(id.slice(0, 8), 16) * 1000)
    : undefined
}

function inRange(ms: number): number | undefined {
  return Number.isSafeInteger(ms) && ms >= 0 && ms < TIME_MS_MAX ? ms : undefined
}

function levelOf(value: JsonValue | undefined): string {
  return COGNIGY_LEVELS.find((level) => level === value) ?? 'unknown'
}

function lineOf(message: JsonValue | undefined, json: string): string {
  if (typeof message === 'string') return message
  return message === undefined || message === null ? json : formatJson(message)
}

const IN_COLUMNS: ReadonlySet<string> = new Set(['_id', 'timestamp', 'msg', 'meta', 'traceId'])

function metadataOf(item: JsonObject, id: string): [name: string, value: string][] {
  const pairs: [string, string][] = []
  const add = (name: string, value: JsonValue | undefined): void => {
    if (value !== undefined && value !== null) pairs.push([name, typeof value === 'string' ? value : formatJson(value)])
  }
  for (const [name, value] of item) {
    if (name === 'type' && levelOf(value) === value) continue
    if (!IN_COLUMNS.has(name)) add(name, value)
  }
  const meta = item.get('meta')
  if (meta !== undefined && isJsonObject(meta)) for (const [name, value] of meta) add(`meta_${name}`, value)
  else add('meta', meta)
  add('trace_id', item.get('traceId'))
  add('id', id)
  return pairs
}

function unknownShape(came: string, cause?: unknown): GatewayError {
  const text = `Cognigy's response is ${came}; expected a list of log entries in the format of v2.0 or v2.1; check MILLRACE_POLL_BASE_URL and MILLRACE_POLL_API_VERSION`
  // The parser's error has a position, but no text.
  return new GatewayError('source_unavailable', text, cause === undefined ? undefined : { cause })
}
