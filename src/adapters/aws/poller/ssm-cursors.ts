/**
 * CursorStore on SSM parameters, with the parameter names of existing Cognigy pollers.
 *
 * SSM has no conditional writes, but every PutParameter returns the version it created, and versions increase by one. A
 * run that read version v and created v + 1 knows that no one wrote in between: that is the lease. A run that created
 * v + 2 was too late and stops; it wrote what it had read, with a lease, so the next run checks before it writes. A stale
 * read only makes a run too late. While it has the lease, a run writes freely, and it stops before the lease ends.
 */

import { GetParametersCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { GatewayError } from '../../../domain/errors.ts'
import { boundIds, type SourceCursor } from '../../../domain/sources/source-cursor.ts'
import type { CursorStore, Lease, StoredCursor } from '../../../ports/sources.ts'
import { formatCursor, parseCursor } from '../../../protocol/sources/source-cursor-format.ts'

export interface SsmCursorNames {
  /** Time of the newest stored entry in ms, for people and as an initial position; `/cognigy-last-ts-ms`. */
  readonly lastTs: string
  /** The cursor and its lease; `/cognigy-cursor`. */
  readonly cursor: string
  /** The sequence token of old CloudWatch endpoints; `/cognigy-last-seq-token`. */
  readonly sequenceToken: string
}

export interface SsmCursorParts {
  readonly client: Pick<SSMClient, 'send'>
  readonly names: SsmCursorNames
  /** With several projects each has its own parameters, with `-<project id>` appended to the names. */
  readonly isShared: boolean
  /** How far before `/cognigy-last-ts-ms` a run starts if only that exists, ms. */
  readonly overlapMs: number
  /** Entries up to this time may already be stored for such a run, ms since the epoch. */
  readonly doubtfulUntilMs: () => number
}

/** The limit of a standard parameter; larger ones cost money. */
const VALUE_CHARS_MAX = 4096

export class SsmCursors implements CursorStore {
  readonly #parts: SsmCursorParts
  /** The value of `/cognigy-last-ts-ms`, which is written only when it changes. */
  readonly #lastTs = new Map<string, string>()
  readonly #tokens = new Map<string, string>()
  /** The cursors last saved by this process, with all ids: a parameter cannot hold all ids of a busy source. */
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
    if (lastTs !== undefined) this.#lastTs.set(projectId, lastTs)
    const token = parameterOf(own.sequenceToken)?.Value
    if (token !== undefined) this.#tokens.set(projectId, token)
    // A project that used to be the only one has its cursor under the plain name.
    const found = parseRecord(record?.Value, projectId) ?? parseRecord(parameterOf(names.cursor)?.Value, projectId)
    const saved = this.#saved.get(projectId)
    if (saved?.version === revision) return { cursor: saved.cursor, revision, lease: undefined }
    if (found !== undefined) return { ...found, revision }
    // Parameters of another project are ignored: a first run checks for stored entries.
    const isFree = record === undefined
    return { cursor: isFree ? this.#cursorAt(lastTs) : undefined, revision, lease: undefined }
  }

  async claim(projectId: string, loaded: StoredCursor, lease: Lease): Promise<number> {
    const version = await this.#put(projectId, loaded.cursor, lease)
    if (version === loaded.revision + 1) return version
    throw new GatewayError('state_conflict', 'another run has the cursor, so this run stops; the next run continues')
  }

  async save(projectId: string, _revision: number, cursor: SourceCursor, lease: Lease | undefined): Promise<number> {
    this.#saved.delete(projectId)
    const version = await this.#put(projectId, cursor, lease)
    if (lease === undefined) this.#saved.set(projectId, { version, cursor })
    const lastTs = String(cursor.lastTsMs)
    if (lease === undefined && this.#lastTs.get(projectId) !== lastTs) {
      await this.#putValue(this.#names(projectId).lastTs, lastTs)
      this.#lastTs.set(projectId, lastTs)
    }
    return version
  }

  /** The sequence token that was loaded with the cursor, for a sink that needs it. */
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

  /** The initial cursor if another poller stored only a time: it may have stored everything until now. */
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

/** The record, limited to 4 KB, with as many of the newest ids as fit. */
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

/** Undefined without a record or for another project's record. Throws store_damaged if it cannot be read. */
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
    const text = `the poller's cursor in SSM cannot be read or written (${reason}); check the role's permissions and the parameter names`
    throw new GatewayError('store_unavailable', text, { cause })
  }
}
