/**
 * Recent items: recently accepted entries as blocks in DynamoDB, so that queries see them before they are in the archive.
 *
 * An item's `pk` is `recent#<tenant>#<start of the ten minutes of its arrival>#<shard>`, its `sk`
 * `<arrival in ms, 13 digits>#<part, 4 digits>#<hash of the block>`: the arrivals after a time are one query for each
 * bucket and shard, and the blocks of an append keep their order.
 * `block` comes from packRecentBlocks, `oldest` and `newest` are times of entries in decimal nanoseconds, `expiresAt` is in
 * seconds for DynamoDB's TTL, which deletes late, so readers check `expiresAt` themselves.
 */

import type { PutCommandInput, PutCommandOutput, QueryCommandInput, QueryCommandOutput } from '@aws-sdk/lib-dynamodb'
import type { Block } from '../../domain/entries/block.ts'
import type { Lazy } from '../../kit/lazy.ts'
import { contentHash } from '../../protocol/archive/archive-names.ts'
import { storeFailure } from './aws-errors.ts'
import { unpackRecentBlock } from './recent-block.ts'

interface CallOptions {
  abortSignal?: AbortSignal
}

/** The used part of the SDK's `DynamoDBDocument`. */
export interface ItemClient {
  put(input: PutCommandInput, options?: CallOptions): Promise<PutCommandOutput>
  query(input: QueryCommandInput, options?: CallOptions): Promise<QueryCommandOutput>
}

/** Arrivals of ten minutes share a partition key: a query of the last hour reads few keys, and no key grows forever. */
export const BUCKET_MS = 600_000
/**
 * Partitions over which a tenant's items of ten minutes are spread. Each accepts 1,000 write units (KB) per second, so a
 * tenant may push about 8 MB per second, compressed, before DynamoDB throttles.
 */
export const SHARDS = 8

/** An item to write. */
export interface RecentBlock {
  readonly tenant: string
  /** The number of the block within its append. */
  readonly part: number
  /** A result of packRecentBlocks. */
  readonly packed: Uint8Array
  /** Times of its entries, inclusive. */
  readonly oldest: bigint
  readonly newest: bigint
}

/** A push of the direct path, or a part of one: a result of packRecentBlock, or an object of archive lines. */
export type ArrivedContent = { readonly block: Uint8Array } | { readonly key: string; readonly bytes: number }

/** An item read from DynamoDB. */
export interface RecentItem {
  /** The sort key: items of a bucket and shard are read in this order, and a later query may start after it. */
  readonly sortKey: string
  readonly arrivedMs: number
  readonly oldest: bigint
  readonly newest: bigint
  /** Size of the packed block. */
  readonly bytes: number
  /** Of a row of the direct path: what has its entries. Nothing is decoded then. */
  readonly row?: ArrivedContent
  /** Decodes the block; throws store_damaged. */
  readonly decode: () => Block
}

export interface RecentQuery {
  readonly tenant: string
  /** Any time of the bucket's ten minutes, ms since the epoch. */
  readonly bucketMs: number
  /** From 0 to SHARDS - 1. */
  readonly shard: number
  /** Only items with a greater sort key. sortKeyAt(ms) is lower than those of all arrivals from `ms` on. */
  readonly after?: string
}

/** The lower bound of the sort keys of items that arrived at `ms` or later. */
export function sortKeyAt(ms: number): string {
  return String(Math.max(0, Math.floor(ms))).padStart(13, '0')
}

export class RecentItems {
  readonly #client: Lazy<ItemClient>
  readonly #table: string
  readonly #windowMs: number

  /** `windowMs`: how long an item is kept after its arrival. */
  constructor(client: Lazy<ItemClient>, table: string, windowMs: number) {
    this.#client = client
    this.#table = table
    this.#windowMs = windowMs
  }

  /**
   * Resolves when DynamoDB has stored the item. Equal blocks that arrive in the same millisecond are one item. Rejects with
   * store_unavailable or overloaded.
   */
  async put({ tenant, part, packed, oldest, newest }: RecentBlock, arrivedMs: number): Promise<void> {
    const hash = contentHash(packed)
    // The hash spreads evenly, and a retry within the same ten minutes uses the same shard.
    const shard = Number.parseInt(hash.slice(0, 8), 16) % SHARDS
    const item = {
      pk: partitionKey(tenant, arrivedMs, shard),
      sk: `${sortKeyAt(arrivedMs)}#${String(part).padStart(4, '0')}#${hash}`,
      block: packed,
      oldest: String(oldest),
      newest: String(newest),
      expiresAt: Math.ceil((arrivedMs + this.#windowMs) / 1000),
    }
    try {
      const client = await this.#client()
      await client.put({ TableName: this.#table, Item: item })
    } catch (cause) {
      throw storeFailure('DynamoDB did not accept an item', cause)
    }
  }

  /**
   * The items of a bucket and shard in the order of their sort keys, a page (1 MB) at a time, without those that have
   * expired at `nowMs`. The read is strongly consistent: it sees every put that resolved before it. Rejects with
   * store_unavailable or overloaded.
   */
  async *query(query: RecentQuery, nowMs: number, signal?: AbortSignal): AsyncGenerator<RecentItem, void, undefined> {
    const { tenant, bucketMs, shard, after } = query
    const input: QueryCommandInput = {
      TableName: this.#table,
      ConsistentRead: true,
      KeyConditionExpression: after === undefined ? 'pk = :pk' : 'pk = :pk AND sk > :after',
      ExpressionAttributeValues: {
        ':pk': partitionKey(tenant, bucketMs, shard),
        ...(after !== undefined && { ':after': after }),
      },
    }
    let from: Record<string, unknown> | undefined
    do {
      const page = await this.#queryPage(from === undefined ? input : { ...input, ExclusiveStartKey: from }, signal)
      for (const item of page.Items ?? []) if (Number(item['expiresAt']) * 1000 > nowMs) yield readItem(item)
      from = page.LastEvaluatedKey
    } while (from !== undefined)
  }

  async #queryPage(input: QueryCommandInput, signal: AbortSignal | undefined): Promise<QueryCommandOutput> {
    try {
      const client = await this.#client()
      return await client.query(input, signal === undefined ? {} : { abortSignal: signal })
    } catch (cause) {
      throw storeFailure('reading recent items from DynamoDB failed', cause)
    }
  }
}

function partitionKey(tenant: string, ms: number, shard: number): string {
  const begin = new Date(Math.floor(ms / BUCKET_MS) * BUCKET_MS).toISOString()
  return `recent#${tenant}#${begin}#${shard}`
}

function readItem(item: Record<string, unknown>): RecentItem {
  const sortKey = String(item['sk'])
  // Written by `put`; the SDK returns binary attributes as Uint8Array.
  const packed = item['block'] as Uint8Array
  return {
    sortKey,
    arrivedMs: Number.parseInt(sortKey, 10),
    oldest: BigInt(String(item['oldest'])),
    newest: BigInt(String(item['newest'])),
    bytes: packed.length,
    decode: () => unpackRecentBlock(packed),
  }
}
