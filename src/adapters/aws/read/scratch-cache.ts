/** A folder of scratch stores: what reads loaded from the archive stays there for later ones, up to a size. */

import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../../../domain/errors.ts'
import type { LogStore } from '../../../ports/log-store.ts'

/**
 * Opens an empty store in a folder that does not exist yet. It must find duplicates however long ago they came, keep
 * everything, and need not survive anything: nothing is lost with it.
 */
export type OpenScratch = (folder: string) => LogStore

export interface ScratchSettings {
  /** The cache's own folder: no other container shares it, though processes of one container may. */
  readonly folder: string
  /** Bytes on disk at which a generation ends: a read that is under way may take it past that. */
  readonly bytesMax: number
}

/** One scratch store, with what is known of how it came to hold what it holds. */
export interface Generation<Memory> {
  readonly store: LogStore
  readonly memory: Memory
}

/** A reader's hold on a generation, which stays until it is released. */
export interface ScratchLease<Memory> {
  readonly generation: Generation<Memory>
  /** To be called once. `isBroken`: the store failed, so later reads begin a new one. */
  release(isBroken?: boolean): void
}

interface Held<Memory> extends Generation<Memory> {
  readonly folder: string
  readers: number
  isRetired: boolean
  isDiscarded: boolean
}

/**
 * Hands out the newest generation; `remember` makes the memory of each. One that is full or broken is closed and
 * deleted once its readers are done.
 */
export class ScratchCache<Memory> {
  readonly #settings: ScratchSettings
  readonly #open: OpenScratch
  readonly #remember: (store: LogStore) => Memory
  readonly #closings = new Set<Promise<void>>()
  #cleaning: Promise<void> | undefined
  #newest: Held<Memory> | undefined
  #isClosed = false

  constructor(settings: ScratchSettings, open: OpenScratch, remember: (store: LogStore) => Memory) {
    this.#settings = settings
    this.#open = open
    this.#remember = remember
  }

  /** Rejects with store_unavailable when the folder cannot be used, or the cache is closed. */
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

  /** Bytes on disk of the newest generation. */
  get bytes(): number {
    return this.#newest?.store.figures().diskBytes ?? 0
  }

  /** Closes and deletes every generation; those that are read end their readers. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#newest !== undefined) this.#discard(this.#newest)
    await Promise.all(this.#closings)
  }

  #current(): Held<Memory> {
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

  #begin(): Held<Memory> {
    const folder = join(this.#settings.folder, `${OWN}-${randomUUID()}`)
    try {
      const store = this.#open(folder)
      return { folder, store, memory: this.#remember(store), readers: 0, isRetired: false, isDiscarded: false }
    } catch (cause) {
      throw cacheFailure(cause)
    }
  }

  #isFull({ store }: Held<Memory>): boolean {
    return store.figures().diskBytes >= this.#settings.bytesMax
  }

  #letGo(held: Held<Memory>): void {
    if (held.isRetired && held.readers === 0) this.#discard(held)
  }

  #discard(held: Held<Memory>): void {
    // A reader that was ended by close lets go afterwards.
    if (held.isDiscarded) return
    held.isDiscarded = true
    if (this.#newest === held) this.#newest = undefined
    const closing = held.store
      .close()
      .then(() => rm(held.folder, { recursive: true, force: true }))
      // What could not be deleted now is a left-over, which the next process removes.
      .catch(() => undefined)
      .finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }
}

/** A failure of the scratch store in words that name the cache, as nothing of the archive is wrong. */
export function cacheFailure(cause: unknown): GatewayError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const advice = 'free space there, or set MILLRACE_CACHE_DIR to another folder'
  return new GatewayError('store_unavailable', `the cache of the archive cannot be used (${why}); ${advice}`, { cause })
}

/** Begins the names of this process's folders; a number that is used again is told by when its process began. */
const OWN = `${process.pid}-${Math.floor(performance.timeOrigin)}`
const NAME = /^(\d{1,10})-(\d{1,16})-[0-9a-f-]{36}$/

/** Deletes what processes that are gone left behind; files of others stay. */
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
    // It runs, and is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
