/** Detects the fields of log lines: structured metadata, labels parsed by the query, and fields of JSON or logfmt lines. */

import type { Metadata } from '../../domain/entries/batch.ts'
import type { Labels } from '../../domain/labels.ts'
import type { Slices } from '../../kit/slices.ts'
import { LogQuery } from '../../logql/log-query.ts'
import type { LogExpr } from '../../logql/parse/syntax.ts'
import { parseBytes, parseGoDuration, parseGoFloat } from '../../logql/pipeline/convert.ts'
import { labelNameOf, labelNamePart } from '../../logql/pipeline/label-name.ts'
import { LabelSet } from '../../logql/pipeline/label-set.ts'
import { compileJsonParser } from '../../logql/pipeline/parsers/json-parser.ts'
import { compileLogfmtParser } from '../../logql/pipeline/parsers/logfmt-parser.ts'
import type { LogStore } from '../../ports/log-store.ts'
import type { Looked } from './looked.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'

export type FieldType = 'string' | 'int' | 'float' | 'boolean' | 'duration' | 'bytes'
export type FieldParser = 'json' | 'logfmt'

export interface DetectedField {
  readonly name: string
  readonly type: FieldType
  /** The distinct values in the sampled lines, in order of occurrence. */
  readonly values: ReadonlySet<string>
  /** The parsers that extract the field from a line; empty if it is structured metadata or comes from the query. */
  readonly parsers: readonly FieldParser[]
  readonly jsonPath: readonly string[] | undefined
}

export interface FieldRequest {
  readonly tenant: string
  readonly query: LogExpr
  readonly start: bigint
  readonly end: bigint
  /** Number of sampled lines, the newest of the range; also limits the number of values. */
  readonly lineLimit: number
  /** Maximum number of fields; later ones are ignored. */
  readonly fieldLimit: number
  /** The clock's reading, ms since the epoch, for the template function `now`. */
  readonly nowMs: number
  /** The only field to detect; undefined: all. */
  readonly only?: string | undefined
}

export interface DetectedFields {
  /** Sorted by name. */
  readonly fields: readonly DetectedField[]
  readonly looked: Looked
}

/** The fields of the newest lines that match the query. Throws like LogQuery. */
export async function detectFields(
  store: LogStore,
  { tenant, query, start, end, lineLimit, fieldLimit, nowMs, only }: FieldRequest,
  turn: QueryTurn = UNSHARED,
): Promise<DetectedFields> {
  const sample = new LogQuery(query, { direction: 'backward', limit: lineLimit, intervalNs: 0n, nowMs })
  const { matchers } = sample
  const wants = (oldest: bigint, newest: bigint): boolean => sample.wants(oldest, newest)
  const range = { tenant, matchers, start, end, pause: turn.pause }
  const blocks = store.read({ ...range, direction: 'backward', wants }, turn.signal)
  for await (const { block, runs, sequence } of blocks) await turn.run(sample.add(block, runs, sequence))
  return turn.run(fieldsOf(sample, new FieldDetector(fieldLimit, only), lineLimit))
}

/** Each line is its own slice, because it may be long. */
function* fieldsOf(sample: LogQuery, detector: FieldDetector, lineLimit: number): Slices<DetectedFields> {
  let lines = 0
  let oldestNs: bigint | undefined
  for (const { labels, entries } of yield* sample.result()) {
    for (const entry of entries) {
      detector.add(labels, entry)
      lines++
      if (oldestNs === undefined || entry.ns < oldestNs) oldestNs = entry.ns
      yield
    }
  }
  return { fields: detector.fields(), looked: { lines, oldestNs, isWhole: lines < lineLimit } }
}

interface FieldInMaking {
  readonly name: string
  type: FieldType | undefined
  readonly values: Set<string>
  readonly parsers: Set<FieldParser>
  jsonPath: readonly string[] | undefined
}

/** A line after the query: see LogEntry. */
interface SampleEntry {
  readonly ns: bigint
  readonly line: string
  readonly metadata: Metadata
  readonly parsed: Metadata
}

/** Collects the fields of lines, at most `limit` of them. */
export class FieldDetector {
  readonly #limit: number
  readonly #only: string | undefined
  readonly #fields = new Map<string, FieldInMaking>()
  readonly #labels = new LabelSet()
  readonly #parsers = [
    ['json', compileJsonParser()],
    ['logfmt', compileLogfmtParser({ isStrict: false, keepsEmpty: false, extractions: [] })],
  ] as const

  constructor(limit: number, only?: string) {
    this.#limit = limit
    this.#only = only
  }

  add(labels: Labels, { ns, line, metadata, parsed }: SampleEntry): void {
    this.#addAll(metadata)
    this.#addAll(parsed)
    // A field from the query is parsed again to find its parser, but must not count as a second source of the name.
    for (const [name, parser] of this.#parsers) {
      this.#labels.reset(labels, metadata)
      parser({ ns, line, labels: this.#labels }, this.#labels)
      if (this.#labels.hasError) continue
      this.#addParsed(this.#labels.parts().parsed, name, line)
      return
    }
  }

  /** Sorted by name. */
  fields(): DetectedField[] {
    return [...this.#fields.values()]
      .map(({ type = 'string', parsers, ...field }) => ({ ...field, type, parsers: [...parsers].sort() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #addAll(pairs: Metadata): void {
    for (const [name, value] of pairs) this.#addValue(name, value)
  }

  #addParsed(pairs: Metadata, parser: FieldParser, line: string): void {
    let paths: ReadonlyMap<string, readonly string[]> | undefined
    for (const [name, value] of pairs) {
      const field = this.#addValue(name, value)
      if (field === undefined) continue
      field.parsers.add(parser)
      if (parser !== 'json' || field.jsonPath !== undefined) continue
      paths ??= jsonPaths(line)
      field.jsonPath = paths.get(name) ?? paths.get(name.replace(/_extracted$/, ''))
    }
  }

  #addValue(name: string, value: string): FieldInMaking | undefined {
    if (this.#only !== undefined && this.#only !== name) return undefined
    if (name.startsWith('__error') || name === '__preserve_error__' || value === '') return undefined
    let field = this.#fields.get(name)
    if (field === undefined) {
      if (this.#fields.size >= this.#limit) return undefined
      field = { name, type: undefined, values: new Set(), parsers: new Set(), jsonPath: undefined }
      this.#fields.set(name, field)
    }
    if (field.values.has(value)) return field
    field.values.add(value)
    field.type = joinTypes(field.type, typeOfValue(value))
    return field
  }
}

const INT64_MAX = 2n ** 63n
/** Values accepted by Go's strconv.ParseBool, except the numbers 0 and 1. */
const BOOLEANS: readonly string[] = ['t', 'T', 'true', 'TRUE', 'True', 'f', 'F', 'false', 'FALSE', 'False']

/** The narrowest type of the text by Go's rules, which the stages use. */
export function typeOfValue(text: string): FieldType {
  if (/^[+-]?\d{1,19}$/.test(text) && BigInt(text.replace('+', '')) < INT64_MAX) return 'int'
  if (parseGoFloat(text) !== undefined) return 'float'
  if (BOOLEANS.includes(text)) return 'boolean'
  if (parseGoDuration(text) !== undefined) return 'duration'
  return parseBytes(text) === undefined ? 'string' : 'bytes'
}

/** A field with values of several types is a string, unless all are numbers. */
function joinTypes(a: FieldType | undefined, b: FieldType): FieldType {
  if (a === undefined || a === b) return b
  return (a === 'int' && b === 'float') || (a === 'float' && b === 'int') ? 'float' : 'string'
}

/** Maximum nesting of objects whose paths are reported. */
const DEPTH_MAX = 64

/** The path of every member by its label name in `| json`. */
function jsonPaths(line: string): ReadonlyMap<string, readonly string[]> {
  const paths = new Map<string, readonly string[]>()
  const walk = (value: object, prefix: string, path: readonly string[]): void => {
    for (const [key, member] of Object.entries(value)) {
      const name = prefix === '' ? labelNameOf(key) : `${prefix}_${labelNamePart(key)}`
      const below = [...path, key]
      const isObject = typeof member === 'object' && member !== null && !Array.isArray(member)
      if (isObject && below.length <= DEPTH_MAX) walk(member, name, below)
      else if (!paths.has(name)) paths.set(name, below)
    }
  }
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) walk(value, '', [])
  } catch {
    // The scanner of `| json` is more lenient: such a line has fields without a path.
  }
  return paths
}
