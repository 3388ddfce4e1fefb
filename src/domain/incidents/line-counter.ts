/** Counts error lines by kind. A line costs one pass over its bytes; only the first line of a kind becomes a string. */

import { type Batch, type Metadata, metadataWithLevel } from '../entries/batch.ts'
import { type Block, startOf } from '../entries/block.ts'
import type { Labels } from '../labels.ts'
import { LEVELS } from '../levels/level.ts'
import { approximateNs, NS_PER_MS, type NsColumn } from '../time.ts'
import { FIRST_SAMPLES, type LineCount, SAMPLE_CHARS_MAX, type Sample, type Severity } from './incident.ts'
import { type Kind, LineKinds, type Service } from './line-kinds.ts'
import { LineMask } from './line-mask.ts'

export interface CountRules {
  /** The lowest level that counts, as a code of LEVELS. */
  readonly levelMin: number
  /** Labels that identify a service; a stream with none of them is identified by all its labels. */
  readonly identityLabels: readonly string[]
  readonly closesAfterMs: number | undefined
}

/** A counted line as text, for filters and audit rows. */
export interface CountedLine {
  readonly tenant: string
  /** The labels of its stream. */
  readonly labels: Labels
  readonly metadata: Metadata
  readonly ns: bigint
  readonly line: string
  /** Its code in LEVELS. */
  readonly level: number
  readonly sampleId: string
  /** For lines of CloudWatch Logs. */
  readonly logStream: string | undefined
}

export interface CounterOptions {
  /** An additional filter. */
  readonly accepts?: ((line: CountedLine) => boolean) | undefined
  /** Called for each counted line, with the facts of its incident. */
  readonly onLine?: ((line: CountedLine, facts: Kind['facts']) => void) | undefined
}

/** Entries as columns; the callers pass the bounds of the line of entry i. */
interface Entries {
  readonly text: Uint8Array
  readonly levels: Uint8Array
  readonly timestamps: NsColumn
  readonly metadata: Uint8Array
  readonly metadataEnds: Uint32Array
  /** The id of entry i; its time if there is none. */
  readonly sampleId?: (i: number) => string
}

/** The origin of lines. */
export interface LineStream {
  readonly tenant: string
  readonly key: string
  readonly labels: Labels
  readonly logGroup?: string | undefined
  readonly logStream?: string | undefined
}

/** Counts that were taken. They can be put back if they cannot be written. */
export interface TakenCounts {
  readonly counts: readonly LineCount[]
  putBack(): void
}

/** Maximum number of streams whose service is cached; above it the cache starts again. */
const STREAMS_MAX = 20_000
/** Characters of samples that are waiting to be taken; above it a kind only has its first line. */
const SAMPLES_CHARS_MAX = 1024 * 1024
/** A service name that does not identify a service: otherwise all such streams would be one. */
const UNKNOWN_SERVICE = 'unknown_service'
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

export class LineCounter {
  readonly #rules: CountRules
  readonly #options: CounterOptions
  readonly #needsText: boolean
  readonly #mask = new LineMask()
  readonly #kinds = new LineKinds()
  readonly #services = new Map<string, Map<string, Service>>()
  #streams = 0
  #touched: Kind[] = []
  #hasNew = false
  #sampleChars = 0

  /** `atMs`, here and below, is a reading of Clock.monotonicMs. */
  constructor(rules: CountRules, atMs: number, options: CounterOptions = {}) {
    this.#rules = rules
    this.#options = options
    this.#needsText = options.accepts !== undefined || options.onLine !== undefined
    this.#kinds.renew(atMs)
  }

  /** Whether nothing has been counted since the last take. */
  get isEmpty(): boolean {
    return this.#touched.length === 0
  }

  /**
   * Whether there are counts of a kind that was never taken before, as far as remembered, or counts that were put back.
   */
  get hasNew(): boolean {
    return this.#hasNew
  }

  /** True if one of the levels counts. */
  wants(levels: Uint8Array): boolean {
    const { levelMin } = this.#rules
    for (let i = 0; i < levels.length; i++) if ((levels[i] as number) >= levelMin) return true
    return false
  }

  /** Counts the lines of a block. */
  countBlock(tenant: string, block: Block): void {
    const { levelMin } = this.#rules
    const { levels, lineEnds } = block
    for (const { key, labels, start, end } of block.runs) {
      let stream: LineStream | undefined
      let service: Service | undefined
      for (let i = start; i < end; i++) {
        if ((levels[i] as number) < levelMin) continue
        stream ??= { tenant, key, labels }
        service ??= this.#serviceOf(stream)
        this.#count(stream, service, block, i, startOf(lineEnds, i), lineEnds[i] as number)
      }
    }
  }

  /** Counts the lines of a batch. */
  countBatch(batch: Batch): void {
    const { levelMin } = this.#rules
    const { levels, count, tenant } = batch
    for (let i = 0; i < count; i++) {
      if ((levels[i] as number) < levelMin) continue
      const { key, labels } = batch.streams[batch.streamIndexes[i] as number] as Batch['streams'][number]
      const stream = { tenant, key, labels }
      this.#count(stream, this.#serviceOf(stream), batch, i, batch.starts[i] as number, batch.ends[i] as number)
    }
  }

  /** Counts one line of a log group; `text` is the line, `level` its code in LEVELS. */
  countLine(stream: LineStream, text: Uint8Array, level: number, ns: bigint, sampleId: string): void {
    if (level < this.#rules.levelMin) return
    const values = BigInt64Array.of(ns)
    const entries: Entries = {
      text,
      levels: Uint8Array.of(level),
      timestamps: { values, words: new Uint32Array(values.buffer) },
      metadata: NO_BYTES,
      metadataEnds: NO_ENDS,
      sampleId: () => sampleId,
    }
    this.#count(stream, this.#serviceOf(stream), entries, 0, 0, text.length)
  }

  /** Takes the counts until `atMs`; counting continues from zero. */
  take(atMs: number): TakenCounts {
    const taken = this.#touched.map((kind) => ({ kind, level: kind.level, count: countOf(kind) }))
    for (const { kind } of taken) {
      kind.count = 0
      kind.samples = []
    }
    this.#touched = []
    this.#hasNew = false
    this.#sampleChars = 0
    if (this.#kinds.renew(atMs)) {
      this.#services.clear()
      this.#streams = 0
    }
    return {
      counts: taken.map(({ count }) => count),
      putBack: () => {
        for (const { kind, level, count } of taken) this.#putBack(kind, level, count)
      },
    }
  }

  #count(stream: LineStream, service: Service, entries: Entries, i: number, start: number, end: number): void {
    const { text } = entries
    const mask = this.#mask
    mask.read(text, start, end)
    const line = this.#needsText ? lineOf(stream, entries, i, start, end) : undefined
    if (line !== undefined && this.#options.accepts?.(line) === false) return
    let kind = this.#kinds.find(service, mask.bytes, mask.length)
    if (kind === undefined) {
      kind = this.#kinds.hasRoom(service)
        ? this.#kinds.add(service, mask.bytes, mask.length, textOf(text, start, end))
        : this.#kinds.various(service)
    }
    this.#touch(kind, entries, i, start, end)
    if (line !== undefined) this.#options.onLine?.(line, kind.facts)
  }

  #touch(kind: Kind, entries: Entries, i: number, start: number, end: number): void {
    const ms = msOf(entries.timestamps, i)
    const level = entries.levels[i] as number
    if (kind.count === 0) {
      this.#touched.push(kind)
      kind.firstMs = ms
      kind.lastMs = ms
      kind.level = level
    } else {
      if (ms < kind.firstMs) kind.firstMs = ms
      if (ms > kind.lastMs) kind.lastMs = ms
      if (level > kind.level) kind.level = level
    }
    kind.count++
    if (kind.total++ === 0) this.#hasNew = true
    const isSample =
      kind.samples.length === 0 ? kind.total === 1 || this.#hasRoom() : kind.total <= FIRST_SAMPLES && this.#hasRoom()
    if (isSample) this.#addSample(kind, sampleOf(entries, i, start, end, ms))
  }

  #hasRoom(): boolean {
    return this.#sampleChars < SAMPLES_CHARS_MAX
  }

  #addSample(kind: Kind, sample: Sample): void {
    kind.samples.push(sample)
    this.#sampleChars += sample.line.length
  }

  #putBack(kind: Kind, level: number, { count, firstMs, lastMs, samples }: LineCount): void {
    this.#hasNew = true
    if (kind.count === 0) {
      this.#touched.push(kind)
      kind.firstMs = firstMs
      kind.lastMs = lastMs
      kind.level = level
    }
    kind.level = Math.max(kind.level, level)
    kind.count += count
    kind.firstMs = Math.min(kind.firstMs, firstMs)
    kind.lastMs = Math.max(kind.lastMs, lastMs)
    kind.samples = [...samples, ...kind.samples].slice(0, FIRST_SAMPLES)
  }

  #serviceOf(stream: LineStream): Service {
    const { tenant, key, labels } = stream
    let ofTenant = this.#services.get(tenant)
    const known = ofTenant?.get(key)
    if (known !== undefined) return known
    if (this.#streams >= STREAMS_MAX) {
      this.#services.clear()
      this.#streams = 0
      ofTenant = undefined
    }
    const { closesAfterMs, identityLabels } = this.#rules
    const service = this.#kinds.serviceOf({
      tenant,
      labels: identityOf(labels, identityLabels),
      logGroup: stream.logGroup,
      closesAfterMs,
    })
    if (ofTenant === undefined) this.#services.set(tenant, new Map([[key, service]]))
    else ofTenant.set(key, service)
    this.#streams++
    return service
  }
}

const NO_BYTES = new Uint8Array(0)
const NO_ENDS = Uint32Array.of(0)

/** Bytes of a line that are decoded for a sample; enough for SAMPLE_CHARS_MAX characters. */
const SAMPLE_BYTES_MAX = 4 * SAMPLE_CHARS_MAX

function countOf({ facts, count, firstMs, lastMs, level, samples }: Kind): LineCount {
  return { ...facts, kind: 'line', severity: severityOf(level), count, firstMs, lastMs, samples }
}

function sampleOf(entries: Entries, i: number, start: number, end: number, ms: number): Sample {
  const eventId = entries.sampleId?.(i) ?? String(entries.timestamps.values[i])
  const line = textOf(entries.text, start, Math.min(end, start + SAMPLE_BYTES_MAX)).slice(0, SAMPLE_CHARS_MAX + 1)
  return { eventId, ms, line: line.trimEnd() }
}

/** Exact to about a millisecond, without a bigint; whole milliseconds are exact. */
function msOf(timestamps: NsColumn, i: number): number {
  return Math.floor((approximateNs(timestamps, i) + APPROXIMATION_NS) / Number(NS_PER_MS))
}

const APPROXIMATION_NS = 512

function lineOf(
  { tenant, labels, logStream }: LineStream,
  entries: Entries,
  i: number,
  start: number,
  end: number,
): CountedLine {
  const { text, metadata, metadataEnds, levels, timestamps } = entries
  const level = levels[i] as number
  const ns = timestamps.values[i] as bigint
  return {
    tenant,
    labels,
    metadata: metadataWithLevel(metadata, startOf(metadataEnds, i), metadataEnds[i] as number, level),
    ns,
    line: textOf(text, start, end),
    level,
    sampleId: entries.sampleId?.(i) ?? String(ns),
    logStream,
  }
}

function textOf(text: Uint8Array, start: number, end: number): string {
  return UTF8.decode(text.subarray(start, end))
}

/** The severity of a level: levels below warn are info. */
export function severityOf(level: number): Severity {
  switch (LEVELS[level]) {
    case 'warn':
    case 'error':
    case 'critical':
    case 'fatal':
      return LEVELS[level]
    default:
      return 'info'
  }
}

function identityOf(labels: Labels, names: readonly string[]): Labels {
  const identity = labels.filter(({ name, value }) => names.includes(name) && value !== UNKNOWN_SERVICE)
  return identity.length > 0 ? identity : labels
}
