/** Loads archive objects into the scratch store, several at a time, each once. */

import type { Batch } from '../../../domain/entries/batch.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { LogStore } from '../../../ports/log-store.ts'
import type { ArchiveBucket, StoredObject } from '../archive-bucket.ts'
import type { LoadEntries } from './archive-sources.ts'
import { type Damage, loadObject } from './object-loader.ts'
import { cacheFailure } from './scratch-cache.ts'
import { SharedLoads, unlessAborted } from './shared-loads.ts'

/** Events about damaged archive objects and recent items. */
export interface ReaderEvents {
  sourceDamaged(name: string, why: string): void
}

/** Objects up to this size are prefetched while earlier ones are decoded; larger ones are streamed. */
const FETCHED_BYTES_MAX = 8 * 1024 * 1024
/** Attempts to read an object whose connection breaks. */
const ATTEMPTS = 3

/** An object, or a part of one that has a way to load its entries. */
export interface LoadedObject extends StoredObject {
  readonly load?: LoadEntries
}

/** The archive objects in a scratch store. */
export class ObjectLoads {
  /** True if the scratch store has failed: later reads must not use it. */
  isBroken = false
  readonly #bucket: Pick<ArchiveBucket, 'get'>
  readonly #store: LogStore
  readonly #events: ReaderEvents
  /** The damage of loaded objects, or undefined, by name and etag. */
  readonly #loaded = new Map<string, string | undefined>()
  readonly #loads = new SharedLoads<string | undefined>()

  constructor(bucket: Pick<ArchiveBucket, 'get'>, store: LogStore, events: ReaderEvents) {
    this.#bucket = bucket
    this.#store = store
    this.#events = events
  }

  /** True if the object was loaded without damage; damage is reported to every read. */
  hasWhole(object: StoredObject): boolean {
    const name = nameOf(object)
    return this.#loaded.has(name) && this.#loaded.get(name) === undefined
  }

  /**
   * Loads the objects, keeping the order of their entries, and resolves with the first damage among them. Rejects with
   * store_unavailable, overloaded, or the signal's reason, which ends the loads that no other read waits for.
   */
  async load(objects: readonly LoadedObject[], signal?: AbortSignal): Promise<GatewayError | undefined> {
    let before: Promise<unknown> = Promise.resolve()
    const loading = objects.map((object) => {
      const turn = before
      const load = this.#loadOne(object, turn, signal)
      before = load.catch(() => undefined)
      return load
    })
    // Waits for all, so that none fails in the background.
    const outcomes = await Promise.allSettled(loading)
    let damage: GatewayError | undefined
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') throw outcome.reason
      if (outcome.value !== undefined) damage ??= damageOf((objects[i] as LoadedObject).key, outcome.value)
    }
    return damage
  }

  async #loadOne(object: LoadedObject, turn: Promise<unknown>, signal?: AbortSignal): Promise<string | undefined> {
    const name = nameOf(object)
    if (this.#loaded.has(name)) return this.#loaded.get(name)
    return this.#loads.join(name, (signal) => this.#fetchAndStore(object, turn, signal), signal)
  }

  async #fetchAndStore(object: LoadedObject, turn: Promise<unknown>, signal: AbortSignal): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        const damage = await this.#loadBody(object, turn, signal)
        const isWorthCare = damage?.failedAt !== undefined
        const why = (isWorthCare ? await this.#loadBody(object, turn, signal, damage.failedAt) : damage)?.why
        this.#loaded.set(nameOf(object), why)
        if (why !== undefined) this.#events.sourceDamaged(object.key, why)
        return why
      } catch (cause) {
        signal.throwIfAborted()
        const isRetried = cause instanceof GatewayError && cause.code === 'store_unavailable' && !this.isBroken
        if (!isRetried || attempt === ATTEMPTS) throw cause
      }
    }
  }

  async #loadBody(
    object: LoadedObject,
    turn: Promise<unknown>,
    signal: AbortSignal,
    careFrom?: number,
  ): Promise<Damage | undefined> {
    if (object.load !== undefined) {
      const append = async (batch: Batch): Promise<void> => {
        await unlessAborted(turn, signal)
        await this.#append(batch)
      }
      return object.load(append, signal)
    }
    const body = await this.#fetch(object, turn, signal)
    await unlessAborted(turn, signal)
    const options = careFrom === undefined ? { signal } : { signal, careFrom }
    const damage = await loadObject(body, (batch) => this.#append(batch), options)
    signal.throwIfAborted()
    return damage
  }

  /** The object's bytes: a small object is fetched immediately, a large one when it is its turn. */
  async #fetch(
    { key, bytes }: StoredObject,
    turn: Promise<unknown>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | Uint8Array[]> {
    if (bytes > FETCHED_BYTES_MAX) await unlessAborted(turn, signal)
    // A lifecycle rule may have deleted the object since it was listed.
    const body = (await this.#bucket.get(key, signal)) ?? []
    if (bytes > FETCHED_BYTES_MAX) return body
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return chunks
  }

  async #append(batch: Batch): Promise<void> {
    try {
      await this.#store.append(batch)
    } catch (cause) {
      if (cause instanceof GatewayError && cause.code === 'overloaded') throw cause
      this.isBroken = true
      throw cacheFailure(cause)
    }
  }
}

function nameOf({ key, etag }: StoredObject): string {
  return `${etag} ${key}`
}

function damageOf(key: string, why: string): GatewayError {
  const advice = 'its readable entries were returned; restore the object, or delete it to read without it'
  return new GatewayError('store_damaged', `the object '${key}' of the archive is damaged: ${why}; ${advice}`)
}
