/**
 * The index of a compacted Parquet file: what a reader needs of it, in one request. It lies in the file, between the data and Parquet's
 * own footer, where no reader of Parquet looks.
 *
 * Bytes: the length of the directory (u32 LE), the directory, then a part for each tenant, each of them zstd over JSON; last the filters.
 * The directory has the columns, the row groups with the byte ranges of their columns, and where each tenant's part lies; a tenant's part
 * its streams with their labels and rows. Rows of a stream lie together, since files are sorted by tenant, stream and time.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'
import type { Label, Labels } from '../../domain/labels.ts'

/** A column of a row group; offsets from the start of the file. */
export interface ColumnChunkPlace {
  /** Undefined without a dictionary. */
  readonly dictionary: number | undefined
  readonly data: number
  /** Compressed bytes, dictionary included. */
  readonly bytes: number
  readonly values: number
}

export interface RowGroupPlace {
  /** The number of its first row in the file. */
  readonly row: number
  readonly rows: number
  /** Times of its entries, inclusive. */
  readonly oldest: bigint
  readonly newest: bigint
  /** In the order of `columns`. */
  readonly chunks: readonly ColumnChunkPlace[]
}

/** A leaf column, with what Parquet's footer says about it in all groups alike. */
export interface ColumnKind {
  readonly path: readonly string[]
  readonly type: string
  readonly codec: string
}

/** A tenant's part of the index. */
export interface TenantPlace {
  readonly tenant: string
  readonly row: number
  readonly rows: number
  /** Bytes of its part within the index. */
  readonly start: number
  readonly bytes: number
}

export interface FileDirectory {
  /** Parquet's schema as hyparquet reads it. */
  readonly schema: readonly unknown[]
  readonly columns: readonly ColumnKind[]
  readonly groups: readonly RowGroupPlace[]
  readonly tenants: readonly TenantPlace[]
}

export interface StreamPlace {
  readonly stream: bigint
  readonly labels: Labels
  readonly row: number
  readonly rows: number
  readonly oldest: bigint
  readonly newest: bigint
}

/** The filter of a tenant's trace ids in one row group. */
export interface GroupFilter {
  readonly group: number
  /** Where it lies within the index; no bytes: no trace ids. */
  readonly start: number
  readonly bytes: number
}

export interface TenantIndex {
  readonly streams: readonly StreamPlace[]
  /** Of the groups in which the tenant has trace ids. */
  readonly filters: readonly GroupFilter[]
}

/** What an index is made of. */
export interface IndexParts extends Omit<FileDirectory, 'tenants'> {
  readonly tenants: readonly {
    readonly tenant: string
    readonly streams: readonly StreamPlace[]
    readonly filters: readonly { readonly group: number; readonly filter: Uint8Array }[]
  }[]
}

const VERSION = 1
const LENGTH_BYTES = 4
/** Far above the index of the largest file. */
const TEXT_BYTES_MAX = 256 * 2 ** 20
const LEVEL = 6

export function encodeFileIndex({ schema, columns, groups, tenants }: IndexParts): Uint8Array {
  // Offsets of filters and parts depend on the length of the directory: they count from its end, and readers add it.
  let at = 0
  const parts: Uint8Array[] = []
  const filters: Uint8Array[] = []
  let filtersAt = 0
  const places: [tenant: string, row: number, rows: number, start: number, bytes: number][] = []
  for (const { tenant, streams, filters: own } of tenants) {
    const part = pack({
      streams: streams.map((each) => [
        String(each.stream),
        each.labels.flatMap(({ name, value }) => [name, value]),
        each.row,
        each.rows,
        String(each.oldest),
        String(each.newest),
      ]),
      filters: own.map(({ group, filter }) => {
        const start = filtersAt
        filtersAt += filter.length
        filters.push(filter)
        return [group, start, filter.length]
      }),
    })
    const row = streams[0]?.row ?? 0
    const rows = streams.reduce((sum, stream) => sum + stream.rows, 0)
    places.push([tenant, row, rows, at, part.length])
    parts.push(part)
    at += part.length
  }
  const directory = pack({
    version: VERSION,
    schema,
    columns: columns.map(({ path, type, codec }) => [path, type, codec]),
    groups: groups.map(({ row, rows, oldest, newest, chunks }) => [
      row,
      rows,
      String(oldest),
      String(newest),
      chunks.map(({ dictionary, data, bytes, values }) => [dictionary ?? 0, data, bytes, values]),
    ]),
    tenants: places,
  })
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, directory.length, true)
  return Buffer.concat([length, directory, ...parts, ...filters])
}

/** The bytes of the directory with its length in front, given at least the first four bytes of an index. */
export function directoryBytes(index: Uint8Array): number {
  if (index.length < LENGTH_BYTES) throw damaged()
  return LENGTH_BYTES + new DataView(index.buffer, index.byteOffset, index.length).getUint32(0, true)
}

/** `index`: at least its first `directoryBytes`. Throws store_damaged. */
export function decodeDirectory(index: Uint8Array): FileDirectory {
  const end = directoryBytes(index)
  if (end > index.length) throw damaged()
  const raw = unpack(index.subarray(LENGTH_BYTES, end)) as RawDirectory
  if (raw.version !== VERSION) throw damaged()
  return {
    schema: raw.schema,
    columns: raw.columns.map(([path, type, codec]) => ({ path, type, codec })),
    groups: raw.groups.map(([row, rows, oldest, newest, chunks]) => ({
      row,
      rows,
      oldest: BigInt(oldest),
      newest: BigInt(newest),
      chunks: chunks.map(([dictionary, data, bytes, values]) => ({
        dictionary: dictionary === 0 ? undefined : dictionary,
        data,
        bytes,
        values,
      })),
    })),
    tenants: raw.tenants.map(([tenant, row, rows, start, bytes]) => ({ tenant, row, rows, start: end + start, bytes })),
  }
}

/** Decodes the part of a tenant, `bytes` of the index from `start` on. Throws store_damaged. */
export function decodeTenantIndex(part: Uint8Array, filtersStart: number): TenantIndex {
  const raw = unpack(part) as RawTenant
  return {
    streams: raw.streams.map(([stream, flat, row, rows, oldest, newest]) => ({
      stream: BigInt(stream),
      labels: toLabels(flat),
      row,
      rows,
      oldest: BigInt(oldest),
      newest: BigInt(newest),
    })),
    filters: raw.filters.map(([group, start, bytes]) => ({ group, start: filtersStart + start, bytes })),
  }
}

/** Where the filters of all tenants begin. */
export function filtersStart({ tenants }: FileDirectory): number {
  const last = tenants.at(-1)
  return last === undefined ? 0 : last.start + last.bytes
}

/** The columns that entries are made of; a file's other columns repeat them for SQL. */
export const ENTRY_COLUMNS: readonly string[] = [
  'time_unix_nano',
  'severity_text',
  'body',
  'body_bytes',
  'trace_id',
  'span_id',
  'log_attributes',
]

/** The byte range [start, end) of the file that has the entries of a row group. */
export function rowGroupRange({ columns }: FileDirectory, group: RowGroupPlace): { start: number; end: number } {
  let [start, end] = [Number.POSITIVE_INFINITY, 0]
  for (const [i, { dictionary, data, bytes }] of group.chunks.entries()) {
    if (!ENTRY_COLUMNS.includes(columns[i]?.path[0] ?? '')) continue
    const first = dictionary ?? data
    start = Math.min(start, first)
    end = Math.max(end, first + bytes)
  }
  return { start, end }
}

interface RawDirectory {
  readonly version: number
  readonly schema: readonly unknown[]
  readonly columns: readonly [string[], string, string][]
  readonly groups: readonly [number, number, string, string, [number, number, number, number][]][]
  readonly tenants: readonly [string, number, number, number, number][]
}

interface RawTenant {
  readonly streams: readonly [string, string[], number, number, string, string][]
  readonly filters: readonly [number, number, number][]
}

function toLabels(flat: readonly string[]): Labels {
  const labels: Label[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) labels.push({ name: flat[i] as string, value: flat[i + 1] as string })
  return labels
}

function pack(value: unknown): Uint8Array {
  const text = Buffer.from(JSON.stringify(value))
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL }, pledgedSrcSize: text.length })
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(zstdDecompressSync(bytes, { maxOutputLength: TEXT_BYTES_MAX }).toString())
  } catch (cause) {
    throw damaged(cause)
  }
}

function damaged(cause?: unknown): GatewayError {
  const text = 'the index of an archive file cannot be read; restore the file, or delete it to read without it'
  return new GatewayError('store_damaged', text, { cause })
}
