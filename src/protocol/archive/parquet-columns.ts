/** Reads columns of a row group with hyparquet: values by row, texts as bytes. */

import { zstdDecompressSync } from 'node:zlib'
import { type AsyncBuffer, type DecodedArray, type FileMetaData, parquetRead } from 'hyparquet'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { DETECTED_LEVEL } from '../../domain/levels/level.ts'

/** The values of a column by row of the group. */
export type Column = ArrayLike<unknown>

export class Columns {
  readonly byPath = new Map<string, Column>()

  /** The leaf column, such as `labels.key_value.key`. Throws store_damaged if there is none. */
  take(path: string): Column {
    const column = this.byPath.get(path)
    if (column === undefined) throw damagedRows()
    return column
  }
}

/** Rows of a file with one row group, and its columns to read. */
export interface ColumnRequest {
  readonly file: AsyncBuffer
  /** Of one row group, whose rows count from 0. */
  readonly metadata: FileMetaData
  readonly columns: readonly string[]
  readonly rowStart: number
  readonly rowEnd: number
}

/** Rejects with store_damaged. */
export async function readColumns({ file, metadata, columns, rowStart, rowEnd }: ColumnRequest): Promise<Columns> {
  const pages = new Map<string, { rowStart: number; data: DecodedArray }[]>()
  try {
    await parquetRead({
      file,
      metadata,
      columns: [...columns],
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
    throw cause instanceof GatewayError ? cause : damagedRows(cause)
  }
  const read = new Columns()
  for (const [path, found] of pages) read.byPath.set(path, joinPages(found))
  return read
}

function joinPages(pages: readonly { rowStart: number; data: DecodedArray }[]): Column {
  const [only] = pages
  if (pages.length === 1 && only?.rowStart === 0) return only.data
  const column: unknown[] = []
  for (const { rowStart, data } of pages) for (let i = 0; i < data.length; i++) column[rowStart + i] = data[i]
  return column
}

/** Structured metadata of rows: columns of its own for what SQL asks for, a map for the rest. */
export class MetadataRows {
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

  give(row: number, sink: Pick<PushSink, 'addMetadata'>): void {
    for (const [name, values] of this.#named) {
      const value = values[row]
      if (value !== null && value !== undefined) sink.addMetadata(name, asText(value))
    }
    const keys = leavesOf(this.#keys[row])
    if (keys.length === 0) return
    const values = leavesOf(this.#values[row])
    if (values.length !== keys.length) throw damagedRows()
    for (const [i, key] of keys.entries()) sink.addMetadata(asText(key), asText(values[i]))
  }
}

/** The values of a map's row, which come in one list for each level of nesting. */
export function leavesOf(value: unknown): readonly unknown[] {
  let found = value
  while (Array.isArray(found) && Array.isArray(found[0])) found = found[0]
  return Array.isArray(found) ? found : []
}

/** Throws store_damaged for anything but bytes. */
export function asBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw damagedRows()
  return value
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

export function asText(value: unknown): string {
  return UTF8.decode(asBytes(value))
}

export function damagedRows(cause?: unknown): GatewayError {
  const text = 'a row group of an archive file cannot be read; restore the file, or delete it to read without it'
  return new GatewayError('store_damaged', text, { cause })
}
