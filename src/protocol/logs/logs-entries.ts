/** Converts log items to entries, and entries to the logs that GET /logs returns. */

import type { Metadata } from '../../domain/entries/batch.ts'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { SERVICE_NAME } from '../../domain/entries/service-name.ts'
import { type Label, type Labels, labelValue } from '../../domain/labels.ts'
import { NS_PER_MS, NS_PER_SECOND } from '../../domain/time.ts'
import { finishSlices, type Slices, Stride } from '../../kit/slices.ts'
import { formatJsonObject, type JsonObject, type JsonValue } from '../bytes/exact-json.ts'
import { formatLogLine, type LogItem, parseLogLine } from './logs-json.ts'

/** The stream label of logs from POST /logs: `{source="logs"}`. */
export const LOGS_SOURCE = { name: 'source', value: 'logs' } as const
export const SEVERITY_LABEL = 'severity'
const ID_METADATA = 'id'
/** Keys that may contain the service name, most specific first; longer values are data, not names. */
const SERVICE_FIELDS = ['service_name', 'service', 'app'] as const
const SERVICE_CHARS_MAX = 128
const NO_SERVICE = 'logs'

export interface LogsPlacement {
  /**
   * Time of the first item, ns since the epoch; each further item gets the next nanosecond, which preserves the order.
   */
  readonly firstNs: bigint
  /** Called after addEntry of each item, to check whether the sink kept it and to set the entry's id. */
  readonly afterEntry?: (item: LogItem, ns: bigint) => void
}

/** An entry from the store. */
export interface StoredLog {
  readonly ns: bigint
  readonly line: string
  readonly labels: Labels
  readonly metadata: Metadata
}

/** A log as returned by GET /logs. */
export interface ShownLog {
  /** Null for an entry without an id that was pushed to the stream by other means. */
  readonly id: string | null
  /** ISO 8601 in UTC with milliseconds: `2026-11-21T10:00:00.000Z`. */
  readonly datetime: string
  readonly severity: string
  readonly message: string
  readonly fields: JsonObject
}

/** Passes the items to a sink, each in its stream `{source="logs", severity, service_name}`, with ids as metadata. */
export function* sliceLogsToSink(items: readonly LogItem[], placement: LogsPlacement, sink: PushSink): Slices<void> {
  const stride = new Stride(STRETCH)
  const lines: Uint8Array[] = []
  for (const item of items) {
    const line = UTF8.encode(formatLogLine(item))
    lines.push(line)
    if (stride.isDue(1 + line.length / LINE_BYTES)) yield
  }
  sink.useText(joined(lines))
  let start = 0
  let ns = placement.firstNs
  for (const [i, item] of items.entries()) {
    const end = start + (lines[i] as Uint8Array).length
    sink.beginStream(labelsOf(item))
    if (item.id !== undefined) sink.addMetadata(ID_METADATA, item.id)
    const seconds = floorDivide(ns, NS_PER_SECOND)
    sink.addEntry(Number(seconds), Number(ns - seconds * NS_PER_SECOND), start, end)
    placement.afterEntry?.(item, ns)
    start = end
    ns++
    if (stride.isDue()) yield
  }
}

/** The same at once. */
export function logsToSink(items: readonly LogItem[], placement: LogsPlacement, sink: PushSink): void {
  finishSlices(sliceLogsToSink(items, placement, sink))
}

/** Number of logs that are passed between two yields; LINE_BYTES of a line count like another one. */
const STRETCH = 200
const LINE_BYTES = 1024

/** The posted log of a stored entry. A line that is not a JSON object with a message is the message itself. */
export function entryToLogItem(entry: StoredLog): ShownLog {
  const parsed = parseLogLine(entry.line)
  return {
    id: entry.metadata.find(([name]) => name === ID_METADATA)?.[1] ?? null,
    datetime: formatDatetime(entry.ns),
    severity: labelValue(entry.labels, SEVERITY_LABEL) || 'info',
    message: parsed?.message ?? entry.line,
    fields: parsed?.fields ?? new Map(),
  }
}

/**
 * The log as a JSON object: id, datetime, severity, message, then the fields. A field with one of these four names is
 * renamed to `line.<name>` (`line.line.<name>` if that exists too), so that no key is lost or duplicated.
 */
export function formatShownLog(log: ShownLog): string {
  const { id, datetime, severity, message, fields } = log
  const shown = new Map<string, JsonValue>(Object.entries({ id, datetime, severity, message }))
  const moved: [name: string, value: JsonValue][] = []
  for (const [name, value] of fields) {
    if (RESERVED.has(name)) moved.push([name, value])
    else shown.set(name, value)
  }
  for (const [name, value] of moved) shown.set(freeName(`line.${name}`, shown), value)
  return formatJsonObject(shown)
}

/** Nanoseconds since the epoch in the format of `new Date().toISOString()`. */
export function formatDatetime(ns: bigint): string {
  return new Date(Number(floorDivide(ns, NS_PER_MS))).toISOString()
}

const RESERVED: ReadonlySet<string> = new Set(['id', 'datetime', 'severity', 'message'])
const UTF8 = new TextEncoder()

function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  return taken.has(name) ? freeName(`line.${name}`, taken) : name
}

function labelsOf(item: LogItem): Label[] {
  return [
    LOGS_SOURCE,
    { name: SEVERITY_LABEL, value: item.severity },
    { name: SERVICE_NAME, value: serviceOf(item.fields) },
  ]
}

function serviceOf(fields: JsonObject): string {
  for (const name of SERVICE_FIELDS) {
    const value = fields.get(name)
    if (typeof value !== 'string' || value === '' || value.length > SERVICE_CHARS_MAX) continue
    if (value.isWellFormed()) return value
  }
  return NO_SERVICE
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const text = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    text.set(part, at)
    at += part.length
  }
  return text
}

function floorDivide(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by
}
