/** Output formats of lines: text for people, JSON for programs, raw, or requests of OpenSearch's bulk API. */

import { type Label, labelValue } from '../../domain/labels.ts'
import { LEVEL_FIELDS } from '../../domain/levels/level.ts'
import { formatRfc3339, NS_PER_MS } from '../../domain/time.ts'
import { formatLabelObject } from '../../protocol/loki/loki-result.ts'
import type { ShownEntry } from '../client-answer.ts'
import { formatBulk } from './bulk-output.ts'

export const OUTPUTS = ['text', 'json', 'raw', 'bulk'] as const
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

/** One line of output with its newline. The only escape sequences in text are our own colours, with `hasColors`. */
export function formatEntry(entry: ShownEntry, output: Output, hasColors: boolean): string {
  switch (output) {
    case 'raw':
      return `${entry.line}\n`
    case 'json':
      return formatJson(entry)
    case 'bulk':
      return formatBulk(entry, levelOf(entry))
    case 'text':
      return formatText(entry, hasColors)
  }
}

function formatText(entry: ShownEntry, hasColors: boolean): string {
  const level = levelOf(entry)
  const color = COLORS.get(level)
  const paint = (text: string, code: number | undefined): string =>
    hasColors && code !== undefined ? `\u001b[${code}m${text}\u001b[0m` : text
  const cells = [
    paint(formatLocal(entry.ns), DIM),
    paint(level.padEnd(LEVEL_WIDTH), color),
    paint(withoutControls(entry.stream), DIM),
    withoutControls(entry.line),
  ]
  return `${cells.join(' ')}\n`
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

/** ISO 8601 in local time with milliseconds: `2026-11-21T13:00:00.000+01:00`. */
export function formatLocal(ns: bigint): string {
  const date = new Date(Number(ns / NS_PER_MS))
  const zone = -date.getTimezoneOffset()
  const shifted = new Date(date.getTime() + zone * 60_000).toISOString().slice(0, -1)
  const pad = (value: number): string => String(value).padStart(2, '0')
  const minutes = Math.abs(zone)
  return `${shifted}${zone < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`
}

/** Control characters, and those that change the direction or the lines of what a terminal shows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Replaces control characters by Unicode's control pictures: a log line must not control the terminal. */
export function withoutControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    if (character < ' ') return String.fromCharCode(0x2400 + character.charCodeAt(0))
    return character <= '\u009f' ? '\u2421' : '\ufffd'
  })
}

/** JSON in which these characters are escaped: a terminal shows it too, and its value stays. */
export function escapeControls(json: string): string {
  return json.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
