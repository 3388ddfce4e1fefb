/** A folder of scratch stores, which cache data loaded from the archive for later reads, up to a size. */

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../../../domain/errors.ts'
import type { LogStore } from '../../../ports/log-store.ts'

/**
 * Opens an empty store in a new folder. It must detect duplicates of any age and keep everything, but need not be durable,
 * because its data can be loaded again.
 */
export type OpenScratch = (folder: string) => LogStore

export interface ScratchSettings {
  /** The folder of the cache, which may be shared between processes of a container but not between containers. */
  readonly folder: string
  /** Size at which a generation ends; a running read may exceed it. */
  readonly bytesMax: number
}

/** One scratch store, with the record of what was loaded into it. */
export interface Generation<Memory> {
  readonly store: LogStore
  readonly memory: Memory
}

/** A reader's lease of a generation, which stays open until the release. */
export interface ScratchLease<Memory> {
  readonly generation: Generation<Memory>
  /** Call it once. `isBroken`: the store failed, so later reads start a new generation. */
  release(isBroken?: boolean): void
}

interface LeasedGeneration<Memory> extends Generation<Memory> {
  readonly folder: string
  readers: number
  isRetired: boolean
  isDiscarded: boolean
}

/**
 * Leases the newest generation; `remember` creates the memory of each. A full or broken generation is closed and deleted
 * when its readers are done.
 */
export class ScratchCache<Memory> {
  readonly #settings: ScratchSettings
  readonly #open: OpenScratch
  readonly #remember: (store: LogStore) => Memory
  readonly #closings = new Set<Promise<void>>()
  #cleaning: Promise<void> | undefined
  #newest: LeasedGeneration<Memory> | undefined
  #isClosed = false

  constructor(settings: ScratchSettings, open: OpenScratch, remember: (store: LogStore) => Memory) {
    this.#settings = settings
    this.#open = open
    this.#remember = remember
  }

  /** Rejects with store_unavailable if the folder cannot be used or the cache is closed. */
  async lease(): Promise<ScratchLease<Memory>> {
    this.#cleaning ??= removeLeftovers(this.#settings.folder).catch((cause) => {
      this.#cleaning = undefined
      throw cause
    })
    await this.#cleaning
    const held = this.#current()
    held.readers++
    let isReleased = false
    return {
      generation: held,
      release: (isBroken = false) => {
        if (isReleased) return
        isReleased = true
        held.readers--
        if (isBroken) held.isRetired = true
        this.#letGo(held)
      },
    }
  }

  /** Size of the newest generation on disk. */
  get bytes(): number {
    return this.#newest?.store.figures().diskBytes ?? 0
  }

  /** Closes and deletes all generations, which ends their readers. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#newest !== undefined) this.#discard(this.#newest)
    await Promise.all(this.#closings)
  }

  #current(): LeasedGeneration<Memory> {
    if (this.#isClosed) throw new GatewayError('store_unavailable', 'the gateway is shutting down; retry')
    const newest = this.#newest
    if (newest !== undefined && !newest.isRetired && !this.#isFull(newest)) return newest
    this.#newest = this.#begin()
    if (newest !== undefined) {
      newest.isRetired = true
      this.#letGo(newest)
    }
    return this.#newest
  }

  #begin(): LeasedGeneration<Memory> {
    const folder = join(this.#settings.folder, `${OWN}-${randomUUID()}`)
    try {
      const store = this.#open(folder)
      return { folder, store, memory: this.#remember(store), readers: 0, isRetired: false, isDiscarded: false }
    } catch (cause) {
      throw cacheFailure(cause)
    }
  }

  #isFull({ store }: LeasedGeneration<Memory>): boolean {
    return store.figures().diskBytes >= this.#settings.bytesMax
  }

  #letGo(held: LeasedGeneration<Memory>): void {
    if (held.isRetired && held.readers === 0) this.#discard(held)
  }

  #discard(held: LeasedGeneration<Memory>): void {
    // A reader that was ended by close releases its lease afterwards.
    if (held.isDiscarded) return
    held.isDiscarded = true
    if (this.#newest === held) this.#newest = undefined
    const closing = held.store
      .close()
      .then(() => rm(held.folder, { recursive: true, force: true }))
      // The next process removes what could not be deleted.
      .catch(() => undefined)
      .finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }
}

/** The error for a failure of the scratch store; it mentions the cache, because the archive is not at fault. */
export function cacheFailure(cause: unknown): GatewayError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const advice = 'free space there, or set MILLRACE_CACHE_DIR to another folder'
  return new GatewayError('store_unavailable', `the cache of the archive cannot be used (${why}); ${advice}`, { cause })
}

/** Name prefix of this process's folders; the start time distinguishes processes with the same pid. */
const OWN = `${process.pid}-${Math.floor(performance.timeOrigin)}`
const NAME = /^(\d{1,10})-(\d{1,16})-[0-9a-f-]{36}$/

/** Deletes folders of dead processes; other files stay. */
async function removeLeftovers(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(folder)) {
      const [, pid, began] = NAME.exec(name) ?? []
      if (pid === undefined || `${pid}-${began}` === OWN) continue
      if (Number(pid) !== process.pid && isRunning(Number(pid))) continue
      await rm(join(folder, name), { recursive: true, force: true })
    }
  } catch (cause) {
    throw cacheFailure(cause)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // The process runs under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
