/** Reads whole Parquet files that have the archive's columns, written by any tool: by their footer, one row group at a time. */

import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync } from 'hyparquet'
import { GatewayError } from '../../domain/errors.ts'
import { type Label, type Labels, sortLabels } from '../../domain/labels.ts'
import { ENTRY_COLUMNS } from './file-index.ts'
import { asBytes, type Column, damagedRows, leavesOf, MetadataRows, readColumns } from './parquet-columns.ts'

/** An entry of a file. */
export interface FileEntry {
  readonly tenant: string
  /** The same object for consecutive entries of a stream. */
  readonly labels: Labels
  readonly ns: bigint
  /** The exact bytes. */
  readonly line: Uint8Array
  readonly metadata: readonly Label[]
}

const COLUMNS = ['tenant_id', 'labels', ...ENTRY_COLUMNS]

/**
 * The entries of a file, one iterable for each row group; only one is in memory. Rejects with store_damaged for a file that is not Parquet
 * or cannot be read, and names the columns that are missing.
 */
export async function* readParquetEntries(file: AsyncBuffer): AsyncGenerator<Iterable<FileEntry>> {
  const metadata = await readFooter(file)
  const present = new Set(metadata.schema.map(({ name }) => name))
  const missing = COLUMNS.filter((name) => !present.has(name))
  if (missing.length > 0) {
    throw new GatewayError(
      'store_damaged',
      `the Parquet file has no column ${missing.join(', ')}; docs/archive.md lists the columns`,
    )
  }
  for (const group of metadata.row_groups) {
    const own = { ...metadata, num_rows: group.num_rows, row_groups: [group] }
    yield await readGroup(file, own, Number(group.num_rows))
  }
}

async function readFooter(file: AsyncBuffer): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(file, { geoparquet: false })
  } catch (cause) {
    throw new GatewayError('store_damaged', 'it is not a Parquet file, or its footer cannot be read', { cause })
  }
}

async function readGroup(file: AsyncBuffer, metadata: FileMetaData, rows: number): Promise<Iterable<FileEntry>> {
  const columns = await readColumns({ file, metadata, columns: COLUMNS, rowStart: 0, rowEnd: rows })
  const tenants = new Texts(columns.take('tenant_id'))
  const labels = new LabelRows(columns.take('labels.key_value.key'), columns.take('labels.key_value.value'))
  const [bodies, exact, times] = [columns.take('body'), columns.take('body_bytes'), columns.take('time_unix_nano')]
  const attributes = new MetadataRows(columns)
  return {
    *[Symbol.iterator]() {
      for (let row = 0; row < rows; row++) {
        const ns = times[row]
        if (typeof ns !== 'bigint') throw damagedRows()
        const metadata: Label[] = []
        attributes.give(row, { addMetadata: (name, value) => void metadata.push({ name, value }) })
        const line = asBytes(exact[row] ?? bodies[row])
        yield { tenant: tenants.at(row), labels: labels.at(row), ns, line, metadata }
      }
    },
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Texts of a column, decoded once for each value of its dictionary: values that are the same object. */
class Texts {
  readonly #values: Column
  readonly #known = new Map<unknown, string>()

  constructor(values: Column) {
    this.#values = values
  }

  at(row: number): string {
    return this.of(this.#values[row])
  }

  of(value: unknown): string {
    let text = this.#known.get(value)
    if (text === undefined) {
      text = UTF8.decode(asBytes(value))
      this.#known.set(value, text)
    }
    return text
  }
}

class LabelRows {
  readonly #keys: Column
  readonly #values: Column
  readonly #texts: Texts
  #last: { readonly pairs: readonly string[]; readonly labels: Labels } | undefined

  constructor(keys: Column, values: Column) {
    this.#keys = keys
    this.#values = values
    this.#texts = new Texts(keys)
  }

  at(row: number): Labels {
    const [keys, values] = [leavesOf(this.#keys[row]), leavesOf(this.#values[row])]
    if (keys.length !== values.length) throw damagedRows()
    const pairs = keys.flatMap((key, i) => [this.#texts.of(key), this.#texts.of(values[i])])
    const last = this.#last
    if (last?.pairs.length === pairs.length && last.pairs.every((text, i) => text === pairs[i])) return last.labels
    const labels = sortLabels(keys.map((_, i) => ({ name: pairs[2 * i] as string, value: pairs[2 * i + 1] as string })))
    this.#last = { pairs, labels }
    return labels
  }
}
