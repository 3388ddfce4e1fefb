/** How lines look: the options of `query` and `tail` beside the form of output. */

import { GatewayError } from '../../domain/errors.ts'
import type { Labels } from '../../domain/labels.ts'
import type { ShownEntry } from '../client-answer.ts'

export const LOOK_OPTIONS = {
  output: { type: 'string', short: 'o', default: 'text' },
  color: { type: 'string', default: 'auto' },
  zone: { type: 'string', default: 'local' },
  columns: { type: 'string', default: '' },
  template: { type: 'string' },
} as const

export const LOOK_USAGE = `  --output FORM, -o   text; wide (with metadata and parsed labels); table (--columns); json (one object per line); raw (only
                      the lines); template (--template); or bulk (requests of OpenSearch's bulk API)
  --columns NAMES     labels or fields to show as columns, separated by commas
  --template TEXT     a line like '{{.time}} {{.level}} {{.app}} {{.line}}'; names of labels, and time, ns, level, labels, line
  --zone ZONE         times in local (the default), utc or a zone like Europe/Berlin
  --color WHEN        auto (the default: on a terminal, unless NO_COLOR is set), always or never`

export interface Look {
  readonly hasColors: boolean
  /** local, utc or a name of the IANA database. */
  readonly zone: string
  readonly columns: readonly string[]
  readonly template: string | undefined
  /** `name=value` of labels that are said once and not on each line. */
  readonly common: ReadonlySet<string>
}

interface LookValues {
  readonly output: string
  readonly color: string
  readonly zone: string
  readonly columns: string
  readonly template?: string | undefined
}

/** `isColorful`: what `auto` means. Throws parameter_invalid. */
export function readLook({ output, color, zone, columns, template }: LookValues, isColorful: boolean): Look {
  if (!['auto', 'always', 'never'].includes(color)) {
    throw new GatewayError('parameter_invalid', '--color must be auto, always or never')
  }
  if (output === 'template' && template === undefined) {
    throw new GatewayError('parameter_invalid', "--output template needs --template, like '{{.time}} {{.line}}'")
  }
  if (!['local', 'utc'].includes(zone)) assertZone(zone)
  return {
    hasColors: color === 'auto' ? isColorful : color === 'always',
    zone,
    columns: columns.split(',').filter((name) => name !== ''),
    template,
    common: new Set(),
  }
}

function assertZone(zone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch (cause) {
    const text = `--zone ${JSON.stringify(zone)} is unknown; give local, utc or a name like Europe/Berlin`
    throw new GatewayError('parameter_invalid', text, { cause })
  }
}

/** The labels that all entries have, if there are at least two entries. */
export function commonLabels(entries: readonly ShownEntry[]): Labels {
  const [first, ...others] = entries
  if (first === undefined || others.length === 0) return []
  const streams = new Set([first.stream])
  let common = first.labels
  for (const { stream, labels } of others) {
    if (streams.has(stream)) continue
    streams.add(stream)
    const pairs = new Set(labels.map(pairOf))
    common = common.filter((label) => pairs.has(pairOf(label)))
  }
  return common
}

export function pairOf({ name, value }: Labels[number]): string {
  return `${name}=${value}`
}
