/** Reads entries from a row group of a compacted file, given the bytes of its columns; see adapters/duckdb for what is written. */

import { zstdDecompressSync } from 'node:zlib'
import { type DecodedArray, type FileMetaData, parquetRead } from 'hyparquet'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Labels } from '../../domain/labels.ts'
import { DETECTED_LEVEL } from '../../domain/levels/level.ts'
import { NS_PER_SECOND } from '../../domain/time.ts'
import { ENTRY_COLUMNS, type FileDirectory, type RowGroupPlace } from './file-index.ts'

/** Rows [start, end) of the row group, all of one stream. */
export interface RowRun {
  readonly labels: Labels
  readonly start: number
  readonly end: number
}

/** A part of a file that was read, from byte `start` of the file. */
export interface FilePart {
  readonly start: number
  readonly bytes: Uint8Array
}

/**
 * Passes the entries of the runs to the sink, with their exact bytes, times and metadata; `text` of the sink is new memory. Rejects with
 * store_damaged.
 */
export async function readRowGroup(
  directory: FileDirectory,
  group: RowGroupPlace,
  part: FilePart,
  runs: readonly RowRun[],
  sink: PushSink,
): Promise<void> {
  const columns = await readColumns(directory, group, part, runs)
  const bodies = columns.take('body')
  const exact = columns.take('body_bytes')
  const lineOf = (row: number): Uint8Array => asBytes(exact[row] ?? bodies[row])
  let textBytes = 0
  for (const { start, end } of runs) for (let row = start; row < end; row++) textBytes += lineOf(row).length
  const text = new Uint8Array(textBytes)
  const times = columns.take('time_unix_nano')
  const metadata = new MetadataRows(columns)
  sink.useText(text)
  let at = 0
  for (const { labels, start, end } of runs) {
    sink.beginStream(labels)
    for (let row = start; row < end; row++) {
      metadata.give(row, sink)
      const line = lineOf(row)
      text.set(line, at)
      const ns = times[row]
      if (typeof ns !== 'bigint') throw damaged()
      const nanos = Number(((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND)
      sink.addEntry(Number((ns - BigInt(nanos)) / NS_PER_SECOND), nanos, at, at + line.length)
      at += line.length
    }
  }
}

/** Structured metadata of rows: columns of its own for what SQL asks for, a map for the rest. */
class MetadataRows {
  readonly #named: readonly (readonly [name: string, values: Column])[]
  readonly #keys: Column
  readonly #values: Column

  constructor(columns: Columns) {
    this.#named = [
      [DETECTED_LEVEL, columns.take('severity_text')],
      ['trace_id', columns.take('trace_id')],
      ['span_id', columns.take('span_id')],
    ]
    this.#keys = columns.take('log_attributes.key_value.key')
    this.#values = columns.take('log_attributes.key_value.value')
  }

  give(row: number, sink: PushSink): void {
    for (const [name, values] of this.#named) {
      const value = values[row]
      if (value !== null && value !== undefined) sink.addMetadata(name, asText(value))
    }
    const keys = leavesOf(this.#keys[row])
    if (keys.length === 0) return
    const values = leavesOf(this.#values[row])
    if (values.length !== keys.length) throw damaged()
    for (const [i, key] of keys.entries()) sink.addMetadata(asText(key), asText(values[i]))
  }
}

/** The values of a column by row of the group. */
type Column = ArrayLike<unknown>

class Columns {
  readonly byPath = new Map<string, Column>()

  take(path: string): Column {
    const column = this.byPath.get(path)
    if (column === undefined) throw damaged()
    return column
  }
}

async function readColumns(
  directory: FileDirectory,
  group: RowGroupPlace,
  part: FilePart,
  runs: readonly RowRun[],
): Promise<Columns> {
  const pages = new Map<string, { rowStart: number; data: DecodedArray }[]>()
  const [rowStart, rowEnd] = [Math.min(...runs.map(({ start }) => start)), Math.max(...runs.map(({ end }) => end))]
  try {
    await parquetRead({
      file: {
        byteLength: part.start + part.bytes.length,
        slice: (start, end) => sliceOf(part, start, end),
      },
      metadata: metadataOf(directory, group),
      columns: [...ENTRY_COLUMNS],
      rowStart,
      rowEnd,
      compressors: { ZSTD: (bytes, length) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }) },
      // Bytes as they are: bodies need no strings.
      parsers: { stringFromBytes: (bytes: Uint8Array) => bytes },
      geoparquet: false,
      onPage: ({ pathInSchema, columnData, rowStart }) => {
        const path = pathInSchema.join('.')
        const found = pages.get(path)
        if (found === undefined) pages.set(path, [{ rowStart, data: columnData }])
        else found.push({ rowStart, data: columnData })
      },
    })
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : damaged(cause)
  }
  const columns = new Columns()
  for (const [path, found] of pages) columns.byPath.set(path, joinPages(found))
  return columns
}

function joinPages(pages: readonly { rowStart: number; data: DecodedArray }[]): Column {
  const [only] = pages
  if (pages.length === 1 && only?.rowStart === 0) return only.data
  const column: unknown[] = []
  for (const { rowStart, data } of pages) for (let i = 0; i < data.length; i++) column[rowStart + i] = data[i]
  return column
}

function sliceOf({ start: first, bytes }: FilePart, start: number, end = first + bytes.length): ArrayBuffer {
  if (start < first || end > first + bytes.length) throw damaged()
  const from = bytes.byteOffset + start - first
  // A copy: hyparquet wants a buffer that begins with the column.
  return bytes.buffer.slice(from, from + end - start) as ArrayBuffer
}

/** What hyparquet needs of the footer: one row group, whose rows count from 0. */
function metadataOf({ schema, columns }: FileDirectory, { rows, chunks }: RowGroupPlace): FileMetaData {
  const metadata = {
    version: 2,
    schema,
    num_rows: BigInt(rows),
    metadata_length: 0,
    row_groups: [
      {
        num_rows: BigInt(rows),
        total_byte_size: 0n,
        columns: chunks.map(({ dictionary, data, bytes, values }, i) => ({
          file_offset: 0n,
          meta_data: {
            type: columns[i]?.type,
            path_in_schema: columns[i]?.path,
            codec: columns[i]?.codec,
            encodings: [],
            num_values: BigInt(values),
            total_uncompressed_size: 0n,
            total_compressed_size: BigInt(bytes),
            data_page_offset: BigInt(data),
            ...(dictionary !== undefined && { dictionary_page_offset: BigInt(dictionary) }),
          },
        })),
      },
    ],
  }
  // The index keeps the names of the footer as hyparquet gave them.
  return metadata as unknown as FileMetaData
}

/** The values of a map's row, which come in one list for each level of nesting. */
function leavesOf(value: unknown): readonly unknown[] {
  let found = value
  while (Array.isArray(found) && Array.isArray(found[0])) found = found[0]
  return Array.isArray(found) ? found : []
}

function asBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw damaged()
  return value
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

function asText(value: unknown): string {
  return UTF8.decode(asBytes(value))
}

function damaged(cause?: unknown): GatewayError {
  const text = 'a row group of an archive file cannot be read; restore the file, or delete it to read without it'
  return new GatewayError('store_damaged', text, { cause })
}
