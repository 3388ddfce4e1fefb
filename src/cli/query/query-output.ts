/** Output forms of lines: text, wide, table and template for people; JSON, raw lines and bulk requests for programs. */

import { formatLabels, type Label, type Labels, labelValue } from '../../domain/labels.ts'
import { LEVEL_FIELDS } from '../../domain/levels/level.ts'
import { formatRfc3339, NS_PER_MS } from '../../domain/time.ts'
import { formatLabelObject } from '../../protocol/loki/loki-result.ts'
import type { ShownEntry } from '../client-answer.ts'
import { escapeControls, withoutControls } from '../controls.ts'
import { formatBulk } from './bulk-output.ts'
import { type Look, pairOf } from './look.ts'

export const OUTPUTS = ['text', 'wide', 'table', 'json', 'raw', 'template', 'bulk'] as const
export type Output = (typeof OUTPUTS)[number]

/** SGR colour codes (ECMA-48) of levels. */
const COLORS: ReadonlyMap<string, number> = new Map([
  ['trace', 90],
  ['debug', 36],
  ['info', 32],
  ['warn', 33],
  ['warning', 33],
  ['error', 31],
  ['critical', 35],
  ['fatal', 35],
])
const DIM = 2
const LEVEL_WIDTH = 8

const PLAIN: Look = { hasColors: false, zone: 'local', columns: [], template: undefined, common: new Set() }

/** One entry with its newline. The only escape sequences in text are our own colours, with `hasColors`. */
export function formatEntry(entry: ShownEntry, output: Output, look: boolean | Look): string {
  const given = typeof look === 'boolean' ? { ...PLAIN, hasColors: look } : look
  switch (output) {
    case 'raw':
      return `${entry.line}\n`
    case 'json':
      return formatJson(entry)
    case 'bulk':
      return formatBulk(entry, levelOf(entry))
    case 'template':
      return `${fillTemplate(entry, given)}\n`
    case 'table':
      return formatRow(entry, given)
    case 'text':
    case 'wide':
      return formatText(entry, given, output === 'wide', typeof look !== 'boolean')
  }
}

const paint = (text: string, code: number | undefined, { hasColors }: Look): string =>
  hasColors && code !== undefined ? `\u001b[${code}m${text}\u001b[0m` : text

/** A line of several lines stays one entry: the others are indented, so that none looks like an entry of its own. */
function formatText(entry: ShownEntry, look: Look, isWide: boolean, keepsLines: boolean): string {
  const level = levelOf(entry)
  const labels = look.common.size === 0 ? entry.stream : withoutCommon(entry.labels, look)
  const more = isWide ? formatLabels([...entry.metadata, ...entry.parsed]) : '{}'
  const columns = look.columns.map((name) => withoutControls(readValue(entry, name, look)) || '-')
  const cells = [
    paint(formatLocal(entry.ns, look.zone), DIM, look),
    paint(level.padEnd(LEVEL_WIDTH), COLORS.get(level), look),
    ...(labels === '' ? [] : [paint(withoutControls(labels), DIM, look)]),
    ...(more === '{}' ? [] : [paint(withoutControls(more), DIM, look)]),
    ...columns,
    keepsLines ? linesOf(entry.line) : withoutControls(entry.line),
  ]
  return `${cells.join(' ')}\n`
}

function linesOf(line: string): string {
  return line
    .replace(/[\r\n]+$/, '')
    .split(/\r?\n/)
    .map(withoutControls)
    .join('\n    ')
}

function withoutCommon(labels: Labels, { common }: Look): string {
  const others = labels.filter((label) => !common.has(pairOf(label)))
  return others.length === 0 ? '' : formatLabels(others)
}

const COLUMN_WIDTH = 16

/** A row of time, level, columns (the service if none is named) and the line, each cut at its width. */
function formatRow(entry: ShownEntry, look: Look): string {
  const level = levelOf(entry)
  const names = look.columns.length > 0 ? look.columns : ['service_name']
  const cells = names.map((name) => {
    const value = withoutControls(readValue(entry, name, look))
    return value.length > COLUMN_WIDTH ? `${value.slice(0, COLUMN_WIDTH - 1)}…` : value.padEnd(COLUMN_WIDTH)
  })
  const head = [
    formatLocal(entry.ns, look.zone).slice(0, 23),
    paint(level.padEnd(LEVEL_WIDTH), COLORS.get(level), look),
  ]
  return `${[...head, ...cells, withoutControls(entry.line)].join(' ')}\n`
}

/** The head of a table, with the zone. */
export function formatHead({ columns, zone }: Look): string {
  const names = columns.length > 0 ? columns : ['service_name']
  const cells = [
    `TIME (${zone})`.padEnd(23),
    'LEVEL'.padEnd(LEVEL_WIDTH),
    ...names.map((name) => name.padEnd(COLUMN_WIDTH)),
  ]
  return `${[...cells, 'LINE'].join(' ')}\n`
}

function fillTemplate(entry: ShownEntry, look: Look): string {
  return (look.template ?? '').replace(/\{\{\s*\.([A-Za-z_]\w*)\s*\}\}/g, (_, name: string) =>
    withoutControls(readValue(entry, name, look)),
  )
}

/** A label or field; `line`, `time`, `ns`, `level` and `labels` are those of the entry. */
function readValue(entry: ShownEntry, name: string, { zone }: Look): string {
  if (name === 'line') return entry.line
  if (name === 'time') return formatLocal(entry.ns, zone)
  if (name === 'ns') return String(entry.ns)
  if (name === 'labels') return entry.stream
  if (name === 'level') return levelOf(entry)
  return labelValue([...entry.parsed, ...entry.metadata, ...entry.labels], name)
}

/** Written by hand because label names come from clients and must not become keys of an object. */
function formatJson({ ns, labels, line, metadata, parsed }: ShownEntry): string {
  const parts = [
    `"timestamp":"${ns}"`,
    `"time":"${formatRfc3339(ns)}"`,
    `"labels":${formatLabelObject(labels)}`,
    `"line":${JSON.stringify(line)}`,
  ]
  if (metadata.length > 0) parts.push(`"structuredMetadata":${formatLabelObject(metadata)}`)
  if (parsed.length > 0) parts.push(`"parsed":${formatLabelObject(parsed)}`)
  return `${escapeControls(`{${parts.join(',')}}`)}\n`
}

/** The detected level or a level label, in lower case; empty if there is none. */
export function levelOf({ labels, metadata, parsed }: ShownEntry): string {
  const all: readonly Label[] = [...metadata, ...labels, ...parsed]
  const name = ['detected_level', ...LEVEL_FIELDS].find((each) => labelValue(all, each) !== '')
  const level = name === undefined ? '' : labelValue(all, name).toLowerCase()
  return level === 'unknown' || level.length > LEVEL_WIDTH || !/^[a-z]*$/.test(level) ? '' : level
}

/** ISO 8601 with milliseconds, in local time, UTC or a zone of the IANA database: `2026-11-21T13:00:00.000+01:00`. */
export function formatLocal(ns: bigint, name = 'local'): string {
  const date = new Date(Number(ns / NS_PER_MS))
  const zone = offsetMinutes(date, name)
  const shifted = new Date(date.getTime() + zone * 60_000).toISOString().slice(0, -1)
  const pad = (value: number): string => String(value).padStart(2, '0')
  const minutes = Math.abs(zone)
  return `${shifted}${zone < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`
}

/** Of the zone at that time, east of UTC. */
function offsetMinutes(date: Date, zone: string): number {
  if (zone === 'local') return -date.getTimezoneOffset()
  if (zone === 'utc') return 0
  const text = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).format(date)
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d\d):(\d\d)/.exec(text) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}
