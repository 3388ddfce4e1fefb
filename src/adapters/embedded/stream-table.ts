/** The stream index in memory: the label sets of all tenants with their ids, in sync with the database. */

import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import type { Label, Labels } from '../../domain/labels.ts'

export interface StoredStream {
  readonly id: number
  readonly key: string
  readonly labels: Labels
}

/** Loads tenants and streams when the database is opened; the writer keeps it up to date. */
export class StreamTable {
  readonly #tenants = new Map<string, number>()
  readonly #tenantNames = new Map<number, string>()
  readonly #byTenant = new Map<number, Map<string, StoredStream>>()
  readonly #byId = new Map<number, StoredStream>()

  constructor(db: DatabaseSync) {
    for (const row of db.prepare('SELECT id, name FROM tenants').iterate()) {
      this.addTenant(row['name'] as string, row['id'] as number)
    }
    for (const row of db.prepare('SELECT id, tenant, key, labels FROM streams').iterate()) {
      const labels = parseLabelColumn(row['labels'] as string)
      this.addStream(row['tenant'] as number, { id: row['id'] as number, key: row['key'] as string, labels })
    }
  }

  tenantId(name: string): number | undefined {
    return this.#tenants.get(name)
  }

  /** The tenant that a block names; throws store_damaged when there is none. */
  tenantName(id: number): string {
    const name = this.#tenantNames.get(id)
    if (name !== undefined) return name
    throw new GatewayError('store_damaged', `a block names tenant ${id}, which is not stored; restore a backup`)
  }

  tenantNames(): IterableIterator<[name: string, id: number]> {
    return this.#tenants.entries()
  }

  stream(tenant: number, key: string): StoredStream | undefined {
    return this.#byTenant.get(tenant)?.get(key)
  }

  /** The stream with the id; throws store_damaged if it does not exist. */
  storedStream(id: number): StoredStream {
    const stream = this.#byId.get(id)
    if (stream !== undefined) return stream
    throw new GatewayError('store_damaged', `a block refers to stream ${id}, which does not exist; restore a backup`)
  }

  streamsOf(tenant: number): Iterable<StoredStream> {
    return this.#byTenant.get(tenant)?.values() ?? []
  }

  get size(): number {
    return this.#byId.size
  }

  addTenant(name: string, id: number): void {
    this.#tenants.set(name, id)
    this.#tenantNames.set(id, name)
  }

  removeTenant(name: string): void {
    this.#tenantNames.delete(this.#tenants.get(name) as number)
    this.#tenants.delete(name)
  }

  addStream(tenant: number, stream: StoredStream): void {
    const streams = this.#byTenant.get(tenant)
    if (streams === undefined) this.#byTenant.set(tenant, new Map([[stream.key, stream]]))
    else streams.set(stream.key, stream)
    this.#byId.set(stream.id, stream)
  }

  remove(tenant: number, stream: StoredStream): void {
    this.#byTenant.get(tenant)?.delete(stream.key)
    this.#byId.delete(stream.id)
  }
}

/** Labels in the format of the column: a JSON array of name, value, name, value. */
export function formatLabelColumn(labels: Labels): string {
  return JSON.stringify(labels.flatMap(({ name, value }) => [name, value]))
}

function parseLabelColumn(text: string): Labels {
  const flat = JSON.parse(text) as string[]
  const labels: Label[] = []
  for (let i = 0; i < flat.length; i += 2) labels.push({ name: flat[i] as string, value: flat[i + 1] as string })
  return labels
}

/** Stream ids in the format of the column: u32 LE, in the order of the runs. */
export function formatStreamIds(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer)
}

/** A damaged row may give wrong or too few ids, which decoding the block detects. */
export function parseStreamIds(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice(0, bytes.length - (bytes.length % 4)).buffer)
}
