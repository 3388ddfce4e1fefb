/**
 * Reads the `.logqltest` scripts of Loki's repository: lines to load and metric queries with their answers.
 *
 *     clear
 *     load
 *       {app="a"} "v={{.i}}" @ 10s [repeat every 10s for 6] [metadata k="v"]
 *     eval instant at 60s <query>
 *       {app="a"} 6
 *     eval range from 0s to 60s step 30s <query>
 *       {app="a"} _ 3 3
 */

import { parseLabels } from '../../../src/domain/labels.ts'
import { readTime } from '../../language/case-file.ts'

export interface ScriptEntry {
  readonly labels: Readonly<Record<string, string>>
  /** From the script's own beginning. */
  readonly ns: bigint
  readonly line: string
  readonly metadata: Readonly<Record<string, string>>
}

/** `_` is a step without a value. */
export type Samples = readonly (number | undefined)[]

export type Expected =
  /** A part of the refusal's text, a regular expression, or any refusal. */
  | { readonly kind: 'refusal'; readonly text?: string; readonly pattern?: string }
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'series'; readonly isOrdered: boolean; readonly series: ReadonlyMap<string, Samples> }

export interface Evaluation {
  /** Counted from 1. */
  readonly row: number
  readonly query: string
  readonly entries: readonly ScriptEntry[]
  /** An instant has one time and no step. */
  readonly start: bigint
  readonly end: bigint
  readonly step: bigint | undefined
  readonly expected: Expected
}

/** Throws for an unknown row. */
export function readScript(text: string): Evaluation[] {
  const evaluations: Evaluation[] = []
  let entries: readonly ScriptEntry[] = []
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; ) {
    const row = i + 1
    const command = withoutComment(lines[i++] as string).trim()
    if (command === '') continue
    const block: string[] = []
    for (; i < lines.length && /^\s*#|^\s+\S/.test(lines[i] as string); i++) {
      const content = withoutComment(lines[i] as string).trim()
      if (content !== '') block.push(content)
    }
    if (command === 'clear') entries = []
    else if (command === 'load') entries = [...entries, ...block.flatMap(readEntries)]
    else evaluations.push({ row, entries, ...readEval(command), expected: readExpected(block) })
  }
  return evaluations
}

function withoutComment(line: string): string {
  return /^(?:"[^"]*"|`[^`]*`|[^#"`])*/.exec(line)?.[0] ?? ''
}

const ENTRY =
  /^(\{[^}]*\})\s*(?:"([^"]*)"|`([^`]*)`)\s*@\s*(\S+)\s*(?:\[repeat every\s+(\S+)\s+for\s+(\d+)\])?\s*(?:\[metadata\s+(.*)\])?$/

function readEntries(text: string): ScriptEntry[] {
  const match = ENTRY.exec(text)
  if (match === null) throw new Error(`${text} is no entry of a script`)
  const [, labels = '', quoted, raw, start = '', every = '0', count = '1', metadata = ''] = match
  return Array.from({ length: Number(count) }, (_, i) => ({
    labels: labelsOf(labels),
    ns: readTime(start) + BigInt(i) * readTime(every),
    line: (quoted ?? raw ?? '').replaceAll('{{.i}}', String(i)),
    metadata: Object.fromEntries(
      [...metadata.matchAll(/(?:"([^"]*)"|([^\s"=]+))="([^"]*)"/g)].map(([, quotedName, name, value = '']) => [
        quotedName ?? name ?? '',
        value,
      ]),
    ),
  }))
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(parseLabels(text).map(({ name, value }) => [name, value]))
}

function readEval(text: string): Pick<Evaluation, 'query' | 'start' | 'end' | 'step'> {
  const instant = /^eval instant at (\S+)\s+(.+)$/.exec(text)
  if (instant !== null) {
    const time = readTime(instant[1] as string)
    return { query: (instant[2] as string).trim(), start: time, end: time, step: undefined }
  }
  const range = /^eval range from (\S+) to (\S+) step (\S+)\s+(.+)$/.exec(text)
  if (range === null) throw new Error(`${text} is no command of a script`)
  const [start, end, step] = range.slice(1, 4).map(readTime) as [bigint, bigint, bigint]
  return { query: (range[4] as string).trim(), start, end, step }
}

function readExpected(block: readonly string[]): Expected {
  const rows = block.filter((row) => !row.startsWith('skip '))
  const [first = ''] = rows
  if (first.startsWith('expect fail')) {
    const [, kind, text = ''] = /^expect fail\s*(?:(msg|regex):\s*(.*))?$/.exec(first) ?? []
    return { kind: 'refusal', ...(kind === 'msg' ? { text } : kind === 'regex' ? { pattern: text } : {}) }
  }
  if (first === 'expect empty') return { kind: 'series', isOrdered: false, series: new Map() }
  if (rows.length === 1 && !first.startsWith('{')) return { kind: 'scalar', value: readNumber(first) }
  const isOrdered = first === 'expect ordered'
  const series = (isOrdered ? rows.slice(1) : rows).map((row): [string, Samples] => {
    const [, labels = '', samples = ''] = /^(\{[^}]*\})\s*(.*)$/.exec(row) ?? []
    return [canonical(pairsOf(labels)), samples.split(/\s+/).flatMap(readSamples)]
  })
  return { kind: 'series', isOrdered, series: new Map(series) }
}

/** An empty label counts: parseLabels would leave it out. */
function pairsOf(text: string): [string, string][] {
  const pairs = [...text.matchAll(/([\w.]+)\s*=\s*"((?:[^"\\]|\\.)*)"/g)]
  return pairs.map(([, name = '', value = '']) => [name, JSON.parse(`"${value}"`) as string])
}

/** A label set as a key: pairs by name. */
export function canonical(pairs: readonly (readonly [string, string])[]): string {
  return JSON.stringify(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** `6`, `_`, `2+3x2` for 2, 5 and 8. */
function readSamples(text: string): Samples {
  if (text === '_') return [undefined]
  const [, base, step = '0', count] = /^(.+?)([+-][\d.]+)?x(\d+)$/.exec(text) ?? []
  if (base === undefined) return [readNumber(text)]
  return Array.from({ length: Number(count) + 1 }, (_, i) => readNumber(base) + i * Number(step))
}

function readNumber(text: string): number {
  const value = Number(text.replace(/Inf$/, 'Infinity'))
  if (Number.isNaN(value) && text !== 'NaN') throw new Error(`${text} is no number of a script`)
  return value
}
