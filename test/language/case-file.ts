/**
 * Reads test/language/cases/*.txt. A file is a list of
 *
 *     load                                      the stored entries, until the next load
 *       10s {app="web"} GET / 200               time, stream, line
 *       20s {app="web"} [trace=x] "a\nb"        with structured metadata; a line in Go quotes may contain anything
 *
 *     instant 60s <metric query>                followed by the samples of the result, in order
 *       {app="web"} 3
 *     range 0s 5m 1m <metric query>             start, end, step
 *       {app="web"} 1@2m 2@3m               the value of each step that has one
 *     logs backward 0s 5m 100 <log query>       start, end, limit; direction backward or forward
 *       20s {app="web"} [trace=x] <status=200> the line
 *
 * An empty result is `(nothing)`, a scalar is `scalar 2`, an error is `error <a part of its text>`. Times are since the
 * epoch. Values are compared to nine digits. A row that starts with `#` is a comment.
 */

import { parseLabels, quoteGo, unescapeGo } from '../../src/domain/labels.ts'
import { parseDuration } from '../../src/logql/parse/literal.ts'
import type { TestEntry } from './blocks.ts'

export interface QueryCase {
  readonly row: number
  readonly kind: 'instant' | 'range' | 'logs'
  /** The words between the kind and the query. */
  readonly args: readonly string[]
  readonly query: string
  readonly entries: readonly TestEntry[]
  readonly wanted: readonly string[]
}

const ARGUMENTS = { instant: 1, range: 3, logs: 4 } as const

export function readCases(text: string): QueryCase[] {
  const cases: (QueryCase & { wanted: string[] })[] = []
  let entries: TestEntry[] = []
  let isLoading = false
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    if (line.startsWith('  ')) {
      if (isLoading) entries.push(readEntry(line.trim(), i + 1))
      else cases.at(-1)?.wanted.push(line.trim())
      continue
    }
    const [kind = '', ...words] = line.split(' ')
    isLoading = kind === 'load'
    if (isLoading) entries = []
    else if (kind in ARGUMENTS) {
      const count = ARGUMENTS[kind as QueryCase['kind']]
      const query = words.slice(count).join(' ')
      cases.push({
        row: i + 1,
        kind: kind as QueryCase['kind'],
        args: words.slice(0, count),
        query,
        entries,
        wanted: [],
      })
    } else throw new Error(`row ${i + 1}: ${kind} is not load, instant, range or logs`)
  }
  return cases
}

/** `1m30s` in nanoseconds. */
export function readTime(text: string): bigint {
  const ns = parseDuration(text)
  if (ns === undefined) throw new Error(`${text} is no duration`)
  return ns
}

function readEntry(text: string, row: number): TestEntry {
  const match = /^(\S+) (\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}) (?:\[((?:[^\]"]|"(?:[^"\\]|\\.)*")*)\] ?)?(.*)$/.exec(text)
  if (match === null) throw new Error(`row ${row}: an entry is a time, a stream in braces and a line`)
  const [, time = '', stream = '', metadata, line = ''] = match
  parseLabels(stream)
  return {
    ns: readTime(time),
    stream,
    line: unquote(line),
    metadata: metadata === undefined ? [] : readPairs(metadata),
  }
}

function readPairs(text: string): [string, string][] {
  return [...text.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S*)/g)]
    .map(([, name = '', value = '']): [string, string] => [name, unquote(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function unquote(text: string): string {
  return /^".*"$/.test(text) ? (unescapeGo(text.slice(1, -1), '"') ?? text) : text
}

/** `[a=b c="d e"]`; empty without pairs. */
export function writePairs(pairs: readonly (readonly [string, string])[], open: string, close: string): string {
  if (pairs.length === 0) return ''
  const words = pairs.map(([name, value]) => `${name}=${/^[^\s"[\]<>]*$/.test(value) ? value : quoteGo(value)}`)
  return `${open}${words.join(' ')}${close} `
}

/** A line in the format of a case file. */
export function writeLine(line: string): string {
  return /^[^"\s]([^\n]*[^\s])?$/.test(line) ? line : quoteGo(line)
}
