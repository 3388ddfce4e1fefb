/**
 * Client ids of entries: each identifies one entry, however often it is sent and whatever crashes in between.
 *
 * The id and the entry cannot be written in one transaction, so the item of an id has two states:
 *
 * 1. `claimed`, before the entry is stored, with its time, a hash of its content (all but the time) and a lease.
 * 2. `stored`, once the entry is durable, before it is acknowledged.
 *
 * An append that finds an item
 * - that is `stored` skips its entry and returns the stored time.
 * - that is `claimed` for the same content stores the entry with the claimed time, whether the first sender died or is
 *   still writing: the two entries are equal, and reads return one of them. So a retry completes an interrupted append.
 * - that is `claimed` for other content waits for a while, and takes the id over after the lease. The lease is longer than
 *   any append. A process that was suspended for longer between its claim and its write notices at step 2 that it lost the
 *   claim, and rejects its push: an entry may be stored without being acknowledged, but never the other way round.
 */

import { hash } from 'node:crypto'
import type {
  GetCommandInput,
  GetCommandOutput,
  PutCommandInput,
  PutCommandOutput,
  UpdateCommandInput,
  UpdateCommandOutput,
} from '@aws-sdk/lib-dynamodb'
import type { Batch, BatchStream } from '../../../domain/entries/batch.ts'
import { startOf } from '../../../domain/entries/block.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { Clock } from '../../../ports/log-store.ts'
import { errorName, storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits } from '../retry.ts'

/** The used part of the SDK's `DynamoDBDocument`. */
export interface IdClient {
  update(input: UpdateCommandInput): Promise<UpdateCommandOutput>
  put(input: PutCommandInput): Promise<PutCommandOutput>
  get(input: GetCommandInput): Promise<GetCommandOutput>
}

export interface IdSettings {
  readonly table: string
  /** How long an id is remembered; at least LEASE_MS. */
  readonly windowMs: number
}

/** An id whose entry this append stores. */
export interface Claim {
  readonly entry: number
  readonly id: string
  /** The time to store the entry with: that of its first sender. */
  readonly ns: bigint
  readonly content: string
}

export type ClaimOutcome = { readonly claim: Claim } | { readonly takenNs: bigint }

/** Longer than an append with all retries: S3's four attempts of 17 seconds each, and DynamoDB's before and after. */
export const LEASE_MS = 120_000
/** A claim for other content usually becomes stored within moments. */
const CLAIM_RETRIES: RetryLimits = {
  attemptsMax: 12,
  budgetMs: 5_000,
  backoff: { firstMs: 50, maxMs: 1_000, jitter: 1 },
}
const SORT_KEY = 'id'

interface IdItem {
  readonly content: string
  readonly ns: string
  readonly state: string
  readonly lease: number
  readonly expiresAt: number
}

export class EntryIds {
  readonly #client: Lazy<IdClient>
  readonly #settings: IdSettings
  readonly #clock: Clock
  readonly #pacing: Pacing

  constructor(client: Lazy<IdClient>, settings: IdSettings, clock: Clock, pacing: Pacing) {
    this.#client = client
    this.#settings = settings
    this.#clock = clock
    this.#pacing = pacing
  }

  /**
   * Claims the id for the entry of the batch, or returns the time of the entry that has it. Rejects with overloaded or
   * store_unavailable; a claim made before that is harmless.
   */
  async claim(batch: Batch, entry: number, id: string): Promise<ClaimOutcome> {
    const key = { pk: `id#${batch.tenant}#${hash('sha256', id, 'hex')}`, sk: SORT_KEY }
    const claim = { entry, id, ns: batch.timestamps.values[entry] as bigint, content: contentOf(batch, entry) }
    const attempts = new Attempts(CLAIM_RETRIES, this.#pacing)
    do {
      const ns = (await this.#begin(key, claim)) ?? (await this.#settle(key, claim))
      if (ns !== undefined) return typeof ns === 'bigint' ? { claim: { ...claim, ns } } : ns
    } while (await attempts.next())
    const text = 'an entry with the same id and different content is being stored; retry later'
    // Not a fault of the store: two clients chose the same id.
    throw new GatewayError('overloaded', text)
  }

  /** Confirms the claim when its entry is durable. Rejects if the claim was lost. */
  async confirm(tenant: string, { id, ns, content }: Claim): Promise<void> {
    const isConfirmed = await this.#write((client) =>
      client.update({
        TableName: this.#settings.table,
        Key: { pk: `id#${tenant}#${hash('sha256', id, 'hex')}`, sk: SORT_KEY },
        UpdateExpression: 'SET #state = :stored, expiresAt = :expires',
        ConditionExpression: 'content = :content AND ns = :ns',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: {
          ':stored': 'stored',
          ':expires': this.#expires(),
          ':content': content,
          ':ns': String(ns),
        },
      }),
    )
    if (isConfirmed !== undefined) return
    throw new GatewayError(
      'store_unavailable',
      'storing the entry took too long, and another entry took its id; retry later',
    )
  }

  /** The time of our claim: a new one, or one for the same content. Undefined if there is another item. */
  async #begin(key: Record<string, string>, { ns, content }: Claim): Promise<bigint | undefined> {
    const written = await this.#write((client) =>
      client.update({
        TableName: this.#settings.table,
        Key: key,
        UpdateExpression:
          'SET ns = if_not_exists(ns, :ns), content = :content, #state = :claimed, lease = :lease, expiresAt = :expires',
        // An expired item may still exist; it no longer counts.
        ConditionExpression:
          'attribute_not_exists(pk) OR (content = :content AND #state = :claimed AND expiresAt > :now)',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: {
          ':ns': String(ns),
          ':content': content,
          ':claimed': 'claimed',
          ':lease': this.#clock.nowMs() + LEASE_MS,
          ':expires': this.#expires(),
          ':now': this.#clock.nowMs() / 1000,
        },
        ReturnValues: 'ALL_NEW',
      }),
    )
    return written === undefined ? undefined : BigInt(String(written.Attributes?.['ns']))
  }

  /** Resolves a conflict with an existing item: taken, ours after all, or undefined to retry later. */
  async #settle(key: Record<string, string>, claim: Claim): Promise<bigint | { takenNs: bigint } | undefined> {
    const item = await this.#get(key)
    if (item === undefined) return undefined
    const nowMs = this.#clock.nowMs()
    const isExpired = item.expiresAt * 1000 <= nowMs
    if (item.state === 'stored' && !isExpired) return { takenNs: BigInt(item.ns) }
    if (!isExpired && item.lease > nowMs) return undefined
    return (await this.#takeOver(key, claim, item)) === undefined ? undefined : claim.ns
  }

  #takeOver(key: Record<string, string>, claim: Claim, item: IdItem): Promise<unknown> {
    const { ns, content } = claim
    const state = { state: 'claimed', lease: this.#clock.nowMs() + LEASE_MS, expiresAt: this.#expires() }
    return this.#write((client) =>
      client.put({
        TableName: this.#settings.table,
        Item: { ...key, ns: String(ns), content, ...state },
        // The item has not changed since it was read.
        ConditionExpression: 'content = :content AND ns = :ns AND lease = :lease AND #state = :state',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: {
          ':content': item.content,
          ':ns': item.ns,
          ':lease': item.lease,
          ':state': item.state,
        },
      }),
    )
  }

  async #get(key: Record<string, string>): Promise<IdItem | undefined> {
    try {
      const client = await this.#client()
      const { Item } = await client.get({ TableName: this.#settings.table, Key: key, ConsistentRead: true })
      return Item as IdItem | undefined // written only by this class
    } catch (cause) {
      throw storeFailure('reading an id from DynamoDB failed', cause)
    }
  }

  /** Undefined if the condition of the write fails. */
  async #write<T>(call: (client: IdClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await call(await this.#client())
    } catch (cause) {
      if (errorName(cause) === 'ConditionalCheckFailedException') return undefined
      throw storeFailure('DynamoDB did not accept an id', cause)
    }
  }

  /** In seconds. A claim outlives its lease even if ids are remembered for a shorter time. */
  #expires(): number {
    return Math.ceil((this.#clock.nowMs() + Math.max(this.#settings.windowMs, LEASE_MS)) / 1000)
  }
}

/** A hash of stream, level, metadata and line. Without the time, which the gateway sets if the client sends none. */
function contentOf(batch: Batch, entry: number): string {
  const { key } = batch.streams[batch.streamIndexes[entry] as number] as BatchStream
  const metadata = batch.metadata.subarray(startOf(batch.metadataEnds, entry), batch.metadataEnds[entry])
  const head = JSON.stringify([key, batch.levels[entry], metadata.length])
  const line = batch.text.subarray(batch.starts[entry], batch.ends[entry])
  return hash('sha256', Buffer.concat([Buffer.from(head), metadata, line]), 'hex').slice(0, 32)
}
