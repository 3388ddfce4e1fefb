/** A file of the disk model: the page cache, the disk, and what may reach the disk before a power failure. */

import type { Random } from '../support/random.ts'

/** The kernel's unit of writeback. */
const PAGE_BYTES = 4096
/** The disk's unit of writing. */
const SECTOR_BYTES = 512

/** The extent of a power failure: unsynced writes may or may not be on disk. */
export type FileCut =
  /** None of them. */
  | { readonly mode: 'none' }
  /** All of them, as after a killed process. */
  | { readonly mode: 'all' }
  /** All up to this operation, no later ones. */
  | { readonly mode: 'prefix'; readonly until: number }
  /**
   * Each page, or each sector, as at any moment since the sync. Names as of one operation, because file systems keep
   * their order.
   */
  | { readonly mode: 'subset' | 'torn'; readonly until: number; readonly random: Random }

interface Version {
  /** The number of the operation that created it. */
  readonly at: number
  readonly page: Buffer
  /** A truncation made it: what was in the page before is gone once the truncation is on disk, and not earlier. */
  readonly isCut: boolean
}

interface Size {
  readonly at: number
  readonly bytes: number
}

const ZEROS = Buffer.alloc(PAGE_BYTES)

/** Bytes that grow without being copied each time. */
class Content {
  #room: Buffer
  /** Its end is the file's end. */
  bytes: Buffer

  constructor(bytes: Buffer) {
    this.#room = Buffer.from(bytes)
    this.bytes = this.#room
  }

  /** What is added is zeros. */
  resize(length: number): void {
    const before = this.bytes.length
    if (length > this.#room.length) {
      const room = Buffer.alloc(Math.max(length, 2 * this.#room.length))
      this.bytes.copy(room)
      this.#room = room
    } else if (length > before) this.#room.fill(0, before, length)
    this.bytes = this.#room.subarray(0, length)
  }
}

export class DiskFile {
  /** The contents that reads return. */
  #cached: Content
  #durable: Content
  /** Unsynced contents by page number, oldest first. */
  #versions = new Map<number, Version[]>()
  #sizes: Size[] = []

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#cached = new Content(content)
    this.#durable = new Content(content)
  }

  write(at: number, offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return
    const end = offset + bytes.length
    if (end > this.#cached.bytes.length) this.#resize(at, end)
    bytes.copy(this.#cached.bytes, offset)
    this.#snapshot(at, offset, end)
  }

  truncate(at: number, size: number): void {
    const before = this.#cached.bytes.length
    if (size === before) return
    this.#resize(at, size)
    // If the file grows again, the truncated part is zeros.
    if (size < before) this.#snapshot(at, size, before, true)
  }

  sync(): void {
    for (const [page, versions] of this.#versions) this.#write(page, versions.at(-1) as Version)
    this.#versions.clear()
    this.#durable.resize(this.#cached.bytes.length)
    this.#sizes = []
  }

  /**
   * A failed fsync: each page may have been written or not, and is clean in either case, so that no later sync writes
   * it.
   */
  failSync(random: Random): void {
    for (const [page, versions] of this.#versions) if (random.chance(0.5)) this.#write(page, versions.at(-1) as Version)
    this.#versions.clear()
  }

  /** True if a power failure may lose data. */
  get isPending(): boolean {
    return this.#versions.size > 0 || this.#sizes.length > 0
  }

  get content(): Buffer {
    return this.#cached.bytes
  }

  cut(cut: FileCut): Buffer {
    if (cut.mode === 'all') return Buffer.from(this.#cached.bytes)
    const content = Buffer.concat([this.#durable.bytes], this.#pendingEnd())
    const size = this.#sizeAfter(cut)
    if (cut.mode !== 'none') {
      for (const [page, versions] of this.#versions) {
        const target = content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
        if (cut.mode === 'prefix') versions.findLast(({ at }) => at <= cut.until)?.page.copy(target)
        else mix(target, visible(versions, size.at), cut.mode === 'torn' ? SECTOR_BYTES : PAGE_BYTES, cut.random)
      }
    }
    return content.subarray(0, size.bytes)
  }

  clone(): DiskFile {
    const copy = new DiskFile()
    copy.#cached = new Content(this.#cached.bytes)
    copy.#durable = new Content(this.#durable.bytes)
    copy.#versions = new Map([...this.#versions].map(([page, versions]) => [page, [...versions]]))
    copy.#sizes = [...this.#sizes]
    return copy
  }

  #resize(at: number, bytes: number): void {
    this.#cached.resize(bytes)
    this.#sizes.push({ at, bytes })
  }

  /** The kernel works on pages: one byte makes its whole page dirty, with its other contents. */
  #snapshot(at: number, start: number, end: number, isCut = false): void {
    for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const part = this.#cached.bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
      const version = { at, isCut, page: part.length === 0 ? ZEROS : Buffer.concat([part], PAGE_BYTES) }
      const versions = this.#versions.get(page)
      if (versions === undefined) this.#versions.set(page, [version])
      else versions.push(version)
    }
  }

  #write(page: number, version: Version): void {
    const [end, length] = [(page + 1) * PAGE_BYTES, this.#cached.bytes.length]
    if (this.#durable.bytes.length < Math.min(end, length)) this.#durable.resize(Math.min(end, length))
    version.page.copy(this.#durable.bytes, page * PAGE_BYTES)
  }

  #pendingEnd(): number {
    return Math.max(this.#durable.bytes.length, ...this.#sizes.map(({ bytes }) => bytes))
  }

  #sizeAfter(cut: Exclude<FileCut, { mode: 'all' }>): Size {
    const durable = { at: 0, bytes: this.#durable.bytes.length }
    if (cut.mode === 'none') return durable
    if (cut.mode === 'prefix') return this.#sizes.findLast(({ at }) => at <= cut.until) ?? durable
    return cut.random.pick([durable, ...this.#sizes])
  }
}

/**
 * The contents that a page may have if the file has the size that it got at operation `at`. File systems change the
 * size at once: a truncation that is not on disk has emptied no page, one that is there leaves nothing of what it cut off.
 */
function visible(
  versions: readonly Version[],
  at: number,
): { readonly pages: readonly Buffer[]; readonly isBaseGone: boolean } {
  const last = versions.findLastIndex((version) => version.isCut && version.at <= at)
  const next = versions.findIndex((version) => version.isCut && version.at > at)
  const seen = versions.slice(Math.max(last, 0), next < 0 ? undefined : next)
  return { pages: seen.map(({ page }) => page), isBaseGone: last >= 0 }
}

/** Each unit of the target is unchanged, or from one of the pages. */
function mix(target: Buffer, { pages, isBaseGone }: ReturnType<typeof visible>, unit: number, random: Random): void {
  for (let at = 0; at < target.length; at += unit) {
    const chosen = random.integer(pages.length + 1)
    const page = pages[isBaseGone && chosen === 0 ? 0 : chosen - 1]
    page?.copy(target, at, at, Math.min(at + unit, target.length))
  }
}
