/** The space that the data folder takes, and a reserve that lets maintenance delete when the disk is full. */

import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SQLITE_FULL, SQLITE_IOERR, sqliteCode } from '../sqlite-file.ts'

const RESERVE_FILE = 'reserve'
/** Files that a repair set aside are not data, and retention must not make room for them. */
const ASIDE = '.damaged-'
const CHUNK_BYTES = 256 * 1024

/** Bytes of all files in the folder whose name does not start with `except`. Files may come and go meanwhile. */
export function folderBytes(folder: string, except: string): number {
  let bytes = 0
  for (const name of readdirSync(folder)) {
    if (name === except || name.includes(ASIDE)) continue
    bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

/** A file without meaning that occupies space until someone needs it. */
export class Reserve {
  readonly #path: string
  readonly #bytes: number

  /** `bytes`: 0 reserves nothing. */
  constructor(folder: string, bytes: number) {
    this.#path = join(folder, RESERVE_FILE)
    this.#bytes = bytes
  }

  /** Gives `bytes` back, all by default; false if there was nothing. */
  release(bytes = Number.POSITIVE_INFINITY): boolean {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
    if (size > bytes) truncateSync(this.#path, size - bytes)
    else rmSync(this.#path, { force: true })
    return size > 0
  }

  /** Takes the space, unless it is taken; false if the disk has not enough. */
  take(): boolean {
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) >= this.#bytes) return true
    try {
      this.#fill()
      return true
    } catch {
      // Maintenance tells that the disk is full when it needs the space.
      this.release()
      return false
    }
  }

  #fill(): void {
    // Written, not only made longer, and not zeros: file systems store neither holes nor, some, zeros.
    const chunk = Buffer.alloc(CHUNK_BYTES)
    let state = 1
    for (let i = 0; i < chunk.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      chunk[i] = state >>> 24
    }
    const file = openSync(this.#path, 'w', 0o600)
    try {
      for (let at = 0; at < this.#bytes; ) at += writeSync(file, chunk, 0, Math.min(chunk.length, this.#bytes - at))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

/** Bytes that a start may need: small writes, and the memory that connections share. */
const START_BYTES = 1024 * 1024

/**
 * Opens something in the folder; on a full disk once more with a part of the reserve. The rest stays for deletions. Throws
 * like `open`, whose error may be a SQLite error or have one as its cause.
 */
export function openWithReserve<T>(folder: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    // Not if another process has the folder: then the reserve is its own.
    const code = sqliteCode(cause) ?? sqliteCode((cause as Error).cause)
    if (code !== SQLITE_FULL && code !== SQLITE_IOERR) throw cause
    if (!new Reserve(folder, 0).release(START_BYTES)) throw cause
    return open()
  }
}
