/** One file of the disk model: what the page cache shows, what is on disk, and what may get there before a loss of power. */

import type { Random } from '../support/random.ts'

/** What the kernel writes back as one. */
const PAGE_BYTES = 4096
/** What a disk writes as one. */
const SECTOR_BYTES = 512

/** How far a loss of power went: what was written and not synced before is there or not. */
export type FileCut =
  /** Nothing of it. */
  | { readonly mode: 'none' }
  /** All of it: what a process leaves that is killed. */
  | { readonly mode: 'all' }
  /** All up to this operation, nothing later. */
  | { readonly mode: 'prefix'; readonly until: number }
  /** Each page as it was at any moment since the sync; or each sector. Names as of an operation: file systems keep their order. */
  | { readonly mode: 'subset' | 'torn'; readonly until: number; readonly random: Random }

interface Version {
  /** The number of the operation that made it. */
  readonly at: number
  readonly page: Buffer
}

interface Size {
  readonly at: number
  readonly bytes: number
}

const ZEROS = Buffer.alloc(PAGE_BYTES)

export class DiskFile {
  /** What reads give; its end is the file's end. */
  #cached: Buffer
  #durable: Buffer
  /** By page number, oldest first: what was written since the last sync. */
  #versions = new Map<number, Version[]>()
  #sizes: Size[] = []

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#cached = Buffer.from(content)
    this.#durable = Buffer.from(content)
  }

  write(at: number, offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return
    const end = offset + bytes.length
    if (end > this.#cached.length) this.#resize(at, end)
    bytes.copy(this.#cached, offset)
    this.#snapshot(at, offset, end)
  }

  truncate(at: number, size: number): void {
    const before = this.#cached.length
    if (size === before) return
    this.#resize(at, size)
    // Should the file grow again, what was cut off is zeros.
    if (size < before) this.#snapshot(at, size, before)
  }

  sync(): void {
    for (const [page, versions] of this.#versions) this.#write(page, versions.at(-1) as Version)
    this.#versions.clear()
    this.#durable = resized(this.#durable, this.#cached.length)
    this.#sizes = []
  }

  /** An fsync that failed: each page was written or not, and is clean in any case, so that no later sync writes it. */
  failSync(random: Random): void {
    for (const [page, versions] of this.#versions) if (random.chance(0.5)) this.#write(page, versions.at(-1) as Version)
    this.#versions.clear()
  }

  /** True when a loss of power may lose something. */
  get isPending(): boolean {
    return this.#versions.size > 0 || this.#sizes.length > 0
  }

  get content(): Buffer {
    return this.#cached
  }

  cut(cut: FileCut): Buffer {
    if (cut.mode === 'all') return Buffer.from(this.#cached)
    const content = resized(Buffer.from(this.#durable), this.#pendingEnd())
    if (cut.mode !== 'none') {
      for (const [page, versions] of this.#versions) {
        const target = content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
        if (cut.mode === 'prefix') versions.findLast(({ at }) => at <= cut.until)?.page.copy(target)
        else mix(target, versions, cut.mode === 'torn' ? SECTOR_BYTES : PAGE_BYTES, cut.random)
      }
    }
    return content.subarray(0, this.#sizeAfter(cut))
  }

  clone(): DiskFile {
    const copy = new DiskFile()
    copy.#cached = Buffer.from(this.#cached)
    copy.#durable = Buffer.from(this.#durable)
    copy.#versions = new Map([...this.#versions].map(([page, versions]) => [page, [...versions]]))
    copy.#sizes = [...this.#sizes]
    return copy
  }

  #resize(at: number, bytes: number): void {
    this.#cached = resized(this.#cached, bytes)
    this.#sizes.push({ at, bytes })
  }

  /** The kernel knows pages: a byte makes the whole page of it dirty, with what else is in it. */
  #snapshot(at: number, start: number, end: number): void {
    for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const part = this.#cached.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
      const version = { at, page: part.length === 0 ? ZEROS : Buffer.concat([part], PAGE_BYTES) }
      const versions = this.#versions.get(page)
      if (versions === undefined) this.#versions.set(page, [version])
      else versions.push(version)
    }
  }

  #write(page: number, version: Version): void {
    if (this.#durable.length < (page + 1) * PAGE_BYTES && this.#cached.length > this.#durable.length) {
      this.#durable = resized(this.#durable, Math.min(this.#cached.length, (page + 1) * PAGE_BYTES))
    }
    version.page.copy(this.#durable, page * PAGE_BYTES)
  }

  #pendingEnd(): number {
    return Math.max(this.#durable.length, ...this.#sizes.map(({ bytes }) => bytes))
  }

  #sizeAfter(cut: Exclude<FileCut, { mode: 'all' }>): number {
    if (cut.mode === 'none') return this.#durable.length
    if (cut.mode === 'prefix') return this.#sizes.findLast(({ at }) => at <= cut.until)?.bytes ?? this.#durable.length
    return cut.random.pick([this.#durable.length, ...this.#sizes.map(({ bytes }) => bytes)])
  }
}

/** Each unit of the target stays, or is that of one of the versions. */
function mix(target: Buffer, versions: readonly Version[], unit: number, random: Random): void {
  for (let at = 0; at < target.length; at += unit) {
    const chosen = random.integer(versions.length + 1)
    if (chosen > 0) (versions[chosen - 1] as Version).page.copy(target, at, at, Math.min(at + unit, target.length))
  }
}

function resized(content: Buffer, bytes: number): Buffer {
  return bytes <= content.length ? content.subarray(0, bytes) : Buffer.concat([content], bytes)
}
