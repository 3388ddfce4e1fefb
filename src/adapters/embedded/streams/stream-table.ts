/** The streams of all tenants: on disk by id and by the hash of their labels; in memory only those used lately. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { GatewayError } from '../../../domain/errors.ts'
import type { Labels } from '../../../domain/labels.ts'
import { formatLabelColumn, hashOfKey, readStream, type StoredStream } from './stored-stream.ts'
import { StreamCache } from './stream-cache.ts'

/**
 * Streams by label set and by id. A million of them take no memory before they are used: a stream is read when a push
 * or a query needs it and stays in a bounded cache. To be used on the connection that writes, so that it sees the
 * streams of a transaction before its commit.
 */
export class StreamTable {
  readonly #tenants = new Map<string, number>()
  readonly #tenantNames = new Map<number, string>()
  /** Streams by tenant. */
  readonly #counts = new Map<number, number>()
  readonly #cache: StreamCache
  readonly #insert: StatementSync
  readonly #byHash: StatementSync
  readonly #byId: StatementSync
  readonly #ids: StatementSync
  #size = 0

  /** `cacheBytes`: memory for streams that were used lately. */
  constructor(db: DatabaseSync, cacheBytes?: number) {
    this.#cache = new StreamCache(cacheBytes)
    for (const row of db.prepare('SELECT id, name FROM tenants').iterate()) {
      this.addTenant(row['name'] as string, row['id'] as number)
    }
    for (const row of db.prepare('SELECT tenant, count(*) AS streams FROM streams GROUP BY tenant').iterate()) {
      this.#count(row['tenant'] as number, row['streams'] as number)
    }
    this.#insert = db.prepare('INSERT INTO streams (tenant, hash, labels) VALUES (?, ?, ?)')
    this.#byHash = db.prepare('SELECT id, labels FROM streams WHERE tenant = ? AND hash = ?')
    this.#byId = db.prepare('SELECT tenant, labels FROM streams WHERE id = ?')
    this.#ids = db.prepare('SELECT id FROM streams WHERE tenant = ? LIMIT ?')
  }

  tenantId(name: string): number | undefined {
    return this.#tenants.get(name)
  }

  /** The tenant that a block names; throws store_damaged when there is none. */
  tenantName(id: number): string {
    const name = this.#tenantNames.get(id)
    if (name !== undefined) return name
    throw new GatewayError('store_damaged', `a block names tenant ${id}, which is not stored; run 'millrace repair'`)
  }

  tenantNames(): IterableIterator<[name: string, id: number]> {
    return this.#tenants.entries()
  }

  /** The stream with these labels; undefined if there is none, or if its row is damaged: a push then stores a new one. */
  stream(tenant: number, key: string): StoredStream | undefined {
    const cached = this.#cache.byKey(tenant, key)
    if (cached !== undefined || !this.#counts.has(tenant)) return cached
    for (const row of this.#byHash.all(tenant, hashOfKey(key))) {
      const stream = readableStream(row['id'] as number, tenant, row['labels'] as string)
      if (stream?.key !== key) continue
      this.#cache.add(stream)
      return stream
    }
    return undefined
  }

  /** The stream with the id; undefined if there is none. */
  streamById(id: number): StoredStream | undefined {
    const cached = this.#cache.byId(id)
    if (cached !== undefined) return cached
    const row = this.#byId.get(id)
    if (row === undefined) return undefined
    const stream = readStream(id, row['tenant'] as number, row['labels'] as string)
    this.#cache.add(stream)
    return stream
  }

  /** The stream with the id; throws store_damaged if it does not exist. */
  storedStream(id: number): StoredStream {
    const stream = this.streamById(id)
    if (stream !== undefined) return stream
    throw new GatewayError(
      'store_damaged',
      `a block refers to stream ${id}, which does not exist; run 'millrace repair'`,
    )
  }

  /**
   * The streams of a block of the tenant. Throws store_damaged if one does not exist or is another tenant's: a flipped bit
   * in an index would show the block to that tenant.
   */
  streamsOf(tenant: number, ids: Uint32Array): StoredStream[] {
    return Array.from(ids, (id) => {
      const stream = this.storedStream(id)
      if (stream.tenant === tenant) return stream
      const text = `a block of tenant ${tenant} refers to stream ${id} of another tenant; run 'millrace repair'`
      throw new GatewayError('store_damaged', text)
    })
  }

  /** The ids of the tenant's streams, `limit` at most, in no order. */
  idsOf(tenant: number, limit: number): number[] {
    return this.#ids.all(tenant, limit).map((row) => row['id'] as number)
  }

  /** The number of the tenant's streams. */
  sizeOf(tenant: number): number {
    return this.#counts.get(tenant) ?? 0
  }

  get size(): number {
    return this.#size
  }

  addTenant(name: string, id: number): void {
    this.#tenants.set(name, id)
    this.#tenantNames.set(id, name)
  }

  removeTenant(name: string): void {
    this.#tenantNames.delete(this.#tenants.get(name) as number)
    this.#tenants.delete(name)
  }

  /** Inserts a stream within the caller's transaction; if that is rolled back, the caller calls `forget`. */
  insert(tenant: number, key: string, labels: Labels): StoredStream {
    const id = Number(this.#insert.run(tenant, hashOfKey(key), formatLabelColumn(labels)).lastInsertRowid)
    const stream = { id, tenant, key, labels }
    this.#cache.add(stream)
    this.#count(tenant, 1)
    return stream
  }

  /** Call it when the stream is no longer in the database. */
  forget(id: number, tenant: number): void {
    this.#cache.remove(id)
    this.#count(tenant, -1)
  }

  #count(tenant: number, change: number): void {
    const count = this.sizeOf(tenant) + change
    if (count > 0) this.#counts.set(tenant, count)
    else this.#counts.delete(tenant)
    this.#size += change
  }
}

function readableStream(id: number, tenant: number, labels: string): StoredStream | undefined {
  try {
    return readStream(id, tenant, labels)
  } catch {
    return undefined
  }
}
