/** The ports of the archive: its compaction (what arrived, the files it becomes, the manifest of those that count), and exports. */

import type { Block, StreamRun } from '../domain/entries/block.ts'

/** The place of an entry in a file: files are sorted by tenant, stream, time. */
export interface FilePlace {
  readonly tenant: string
  /** See streamIdOf. */
  readonly stream: bigint
}

/** A file of sorted entries of one day, before it is in the archive. */
export interface BuiltFile {
  /** `2026-11-29`, in UTC. */
  readonly day: string
  /** Where it lies on this machine. */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  /** Bytes of all lines. */
  readonly lineBytes: number
  /** Times of its entries, inclusive. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly first: FilePlace
  readonly last: FilePlace
  /** Where in the file its index lies, see protocol/archive/file-index.ts. */
  readonly indexStart: number
  readonly indexBytes: number
}

/** A file of the archive, as the manifest has it. */
export interface ArchiveFile extends Omit<BuiltFile, 'path'> {
  /** The key of its object. */
  readonly key: string
  /** The last ten minutes of arrival (see SPAN_MS) that it has entries of. */
  readonly span: number
  /** 0: made of arrivals, 1: of an hour's files, 2: of a day's. */
  readonly level: number
  /** When it became a part of the archive, ms since the epoch. */
  readonly committedMs: number
}

/** A file that other files have replaced: queries that began before still read it. */
export interface RetiredFile {
  readonly key: string
  readonly retiredMs: number
}

/** The manifest's item of one bucket and day. */
export interface ArchiveDay {
  readonly day: string
  /** Rises by one with every change; 0 where there is no item. */
  readonly version: number
  readonly files: readonly ArchiveFile[]
  readonly retired: readonly RetiredFile[]
}

/** A change of a day: `files` and `retired` replace those of the version that was read. */
export interface DayChange {
  readonly before: ArchiveDay
  readonly files: readonly ArchiveFile[]
  readonly retired: readonly RetiredFile[]
}

/** Where a bucket stands. */
export interface BucketState {
  /** Arrivals of earlier ten minutes (see SPAN_MS) are in files; those from here on are read as rows. */
  readonly sealed: number
}

/** The manifest: which files are the archive. One transaction changes it. */
export interface ArchiveManifest {
  /** The number of tenant buckets; undefined while nothing has arrived. */
  buckets(): Promise<number | undefined>
  /** Undefined while nothing has arrived in the bucket. */
  state(bucket: number): Promise<BucketState | undefined>
  /** Days with an item, from `first` to `last`, both included, in order; all when not given. */
  days(bucket: number, first?: string, last?: string): Promise<readonly ArchiveDay[]>
  /**
   * Applies the changes and, where given, moves `sealed` from one value to a later one, all or nothing. False, with nothing changed, if
   * another process changed one of them since it was read. Rejects with store_unavailable or overloaded; it may then have succeeded.
   */
  commit(bucket: number, changes: readonly DayChange[], seal?: { from: number; to: number }): Promise<boolean>
}

/** Arrivals as local files, to build files of. */
export interface GatheredArrivals {
  /** Arrivals of earlier ten minutes are in it: at most `before`. */
  readonly to: number
  /** Files of archive lines (see archive-lines.ts), in the order of arrival. */
  readonly lines: readonly string[]
  /** The entries that arrived: what is built must account for all of them. */
  readonly entries: number
  /** Deletes the local files. */
  dispose(): Promise<void>
}

/** Which arrivals to gather: those of the ten minutes from `from` to before `before`, or of the first of them. */
export interface ArrivalRange {
  readonly from: number
  readonly before: number
  /** Compressed bytes after which no further ten minutes are gathered. */
  readonly bytesMax: number
  /** Leaves out and reports what cannot be read, rather than that everything fails. */
  readonly isCareful: boolean
}

/** Reads what arrived. */
export interface ArchiveArrivals {
  /** Rejects with store_unavailable or overloaded, and with store_damaged if an arrival cannot be read. */
  gather(bucket: number, range: ArrivalRange): Promise<GatheredArrivals>
}

/** Builds files of entries: sorted by tenant, stream and time, each entry once. */
export interface FileBuilder {
  /** Rejects with store_damaged if a line cannot be read. `rows` counts the lines, equal ones too. */
  build(lines: readonly string[]): Promise<{ readonly files: readonly BuiltFile[]; readonly rows: number }>
  /** One file, or several of at most the builder's size, of the entries of local files of one day, earlier arrivals first. */
  merge(paths: readonly string[]): Promise<readonly BuiltFile[]>
  /** Deletes the local files. */
  dispose(files: readonly BuiltFile[]): Promise<void>
}

/** The objects of files. */
export interface FileObjects {
  /** Resolves to the key under which the file is stored, which no other file has. */
  put(bucket: number, file: BuiltFile): Promise<string>
  /** Copies of files on this machine, in order, and what deletes them. */
  fetch(keys: readonly string[]): Promise<{ readonly paths: readonly string[]; dispose(): Promise<void> }>
  /** Missing ones are no error. */
  remove(keys: readonly string[]): Promise<void>
}

/** What an export wrote. */
export interface ExportReport {
  readonly files: number
  readonly entries: number
  /** Bytes of all files. */
  readonly bytes: number
}

/** A folder that is filled with files of the archive, and is there under its name only when it is complete. */
export interface LogExport {
  /** Adds the entries of the runs; they must not change until it resolves. */
  add(tenant: string, block: Block, runs: readonly StreamRun[]): Promise<void>
  /** Writes what is left and gives the folder its name. */
  finish(): Promise<ExportReport>
  /** Deletes what was written. */
  abandon(): Promise<void>
}
