/** Reads entries from a row group of a compacted file, given the bytes of its columns; see adapters/duckdb for what is written. */

import type { FileMetaData } from 'hyparquet'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import type { Labels } from '../../domain/labels.ts'
import { NS_PER_SECOND } from '../../domain/time.ts'
import { ENTRY_COLUMNS, type FileDirectory, type RowGroupPlace } from './file-index.ts'
import { asBytes, damagedRows, MetadataRows, readColumns } from './parquet-columns.ts'

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
  const columns = await readColumns({
    file: { byteLength: part.start + part.bytes.length, slice: (start, end) => sliceOf(part, start, end) },
    metadata: metadataOf(directory, group),
    columns: ENTRY_COLUMNS,
    rowStart: Math.min(...runs.map(({ start }) => start)),
    rowEnd: Math.max(...runs.map(({ end }) => end)),
  })
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
      if (typeof ns !== 'bigint') throw damagedRows()
      const nanos = Number(((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND)
      sink.addEntry(Number((ns - BigInt(nanos)) / NS_PER_SECOND), nanos, at, at + line.length)
      at += line.length
    }
  }
}

function sliceOf({ start: first, bytes }: FilePart, start: number, end = first + bytes.length): ArrayBuffer {
  if (start < first || end > first + bytes.length) throw damagedRows()
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
