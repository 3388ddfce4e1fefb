/** A line with all that the gateway says of it. */

import { type Level, readLevel } from '../query/levels.ts'

export type Pairs = Readonly<Record<string, string>>

/** As Loki sends them with categorised labels. */
export type Streams = readonly {
  readonly stream: Pairs
  readonly values: readonly (readonly [
    ns: string,
    line: string,
    extra?: { structuredMetadata?: Pairs; parsed?: Pairs },
  ])[]
}[]

export interface Entry {
  /** Nanoseconds since the epoch, as text: more digits than a number holds. */
  readonly ns: string
  readonly ms: number
  readonly line: string
  readonly stream: Pairs
  readonly metadata: Pairs
  readonly parsed: Pairs
  readonly level: Level
}

export function entriesOf(streams: Streams, direction: 'forward' | 'backward'): Entry[] {
  const entries = streams.flatMap(({ stream, values }) =>
    values.map(([ns, line, { structuredMetadata: metadata = {}, parsed = {} } = {}]) => {
      const level = readLevel(
        metadata['detected_level'] ?? stream['detected_level'] ?? stream['level'] ?? parsed['level'],
      )
      return { ns, ms: Number(ns.slice(0, -6)), line, stream, metadata, parsed, level }
    }),
  )
  const sign = direction === 'forward' ? 1 : -1
  return entries.sort((a, b) => sign * compareNs(a.ns, b.ns))
}

export function compareNs(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

/** Equal for twins only. */
export const keyOf = ({ ns, line, stream, metadata }: Entry): string => JSON.stringify([ns, line, stream, metadata])

/** The source of a line, for its row. */
export const serviceOf = ({ stream }: Entry): string =>
  stream['service_name'] ?? stream['app'] ?? stream['job'] ?? Object.values(stream)[0] ?? ''

/** RFC 3339 with all nanoseconds. */
export function isoOf(ns: string): string {
  const seconds = new Date(Number(ns.slice(0, -6))).toISOString().slice(0, 19)
  return `${seconds}.${ns.slice(-9)}Z`
}

/** Names a row in a link: the nanosecond and a hash of the rest. */
export function nameOf(entry: Entry): string {
  let hash = 5381
  for (const char of keyOf(entry)) hash = (Math.imul(hash, 33) ^ (char.codePointAt(0) ?? 0)) >>> 0
  return `${entry.ns}.${hash.toString(36)}`
}

/** The value of a chosen column: a label, metadata, a field of the line or what the query parsed. */
export function columnOf(
  { stream, metadata, parsed }: Entry,
  fields: readonly { readonly name: string; readonly value: string }[],
  name: string,
): string | undefined {
  return stream[name] ?? metadata[name] ?? fields.find((field) => field.name === name)?.value ?? parsed[name]
}
