/**
 * CursorStore on SSM parameters, under the names that Cognigy's poller has always had.
 *
 * SSM has no conditional write, but every PutParameter answers the version it made, and versions rise by one. A run that
 * read version v and made v + 1 knows that nobody wrote in between: that is the lease. A run that made v + 2 was too late
 * and stops; what it wrote is what it had read, with a lease, so the next run looks before it writes. A stale read only
 * makes a run too late. Under its lease a run writes as it likes, and stops before it ends.
 */

import { GetParametersCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { GatewayError } from '../../../domain/errors.ts'
import { boundIds, type SourceCursor } from '../../../domain/sources/source-cursor.ts'
import type { CursorStore, Lease, StoredCursor } from '../../../ports/sources.ts'
import { formatCursor, parseCursor } from '../../../protocol/sources/source-cursor-format.ts'

export interface SsmCursorNames {
  /** Milliseconds of the newest stored entry, for people and as a beginning; `/cognigy-last-ts-ms`. */
  readonly lastTs: string
  /** The cursor and its lease; `/cognigy-cursor`. */
  readonly cursor: string
  /** The sequence token of old CloudWatch endpoints; `/cognigy-last-seq-token`. */
  readonly sequenceToken: string
}

export interface SsmCursorParts {
  readonly client: Pick<SSMClient, 'send'>
  readonly names: SsmCursorNames
  /** With several projects each has parameters of its own: the names with `-<project id>` behind them. */
  readonly isShared: boolean
  /** How far before `/cognigy-last-ts-ms` a run begins that finds nothing but that, ms. */
  readonly overlapMs: number
  /** Until when everything may be stored that such a run reads, ms since the epoch. */
  readonly doubtfulUntilMs: () => number
}

/** A standard parameter; a larger one costs money. */
const VALUE_CHARS_MAX = 4096

export class SsmCursors implements CursorStore {
  readonly #parts: SsmCursorParts
  /** What `/cognigy-last-ts-ms` says, so that it is written only when it changes. */
  readonly #told = new Map<string, string>()
  readonly #tokens = new Map<string, string>()
  /** What this process saved last, with all its ids: a parameter has no room for those of a busy source. */
  readonly #saved = new Map<string, { readonly version: number; readonly cursor: SourceCursor }>()

  constructor(parts: SsmCursorParts) {
    this.#parts = parts
  }

  async load(projectId: string): Promise<StoredCursor> {
    const { names, client } = this.#parts
    const own = this.#names(projectId)
    const wanted = [...new Set([own.cursor, own.lastTs, own.sequenceToken, names.cursor])]
    const { Parameters = [] } = await attempt(() => client.send(new GetParametersCommand({ Names: wanted })))
    const parameterOf = (name: string) => Parameters.find(({ Name }) => Name === name)
    const record = parameterOf(own.cursor)
    const revision = record?.Version ?? 0
    const lastTs = parameterOf(own.lastTs)?.Value
    if (lastTs !== undefined) this.#told.set(projectId, lastTs)
    const token = parameterOf(own.sequenceToken)?.Value
    if (token !== undefined) this.#tokens.set(projectId, token)
    // A project that was the only one has its cursor under the plain name.
    const found = parseRecord(record?.Value, projectId) ?? parseRecord(parameterOf(names.cursor)?.Value, projectId)
    const saved = this.#saved.get(projectId)
    if (saved?.version === revision) return { cursor: saved.cursor, revision, lease: undefined }
    if (found !== undefined) return { ...found, revision }
    // Parameters of another project are as good as none: a first run looks for what is stored already.
    const isFree = record === undefined
    return { cursor: isFree ? this.#cursorAt(lastTs) : undefined, revision, lease: undefined }
  }

  async claim(projectId: string, loaded: StoredCursor, lease: Lease): Promise<number> {
    const version = await this.#put(projectId, loaded.cursor, lease)
    if (version === loaded.revision + 1) return version
    throw new GatewayError('state_conflict', 'another run has the cursor; this one stops; the next run goes on')
  }

  async save(projectId: string, _revision: number, cursor: SourceCursor, lease: Lease | undefined): Promise<number> {
    this.#saved.delete(projectId)
    const version = await this.#put(projectId, cursor, lease)
    if (lease === undefined) this.#saved.set(projectId, { version, cursor })
    const lastTs = String(cursor.lastTsMs)
    if (lease === undefined && this.#told.get(projectId) !== lastTs) {
      await this.#putValue(this.#names(projectId).lastTs, lastTs)
      this.#told.set(projectId, lastTs)
    }
    return version
  }

  /** The sequence token that came with the cursor, for the sink that needs it. */
  async loadToken(projectId: string): Promise<string | undefined> {
    return this.#tokens.get(projectId)
  }

  async saveToken(projectId: string, token: string): Promise<void> {
    await this.#putValue(this.#names(projectId).sequenceToken, token)
    this.#tokens.set(projectId, token)
  }

  #names(projectId: string): SsmCursorNames {
    const { names, isShared } = this.#parts
    if (!isShared) return names
    const { lastTs, cursor, sequenceToken } = names
    return {
      lastTs: `${lastTs}-${projectId}`,
      cursor: `${cursor}-${projectId}`,
      sequenceToken: `${sequenceToken}-${projectId}`,
    }
  }

  /** The beginning where another poller kept nothing but a time: it may have stored what came until now. */
  #cursorAt(lastTs: string | undefined): SourceCursor | undefined {
    if (lastTs === undefined || !/^[1-9]\d{11,13}$/.test(lastTs)) return undefined
    const lastTsMs = Number(lastTs)
    const sweptMs = lastTsMs - this.#parts.overlapMs
    return { lastTsMs, sweptMs, checkedMs: lastTsMs, ids: new Map(), idsFromMs: this.#parts.doubtfulUntilMs() }
  }

  async #put(projectId: string, cursor: SourceCursor | undefined, lease: Lease | undefined): Promise<number> {
    return this.#putValue(this.#names(projectId).cursor, formatRecord(projectId, cursor, lease))
  }

  async #putValue(name: string, value: string): Promise<number> {
    const command = new PutParameterCommand({ Name: name, Value: value, Type: 'String', Overwrite: true })
    const { Version = 0 } = await attempt(() => this.#parts.client.send(command))
    return Version
  }
}

/** The record in 4 KB: with the newest ids that fit. */
function formatRecord(project: string, cursor: SourceCursor | undefined, lease: Lease | undefined): string {
  const format = (fitting: SourceCursor | undefined): string =>
    JSON.stringify({ project, lease, cursor: fitting && JSON.parse(formatCursor(fitting)) })
  let fitting = cursor
  let text = format(fitting)
  while (text.length > VALUE_CHARS_MAX && fitting !== undefined && fitting.ids.size > 0) {
    fitting = boundIds(fitting, Math.floor(fitting.ids.size * Math.min(0.9, VALUE_CHARS_MAX / text.length)))
    text = format(fitting)
  }
  return text
}

/** Undefined where there is no record, or that of another project. Throws store_damaged where it cannot be read. */
function parseRecord(value: string | undefined, project: string): Omit<StoredCursor, 'revision'> | undefined {
  if (value === undefined) return undefined
  let record: { project?: unknown; lease?: { holder?: unknown; untilMs?: unknown }; cursor?: unknown }
  try {
    record = JSON.parse(value)
  } catch {
    record = {}
  }
  if (typeof record?.project !== 'string') return { cursor: parseCursor(value), lease: undefined }
  if (record.project !== project) return undefined
  const { holder, untilMs } = record.lease ?? {}
  return {
    cursor: record.cursor === undefined ? undefined : parseCursor(JSON.stringify(record.cursor)),
    lease: record.lease === undefined ? undefined : { holder: String(holder), untilMs: Number(untilMs) || 0 },
  }
}

async function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    const reason = (cause as Error).name
    const text = `the poller's cursor in SSM cannot be read or written (${reason}); check the role's rights and the parameters' names`
    throw new GatewayError('store_unavailable', text, { cause })
  }
}
