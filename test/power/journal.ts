/** The journal of a process under the shim: its operations on the files of one folder, in order. */

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'

/** In the order of the shim's own numbers, from 1. `sync-folder` makes names durable, `sync` the contents of a file. */
export const KINDS = [
  'open',
  'write',
  'truncate',
  'sync',
  'sync-folder',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'rmdir',
  'mark',
  'read',
] as const
export type Kind = (typeof KINDS)[number]

export interface Operation {
  readonly kind: Kind
  /** The resulting errno; 0: success. */
  readonly error: number
  /** The inode number, which may be reused for another file. 0 for operations on names. */
  readonly inode: number
  /** The first byte of a write; the new size of a truncate. */
  readonly offset: number
  /** Relative to the folder, '' for itself; the text of a mark. */
  readonly path: string
  /** The new name of a rename or link. */
  readonly other: string
  /** The written bytes. */
  readonly bytes: Buffer
  /** For an open: whether it created the file. */
  readonly isCreated: boolean
  /** Size of the journal up to and including this operation: a position. */
  readonly end: number
}

const MAGIC = 0x31525750
const HEAD_BYTES = 48
const CREATED = 1

/** Current size of the journal: recorded at a response, it shows what had happened by then. */
export function journalBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

/** The operations after position `from`, which must be the end of one. An incomplete record at the end is skipped. */
export function readJournal(path: string, from = 0): Operation[] {
  if (!existsSync(path)) return []
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(fstatSync(file).size - from)
    readSync(file, bytes, 0, bytes.length, from)
    return [...parse(bytes, from)]
  } finally {
    closeSync(file)
  }
}

function* parse(bytes: Buffer, from: number): Generator<Operation> {
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    if (bytes.readUInt32LE(at) !== MAGIC) throw new Error(`no record begins at byte ${from + at} of the journal`)
    const end = at + bytes.readUInt32LE(at + 4)
    if (end > bytes.length) return
    const pathEnd = at + HEAD_BYTES + bytes.readUInt16LE(at + 44)
    const otherEnd = pathEnd + bytes.readUInt16LE(at + 46)
    const length = Number(bytes.readBigUInt64LE(at + 32))
    yield {
      kind: KINDS[bytes.readUInt32LE(at + 8) - 1] as Kind,
      error: bytes.readUInt32LE(at + 12),
      inode: Number(bytes.readBigUInt64LE(at + 16)),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      path: bytes.toString('utf8', at + HEAD_BYTES, pathEnd),
      other: bytes.toString('utf8', pathEnd, otherEnd),
      bytes: bytes.subarray(otherEnd, Math.min(otherEnd + length, end)),
      isCreated: (bytes.readUInt32LE(at + 40) & CREATED) !== 0,
      end: from + end,
    }
    at = end
  }
}
