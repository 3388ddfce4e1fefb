/**
 * Levels, and the evidence for them outside the line: labels, structured metadata, OTLP's severity number. The level is
 * the value of the structured metadata `detected_level`.
 *
 * See pkg/distributor/field_detection.go of grafana/loki for the order of the evidence.
 */

import type { Labels } from '../labels.ts'

/** The levels, stored as one byte each: the index is the code. 0: no level, or one stored as metadata. */
export const LEVELS = ['', 'unknown', 'trace', 'debug', 'info', 'warn', 'error', 'critical', 'fatal'] as const

export const LEVEL_NONE = 0
export const LEVEL_UNKNOWN = 1
export const TRACE = 2
export const DEBUG = 3
export const INFO = 4
export const WARN = 5
export const ERROR = 6
export const CRITICAL = 7
export const FATAL = 8

/** Names of level fields, in order of precedence. Loki's log_level_fields. */
export const LEVEL_FIELDS = [
  'level',
  'LEVEL',
  'Level',
  'log.level',
  'severity',
  'SEVERITY',
  'Severity',
  'SeverityText',
  'lvl',
  'LVL',
  'Lvl',
  'severity_text',
  'Severity_Text',
  'SEVERITY_TEXT',
] as const

export const DETECTED_LEVEL = 'detected_level'

const WORDS: ReadonlyMap<string, number> = new Map([
  ['unknown', LEVEL_UNKNOWN],
  ['trace', TRACE],
  ['trc', TRACE],
  ['debug', DEBUG],
  ['dbg', DEBUG],
  ['info', INFO],
  ['inf', INFO],
  ['information', INFO],
  ['warn', WARN],
  ['wrn', WARN],
  ['warning', WARN],
  ['error', ERROR],
  ['err', ERROR],
  ['critical', CRITICAL],
  ['fatal', FATAL],
])

/** The code of a level word in any case; LEVEL_NONE for other words. */
export function levelCode(word: string): number {
  return WORDS.get(word.toLowerCase()) ?? LEVEL_NONE
}

/** The value of the first label with the name of a level field, or undefined. */
export function levelOfLabels(labels: Labels): string | undefined {
  for (const field of LEVEL_FIELDS) {
    for (const label of labels) if (label.name === field) return label.value
  }
  return undefined
}

/**
 * The level of an OTLP severity_number: 1 to 4 is trace, then four numbers per level up to fatal. Not a number: info.
 */
export function levelOfSeverityNumber(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isInteger(number)) return INFO
  if (number < 1 || number > 24) return LEVEL_UNKNOWN
  return [TRACE, DEBUG, INFO, WARN, ERROR, FATAL][Math.floor((number - 1) / 4)] as number
}
