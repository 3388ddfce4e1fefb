/** Creates files and folders atomically and durably, also across a power failure. */

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'

const IS_WINDOWS = process.platform === 'win32'
/** Accessible only by its owner. */
const FOLDER = { mode: 0o700 }
/** Bytes rewritten at once. */
const CHUNK_BYTES = 1024 * 1024
/** Errors of folders that this user may not open and of file systems that cannot sync folders; they are ignored. */
const FOLDER_NOT_SYNCED = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EROFS'])

/** Creates the folder and its parents with mode 0700. All of them are on disk when it returns. */
export function makeFolder(path: string): void {
  makeFolders(resolve(path))
  // Even if it already existed: the process that created it may have died before syncing it.
  for (let folder = resolve(path); folder !== dirname(folder); folder = dirname(folder)) syncFolder(dirname(folder))
}

/** Not Node's recursive mkdir, which never returns if the file system does not support folders there, such as /proc. */
function makeFolders(path: string): void {
  if (madeOrThere(path)) return
  makeFolders(dirname(path))
  // The parents exist now: a folder that is still missing cannot be created here.
  if (!madeOrThere(path)) mkdirSync(path, FOLDER)
}

/** False if its parent is missing. Throws for any other reason. */
function madeOrThere(path: string): boolean {
  try {
    mkdirSync(path, FOLDER)
    return true
  } catch (cause) {
    // A read-only file system, or a root, may return another error than that the folder exists.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path) return false
    throw cause
  }
}

/**
 * Creates or replaces the file `path`: `write` fills a temporary file in the same folder, which is synced and then
 * renamed. For one process at a time: a partial file of an earlier process is removed.
 */
export function makeWhole(path: string, write: (aside: string) => void): void {
  const aside = `${path}.new`
  rmSync(aside, { force: true })
  write(aside)
  syncFile(aside)
  renameSync(aside, path)
  syncFolder(dirname(path))
}

/** Syncs the content of the file, whichever process wrote it. */
export function syncFile(path: string): void {
  withFile(path, IS_WINDOWS ? 'r+' : 'r', fsyncSync)
}

/** Syncs the names in the folder, if the file system can sync folders. */
export function syncFolder(path: string): void {
  if (IS_WINDOWS) return
  try {
    withFile(path, 'r', fsyncSync)
  } catch (cause) {
    if (!FOLDER_NOT_SYNCED.has((cause as NodeJS.ErrnoException).code ?? '')) throw cause
  }
}

/**
 * Overwrites the file with its own bytes, and syncs it. After a failed fsync the kernel marks the pages as clean: they are
 * read from memory and a second fsync succeeds, but they are not on disk. No one else may write to the file meanwhile.
 */
export function rewriteFile(path: string): void {
  if (!existsSync(path)) return
  withFile(path, 'r+', (file) => {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, fstatSync(file).size))
    for (let at = 0; chunk.length > 0; ) {
      const count = readSync(file, chunk, 0, chunk.length, at)
      if (count === 0) break
      at += overwrite(file, chunk.subarray(0, count), at)
    }
    fsyncSync(file)
  })
}

/** A copy-on-write file system may have no space for it; then the bytes stay unchanged. */
function overwrite(file: number, bytes: Uint8Array, at: number): number {
  try {
    return writeSync(file, bytes, 0, bytes.length, at)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause
    return bytes.length
  }
}

function withFile(path: string, flags: 'r' | 'r+', work: (file: number) => void): void {
  const file = openSync(path, flags)
  try {
    work(file)
  } finally {
    closeSync(file)
  }
}
