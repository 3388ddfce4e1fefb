/**
 * Builds the archive's Parquet files with DuckDB: reads archive lines or other files, leaves out equal entries, sorts, writes row groups of
 * about 4 MB of lines, and puts the index that the gateway reads by into each file.
 */

import { randomUUID } from 'node:crypto'
import { open, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { type FileMetaData, parquetMetadata } from 'hyparquet'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Label, type Labels, sortLabels } from '../../domain/labels.ts'
import { NS_MAX, NS_MIN } from '../../domain/time.ts'
import type { BuiltFile, FileBuilder, FilePlace } from '../../ports/archive.ts'
import { streamIdOf } from '../../protocol/archive/archive-place.ts'
import { encodeFileIndex, type IndexParts, type StreamPlace } from '../../protocol/archive/file-index.ts'
import { makeIdFilter } from '../../protocol/archive/id-filter.ts'

export interface DuckdbSettings {
  /** A folder for files in the making, which exists. */
  readonly folder: string
  /** DuckDB's memory; beyond it DuckDB uses the folder. */
  readonly memoryBytes: number
  /** Line bytes of a merged file; a larger result is several files. */
  readonly fileLineBytes: number
}

/** Line bytes of a row group: measured as the best size, see docs/decisions/archive-files.md. */
const GROUP_LINE_BYTES = 4 * 2 ** 20
/** DuckDB's vector: row groups have a multiple of so many rows. */
const VECTOR_ROWS = 2048
const GROUP_ROWS_MAX = 60 * VECTOR_ROWS
/** Longest archive lines, the second for a second attempt: DuckDB takes twice as much memory for each thread. */
const LINE_BYTES_MAX = [8 * 2 ** 20, 64 * 2 ** 20]
/** The error of a longer line names the option, and faults of the text begin so; all others are faults of the machine. */
const TOO_LONG = /maximum_object_size/
const TEXT_FAULTS = /^(Invalid Input|Conversion|Out of Range) Error/
/** The end of a Parquet file: the footer's length (u32 LE) and `PAR1`. */
const TAIL_BYTES = 8

/** Times of nine digits exactly: DuckDB's own cast fails near the largest time. */
const TIME_NS = `(epoch_us(left("time", 26)::TIMESTAMP)::HUGEINT * 1000 + substr("time", 27, 3)::BIGINT)::BIGINT`
/** OpenTelemetry's numbers of our levels; `critical` is syslog's, which OpenTelemetry's table has as ERROR2. */
const SEVERITY_NUMBER = `CASE severity_text WHEN 'trace' THEN 1 WHEN 'debug' THEN 5 WHEN 'info' THEN 9 WHEN 'warn' THEN 13
  WHEN 'error' THEN 17 WHEN 'critical' THEN 18 WHEN 'fatal' THEN 21 END`
const OWN_NAMES = `'detected_level', 'trace_id', 'span_id'`

const READ_LINES = `
  SELECT tenant AS tenant_id, labels AS label_text, ${TIME_NS} AS time_unix_nano, line AS body,
    from_base64(bytes) AS body_bytes, metadata['detected_level'] AS severity_text, metadata['trace_id'] AS trace_id,
    metadata['span_id'] AS span_id,
    CASE WHEN metadata IS NULL OR len(list_filter(map_keys(metadata), lambda k: k NOT IN (${OWN_NAMES}))) = 0
      THEN MAP {}::MAP(VARCHAR, VARCHAR)
      ELSE map_from_entries(list_filter(map_entries(metadata), lambda e: e.key NOT IN (${OWN_NAMES}))) END AS log_attributes`

const LINE_COLUMNS = `{tenant: 'VARCHAR', "time": 'VARCHAR', labels: 'JSON', metadata: 'MAP(VARCHAR, VARCHAR)', line: 'VARCHAR',
  bytes: 'VARCHAR'}`

/**
 * The columns of a file, in order: those that the gateway reads lie together at the end. DuckDB takes the outermost times for infinity.
 */
const FILE_COLUMNS = `CASE WHEN abs(time_unix_nano::HUGEINT) < 9223372000000000000 THEN make_timestamp_ns(time_unix_nano) END AS "timestamp",
  tenant_id, stream_id, service_name, ${SEVERITY_NUMBER}::INTEGER AS severity_number, labels,
  time_unix_nano, severity_text, body, body_bytes, trace_id, span_id, log_attributes`

interface DayRange {
  readonly day: string
  /** Row numbers of the sorted table, [start, end). */
  readonly start: number
  readonly end: number
}

export class DuckdbFiles implements FileBuilder {
  readonly #settings: DuckdbSettings

  constructor(settings: DuckdbSettings) {
    this.#settings = settings
  }

  async build(lines: readonly string[]): Promise<{ files: readonly BuiltFile[]; rows: number }> {
    return this.#withDatabase(async (db, folder) => {
      const rows = await this.#readLines(db, folder, lines)
      return { files: await this.#writeAll(db, folder, Number.POSITIVE_INFINITY), rows }
    })
  }

  async merge(paths: readonly string[]): Promise<readonly BuiltFile[]> {
    return this.#withDatabase(async (db, folder) => {
      await run(
        db,
        `CREATE TABLE entries AS SELECT tenant_id, stream_id, service_name, labels, time_unix_nano, body, body_bytes, severity_text,
          trace_id, span_id, log_attributes FROM read_parquet(${texts(paths)})`,
      )
      return this.#writeAll(db, folder, this.#settings.fileLineBytes)
    })
  }

  async dispose(files: readonly BuiltFile[]): Promise<void> {
    await Promise.all(files.map(({ path }) => rm(path, { force: true })))
  }

  async #withDatabase<T>(work: (db: DuckDBConnection, folder: string) => Promise<T>): Promise<T> {
    const { folder, memoryBytes } = this.#settings
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${Math.floor(memoryBytes / 2 ** 20)}MiB`,
      temp_directory: join(folder, `spill-${randomUUID()}`),
      threads: '2',
      // Nothing is loaded from elsewhere.
      autoinstall_known_extensions: 'false',
    })
    const db = await instance.connect()
    try {
      return await work(db, folder)
    } finally {
      db.disconnectSync()
      instance.closeSync()
    }
  }

  /** Fills `entries`, in the order of the lines; resolves to their number. */
  async #readLines(db: DuckDBConnection, folder: string, lines: readonly string[]): Promise<number> {
    await this.#loadLines(db, lines)
    const [counts] = await rowsOf(
      db,
      `SELECT count(*), count(tenant_id) = count(*) AND count(label_text) = count(*) AND count(time_unix_nano) = count(*)
        AND count(body) = count(*) FROM lines`,
    )
    if (counts?.[1] !== true) throw unreadable()
    const path = join(folder, `streams-${randomUUID()}.ndjson`)
    try {
      await writeFile(path, streamLines(await rowsOf(db, 'SELECT DISTINCT label_text::VARCHAR FROM lines')))
      await run(
        db,
        `CREATE TABLE streams AS SELECT * FROM read_json('${quoted(path)}', format = 'newline_delimited',
          columns = {label_text: 'VARCHAR', stream_id: 'BIGINT', service_name: 'VARCHAR', labels: 'MAP(VARCHAR, VARCHAR)'})`,
      )
    } finally {
      await rm(path, { force: true })
    }
    await run(
      db,
      `CREATE TABLE entries AS SELECT lines.* EXCLUDE label_text, stream_id, service_name, labels
        FROM lines JOIN streams ON lines.label_text::VARCHAR = streams.label_text ORDER BY lines.rowid`,
    )
    await run(db, 'DROP TABLE lines')
    return Number(counts[0])
  }

  async #loadLines(db: DuckDBConnection, lines: readonly string[]): Promise<void> {
    for (const [i, lineBytesMax] of LINE_BYTES_MAX.entries()) {
      try {
        return await run(
          db,
          `CREATE TABLE lines AS ${READ_LINES} FROM read_json(${texts(lines)}, format = 'newline_delimited',
            columns = ${LINE_COLUMNS}, maximum_object_size = ${lineBytesMax})`,
        )
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : ''
        if (TOO_LONG.test(why) && i + 1 < LINE_BYTES_MAX.length) continue
        throw TEXT_FAULTS.test(why) ? unreadable(cause) : cause
      }
    }
  }

  /** Sorts `entries` and writes each day of them, in files of about `lineBytesMax`. */
  async #writeAll(db: DuckDBConnection, folder: string, lineBytesMax: number): Promise<BuiltFile[]> {
    await run(
      db,
      `CREATE TABLE sorted AS SELECT *, rowid AS arrival
        FROM entries ORDER BY tenant_id, stream_id, time_unix_nano, arrival`,
    )
    await run(db, 'DROP TABLE entries')
    await this.#dropEqual(db)
    const days = await rowsOf(
      db,
      `SELECT ${DAY} AS day, count(*), sum(strlen(body))::BIGINT FROM sorted GROUP BY 1 ORDER BY 1`,
    )
    const files: BuiltFile[] = []
    for (const [dayNumber, count, lineBytes] of days) {
      const day = new Date(Number(dayNumber) * 86_400_000).toISOString().slice(0, 10)
      await run(
        db,
        `CREATE TABLE day_rows AS SELECT * EXCLUDE arrival FROM sorted WHERE ${DAY} = ${dayNumber}
          ORDER BY tenant_id, stream_id, time_unix_nano, arrival`,
      )
      const rows = Number(count)
      const pieces = Math.max(1, Math.ceil(Number(lineBytes) / lineBytesMax))
      const pieceRows = Math.ceil(rows / pieces)
      for (let start = 0; start < rows; start += pieceRows) {
        const range = { day, start, end: Math.min(rows, start + pieceRows) }
        files.push(await this.#writeFile(db, folder, range, Number(lineBytes) / rows))
      }
      await run(db, 'DROP TABLE day_rows')
    }
    return files
  }

  /** Of entries that are equal, the first to arrive stays. Most inputs have no two entries of one time in a stream. */
  async #dropEqual(db: DuckDBConnection): Promise<void> {
    const [found] = await rowsOf(
      db,
      `SELECT 1 FROM sorted GROUP BY tenant_id, stream_id, time_unix_nano HAVING count(*) > 1 LIMIT 1`,
    )
    if (found === undefined) return
    await run(
      db,
      `CREATE TABLE distinct_rows AS SELECT DISTINCT ON (tenant_id, stream_id, time_unix_nano, sha256(body), body_bytes, severity_text,
        trace_id, span_id, log_attributes::VARCHAR) * FROM sorted ORDER BY tenant_id, stream_id, time_unix_nano, arrival`,
    )
    await run(db, 'DROP TABLE sorted')
    await run(db, 'ALTER TABLE distinct_rows RENAME TO sorted')
  }

  async #writeFile(db: DuckDBConnection, folder: string, { day, start, end }: DayRange, lineBytes: number) {
    const path = join(folder, `file-${randomUUID()}.parquet`)
    const groupRows = Math.max(
      VECTOR_ROWS,
      Math.floor(GROUP_LINE_BYTES / Math.max(1, lineBytes) / VECTOR_ROWS) * VECTOR_ROWS,
    )
    const piece = `(SELECT *, rowid - ${start} AS place FROM day_rows WHERE rowid >= ${start} AND rowid < ${end})`
    await run(
      db,
      `COPY (SELECT ${FILE_COLUMNS} FROM ${piece} ORDER BY place) TO '${quoted(path)}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2,
        ROW_GROUP_SIZE ${Math.min(GROUP_ROWS_MAX, groupRows)})`,
    )
    const footer = await takeFooter(path)
    const parts = await this.#indexOf(db, piece, footer.metadata)
    const index = encodeFileIndex(parts)
    await appendTo(path, [index, footer.bytes])
    const [facts] = await rowsOf(
      db,
      `SELECT count(*), coalesce(sum(strlen(body)), 0)::BIGINT, min(time_unix_nano), max(time_unix_nano) FROM ${piece}`,
    )
    const [rows, bytes, oldest, newest] = facts as readonly unknown[]
    return {
      day,
      path,
      bytes: (await stat(path)).size,
      rows: Number(rows),
      lineBytes: Number(bytes),
      oldest: oldest as bigint,
      newest: newest as bigint,
      first: placeOf(parts.tenants[0], 0),
      last: placeOf(parts.tenants.at(-1), -1),
      indexStart: footer.start,
      indexBytes: index.length,
    }
  }

  async #indexOf(db: DuckDBConnection, piece: string, metadata: FileMetaData): Promise<IndexParts> {
    const groups = groupsOf(metadata)
    const byTenant = new Map<string, StreamPlace[]>()
    const streams = await rowsOf(
      db,
      `SELECT tenant_id, stream_id, any_value(to_json(labels))::VARCHAR, count(*), min(time_unix_nano), max(time_unix_nano)
        FROM ${piece} GROUP BY tenant_id, stream_id ORDER BY tenant_id, stream_id`,
    )
    let row = 0
    for (const [tenant, stream, labels, rows, oldest, newest] of streams) {
      const own = byTenant.get(tenant as string) ?? []
      const place = { stream: stream as bigint, labels: readLabels(labels as string), row, rows: Number(rows) }
      own.push({ ...place, oldest: oldest as bigint, newest: newest as bigint })
      byTenant.set(tenant as string, own)
      row += Number(rows)
    }
    const filters = await this.#filtersOf(db, piece, groups)
    return {
      schema: JSON.parse(JSON.stringify(metadata.schema)) as unknown[],
      columns: (metadata.row_groups[0]?.columns ?? []).map(({ meta_data }) => ({
        path: meta_data?.path_in_schema ?? [],
        type: meta_data?.type ?? '',
        codec: meta_data?.codec ?? '',
      })),
      groups,
      tenants: Array.from(byTenant, ([tenant, streams]) => ({ tenant, streams, filters: filters.get(tenant) ?? [] })),
    }
  }

  async #filtersOf(db: DuckDBConnection, piece: string, groups: IndexParts['groups']) {
    const filters = new Map<string, { group: number; filter: Uint8Array }[]>()
    const bounds = groups.map(({ row, rows }, i) => `WHEN place < ${row + rows} THEN ${i}`).join(' ')
    if (groups.length === 0) return filters
    const found = await rowsOf(
      db,
      `SELECT tenant_id, CASE ${bounds} END AS part, list(DISTINCT trace_id) FROM
        ${piece}
        WHERE trace_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`,
    )
    for (const [tenant, group, ids] of found) {
      const own = filters.get(tenant as string) ?? []
      own.push({ group: Number(group), filter: makeIdFilter((ids as { items: string[] }).items) })
      filters.set(tenant as string, own)
    }
    return filters
  }
}

/** The day since the epoch, rounded down; exact, which a division of floating point numbers is not. */
const DAY = `((time_unix_nano::HUGEINT - (time_unix_nano % 86400000000000 + 86400000000000) % 86400000000000) // 86400000000000)::INTEGER`

function groupsOf({ row_groups }: FileMetaData): IndexParts['groups'] {
  let row = 0
  return row_groups.map(({ num_rows, columns }) => {
    const rows = Number(num_rows)
    row += rows
    const chunks = columns.map(({ meta_data }) => ({
      dictionary:
        meta_data?.dictionary_page_offset === undefined ? undefined : Number(meta_data.dictionary_page_offset),
      data: Number(meta_data?.data_page_offset),
      bytes: Number(meta_data?.total_compressed_size),
      values: Number(meta_data?.num_values),
    }))
    const time = columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === 'time_unix_nano')?.meta_data
      ?.statistics
    const [oldest, newest] = [time?.min_value, time?.max_value]
    return {
      row: row - rows,
      rows,
      oldest: typeof oldest === 'bigint' ? oldest : NS_MIN,
      newest: typeof newest === 'bigint' ? newest : NS_MAX,
      chunks,
    }
  })
}

/** The stream number `at` of a tenant of the index. */
function placeOf(tenant: IndexParts['tenants'][number] | undefined, at: number): FilePlace {
  const stream = tenant?.streams.at(at)
  if (tenant === undefined || stream === undefined)
    throw new GatewayError('internal', 'BUG: a file has no entries; report it')
  return { tenant: tenant.tenant, stream: stream.stream }
}

/** The stream of each text of labels, a JSON object a line. */
function streamLines(found: readonly (readonly unknown[])[]): string {
  return found
    .map(([text]) => {
      const labels = readLabels(text as string)
      const service = labels.find(({ name }) => name === 'service_name')?.value
      const pairs = labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
      const own = `"label_text":${JSON.stringify(text)},"stream_id":${streamIdOf(labels, formatLabels(labels))}`
      return `{${own},"service_name":${JSON.stringify(service ?? null)},"labels":{${pairs.join(',')}}}\n`
    })
    .join('')
}

/** Throws store_damaged for anything but an object of texts. */
function readLabels(text: string): Labels {
  const labels: Label[] = []
  // Keys from clients, such as __proto__, stay entries here.
  for (const [name, value] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
    if (typeof value !== 'string') throw unreadable()
    labels.push({ name, value })
  }
  return sortLabels(labels)
}

/** Cuts the footer off the file and returns it, with its length and the closing magic. */
async function takeFooter(path: string): Promise<{ bytes: Uint8Array; start: number; metadata: FileMetaData }> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const tail = Buffer.alloc(TAIL_BYTES)
    await file.read(tail, 0, TAIL_BYTES, size - TAIL_BYTES)
    const start = size - TAIL_BYTES - tail.readUInt32LE(0)
    const bytes = new Uint8Array(size - start)
    await file.read(bytes, 0, bytes.length, start)
    await file.truncate(start)
    return { bytes, start, metadata: parquetMetadata(bytes.buffer) }
  } finally {
    await file.close()
  }
}

async function appendTo(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (const part of parts) await file.appendFile(part)
  } finally {
    await file.close()
  }
}

async function run(db: DuckDBConnection, sql: string): Promise<void> {
  await db.run(sql)
}

async function rowsOf(db: DuckDBConnection, sql: string): Promise<readonly (readonly unknown[])[]> {
  return (await db.runAndReadAll(sql)).getRows()
}

function quoted(text: string): string {
  return text.replaceAll("'", "''")
}

function texts(paths: readonly string[]): string {
  return `[${paths.map((path) => `'${quoted(path)}'`).join(', ')}]`
}

function unreadable(cause?: unknown): GatewayError {
  // DuckDB's message quotes the line.
  return new GatewayError('store_damaged', 'an archive line cannot be read; compaction leaves such lines out', {
    cause,
  })
}
