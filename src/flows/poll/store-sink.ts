/** LogSink on the gateway's own store: polled entries become lines of `{source, project, level}`. */

import { readMetadata } from '../../domain/entries/batch.ts'
import { BatchBuilder } from '../../domain/entries/batch-builder.ts'
import { startOf } from '../../domain/entries/block.ts'
import { prometheusName } from '../../domain/entries/entry-metadata.ts'
import { GatewayError } from '../../domain/errors.ts'
import { DETECTED_LEVEL } from '../../domain/levels/level.ts'
import { PUSH_LIMITS, type PushLimits } from '../../domain/limits.ts'
import { equalityMatcher } from '../../domain/selector.ts'
import type { SourceEntry } from '../../domain/sources/source-entry.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import type { Clock, Ports } from '../../ports/log-store.ts'
import type { LogSink, SourceProject, WriteOutcome } from '../../ports/sources.ts'
import { acceptPush } from '../push/accept-push.ts'

export interface StoreSinkParts extends Pick<Ports, 'store' | 'feed'> {
  readonly clock: Clock
  readonly tenant: string
  /** The source's name: the label `source`. */
  readonly source: string
  readonly lineBytesMax: number
}

/** The metadata name of an entry's id. */
const ID_METADATA = 'id'
/** Maximum size of a batch, which the store's queue and memory can easily accept. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024
const UTF8 = new TextEncoder()
/** The source sets the times of polled entries: any age is accepted, also in the future. */
const ANY_FUTURE_MS = 2 ** 45

/**
 * The message is the line; id, trace_id and the other members of the entry are structured metadata. If they exceed the
 * limits of metadata, the line is the whole entry as JSON, so that nothing is lost.
 */
export class StoreSink implements LogSink {
  readonly name = 'store'
  readonly #parts: StoreSinkParts

  constructor(parts: StoreSinkParts) {
    this.#parts = parts
  }

  async write(
    project: SourceProject,
    entries: readonly SourceEntry[],
    doubtful: ReadonlySet<string>,
  ): Promise<WriteOutcome> {
    const known = await this.#findStored(project, entries, doubtful)
    const fresh = entries.filter(({ id }) => !known.has(id))
    let oversized = 0
    let duplicates = known.size
    for (const lines of inBatches(fresh.map((entry) => this.#toLine(entry)))) {
      oversized += lines.filter(({ isCut }) => isCut).length
      const outcome = await acceptPush(this.#parts, this.#build(project, lines))
      duplicates += outcome.duplicates
    }
    return { stored: entries.length - duplicates, duplicates, oversized, rejected: new Map() }
  }

  /** The ids of doubtful entries that are in the store. */
  async #findStored(
    project: SourceProject,
    entries: readonly SourceEntry[],
    doubtful: ReadonlySet<string>,
  ): Promise<Set<string>> {
    const ids = new Set<string>()
    const times = entries.filter(({ id }) => doubtful.has(id)).map(({ timestampMs }) => timestampMs)
    if (times.length === 0) return ids
    const oldest = times.reduce((a, b) => Math.min(a, b))
    const newest = times.reduce((a, b) => Math.max(a, b))
    const { store, source, tenant } = this.#parts
    const read = store.read({
      tenant,
      matchers: [equalityMatcher('source', '=', source), equalityMatcher('project', '=', project.name)],
      start: BigInt(oldest) * NS_PER_MS,
      end: BigInt(newest + 1) * NS_PER_MS,
      direction: 'forward',
    })
    for await (const { block, runs } of read) {
      for (const run of runs) {
        for (let i = run.start; i < run.end; i++) {
          const pairs = readMetadata(block.metadata, startOf(block.metadataEnds, i), block.metadataEnds[i] as number)
          const id = pairs.find(([name]) => name === ID_METADATA)?.[1]
          if (id !== undefined && doubtful.has(id)) ids.add(id)
        }
      }
    }
    return ids
  }

  #toLine(entry: SourceEntry): PolledLine {
    const { lineBytesMax } = this.#parts
    const bytes = entry.metadata.reduce((sum, [name, value]) => sum + 3 * (name.length + value.length), 0)
    const names = new Set(entry.metadata.map(([name]) => prometheusName(name)))
    const isBounded = entry.metadata.length <= PUSH_LIMITS.metadataCountMax && bytes <= PUSH_LIMITS.metadataBytesMax
    const fits = isBounded && names.size === entry.metadata.length && !names.has(DETECTED_LEVEL)
    const text = UTF8.encode(fits ? entry.line : entry.json)
    const metadata = fits
      ? entry.metadata
      : entry.metadata.filter(([name]) => name === ID_METADATA || name === 'trace_id')
    if (text.length <= lineBytesMax) return { entry, text, metadata, isCut: false }
    return { entry, text: cut(text, lineBytesMax), metadata, isCut: true }
  }

  #build(project: SourceProject, lines: readonly PolledLine[]): BatchBuilder {
    const builder = new BatchBuilder({
      tenant: this.#parts.tenant,
      limits: SINK_LIMITS,
      nowMs: this.#parts.clock.nowMs(),
      discoverServiceName: true,
      discoverLevels: true,
      labelCountMax: PUSH_LIMITS.labelCountMax,
      acceptsAnyAge: true,
      trustsTimes: true,
      dropped: [],
      streams: { admitStream: () => true, admitBytes: () => true },
    })
    builder.useText(joined(lines))
    let at = 0
    for (const { entry, text, metadata } of lines) {
      builder.beginStream([
        { name: 'source', value: this.#parts.source },
        { name: 'project', value: project.name },
        { name: 'level', value: entry.level },
      ])
      for (const [name, value] of metadata) builder.addMetadata(name, value)
      const seconds = Math.floor(entry.timestampMs / 1000)
      builder.addEntry(seconds, (entry.timestampMs - seconds * 1000) * 1e6, at, at + text.length)
      at += text.length
    }
    if (builder.count === lines.length) return builder
    throw new GatewayError(
      'internal',
      `BUG: ${lines.length - builder.count} polled entries did not fit the store's form`,
    )
  }
}

interface PolledLine {
  readonly entry: SourceEntry
  readonly text: Uint8Array
  readonly metadata: SourceEntry['metadata']
  readonly isCut: boolean
}

/** Without limits on lines, which are already truncated, and on rates: a source cannot retry later. */
const SINK_LIMITS: PushLimits = {
  ...PUSH_LIMITS,
  ageMsMax: undefined,
  futureMsMax: ANY_FUTURE_MS,
  lineBytesMax: Number.MAX_SAFE_INTEGER,
  pushEntriesMax: Number.MAX_SAFE_INTEGER,
}

/** Truncates a line that is too long, with a mark that has its original length. */
function cut(text: Uint8Array, bytesMax: number): Uint8Array {
  const mark = UTF8.encode(` … (cut: ${text.length} bytes)`)
  let end = Math.max(0, bytesMax - mark.length)
  // At a character boundary.
  while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end--
  const short = new Uint8Array(end + mark.length)
  short.set(text.subarray(0, end))
  short.set(mark, end)
  return short
}

function* inBatches(lines: readonly PolledLine[]): Generator<readonly PolledLine[]> {
  let start = 0
  let bytes = 0
  for (const [i, { text }] of lines.entries()) {
    if (i > start && bytes + text.length > BATCH_BYTES_MAX) {
      yield lines.slice(start, i)
      start = i
      bytes = 0
    }
    bytes += text.length
  }
  if (start < lines.length) yield lines.slice(start)
}

function joined(lines: readonly PolledLine[]): Uint8Array {
  const text = new Uint8Array(lines.reduce((sum, line) => sum + line.text.length, 0))
  let at = 0
  for (const line of lines) {
    text.set(line.text, at)
    at += line.text.length
  }
  return text
}
