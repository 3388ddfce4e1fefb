/**
 * Rows of what arrived: each push is one, committed before its response, until compaction has its entries in files.
 *
 * `pk` is `l0#<bucket>#<ten minutes of arrival>#<shard>`, `sk` `<tenant>#<arrival in ms, 13 digits>#<part, 4 digits>#<hash>`: a tenant's
 * arrivals after a time are one query a shard. A small push is in `block` (see recent-block.ts); a larger one is the object `key` of
 * `bytes` bytes, which was stored before its row. `oldest` and `newest` are times of entries in decimal nanoseconds, `entries` their
 * number, `expiresAt` seconds for DynamoDB's TTL.
 */

import type { QueryCommandInput, QueryCommandOutput } from '@aws-sdk/lib-dynamodb'
import { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import { SPAN_MS, spanOf } from '../../../protocol/archive/archive-place.ts'
import { storeFailure } from '../aws-errors.ts'
import { type ArrivedContent, type ItemClient, type RecentItem, type RecentQuery, sortKeyAt } from '../recent-items.ts'

/** How long rows and their objects are kept: compaction takes them within minutes, and an alarm says if it does not. */
export const ROW_KEPT_MS = 7 * 86_400_000

export interface ArrivedRow {
  readonly tenant: string
  /** The number of the part within its push. */
  readonly part: number
  /** contentHash of the block or the object. */
  readonly hash: string
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number
  readonly content: ArrivedContent
}

/** A row as compaction reads it. */
export interface FoundRow {
  readonly tenant: string
  /** Orders rows by arrival: `<arrival>#<part>#<hash>`. */
  readonly order: string
  readonly entries: number
  readonly content: ArrivedContent
}

export class ArrivedRows {
  readonly #client: Lazy<ItemClient>
  readonly #table: string

  constructor(client: Lazy<ItemClient>, table: string) {
    this.#client = client
    this.#table = table
  }

  /**
   * Resolves when DynamoDB has stored the row, spread over `shards` partitions by its hash. Equal rows of one millisecond are one. Rejects
   * with store_unavailable or overloaded.
   */
  async put(row: ArrivedRow, place: { bucket: number; shards: number }, arrivedMs: number): Promise<void> {
    const { tenant, part, hash, oldest, newest, entries, content } = row
    const shard = Number.parseInt(hash.slice(0, 8), 16) % place.shards
    const Item = {
      pk: partitionKey(place.bucket, spanOf(arrivedMs), shard),
      sk: `${tenant}#${sortKeyAt(arrivedMs)}#${String(part).padStart(4, '0')}#${hash}`,
      oldest: String(oldest),
      newest: String(newest),
      entries,
      expiresAt: Math.ceil((arrivedMs + ROW_KEPT_MS) / 1000),
      ...content,
    }
    try {
      const client = await this.#client()
      await client.put({ TableName: this.#table, Item })
    } catch (cause) {
      throw storeFailure('DynamoDB did not accept an item', cause)
    }
  }

  /** A tenant's rows of ten minutes and a shard in the order of arrival; see RecentItems.query. */
  async *query(
    bucket: number,
    { tenant, bucketMs, shard, after = '' }: RecentQuery,
    signal?: AbortSignal,
  ): AsyncGenerator<RecentItem, void, undefined> {
    const input = {
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      ExpressionAttributeValues: {
        ':pk': partitionKey(bucket, spanOf(bucketMs), shard),
        ':from': `${tenant}#${after}`,
        // `$` sorts after `#`, and no tenant has either.
        ':to': `${tenant}$`,
      },
    }
    for await (const item of this.#query(input, signal)) yield readItem(item, tenant)
  }

  /** All rows of a bucket, ten minutes and a shard. */
  async *all(bucket: number, span: number, shard: number): AsyncGenerator<FoundRow, void, undefined> {
    const pk = partitionKey(bucket, span, shard)
    const input = { KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': pk } }
    for await (const item of this.#query(input)) {
      const sortKey = String(item['sk'])
      const end = sortKey.indexOf('#')
      yield {
        tenant: sortKey.slice(0, end),
        order: sortKey.slice(end + 1),
        entries: Number(item['entries']),
        content: contentOf(item),
      }
    }
  }

  async *#query(
    input: Omit<QueryCommandInput, 'TableName'>,
    signal?: AbortSignal,
  ): AsyncGenerator<Record<string, unknown>, void, undefined> {
    let key: Record<string, unknown> | undefined
    do {
      const page = await this.#page(key === undefined ? input : { ...input, ExclusiveStartKey: key }, signal)
      yield* page.Items ?? []
      key = page.LastEvaluatedKey
    } while (key !== undefined)
  }

  async #page(input: Omit<QueryCommandInput, 'TableName'>, signal?: AbortSignal): Promise<QueryCommandOutput> {
    try {
      const client = await this.#client()
      const whole = { TableName: this.#table, ConsistentRead: true, ...input }
      return await client.query(whole, signal === undefined ? {} : { abortSignal: signal })
    } catch (cause) {
      throw storeFailure('reading recent items from DynamoDB failed', cause)
    }
  }
}

function partitionKey(bucket: number, span: number, shard: number): string {
  return `l0#${bucket}#${new Date(span * SPAN_MS).toISOString().slice(0, 16)}#${shard}`
}

function contentOf(item: Record<string, unknown>): ArrivedContent {
  const { block, key, bytes } = item
  return block instanceof Uint8Array ? { block } : { key: String(key), bytes: Number(bytes) }
}

function readItem(item: Record<string, unknown>, tenant: string): RecentItem {
  const sortKey = String(item['sk']).slice(tenant.length + 1)
  const row = contentOf(item)
  return {
    sortKey,
    arrivedMs: Number.parseInt(sortKey, 10),
    oldest: BigInt(String(item['oldest'])),
    newest: BigInt(String(item['newest'])),
    bytes: 'block' in row ? row.block.length : 0,
    row,
    decode: () => {
      throw new GatewayError('internal', 'BUG: a row is loaded as a source of its own; report it')
    },
  }
}
