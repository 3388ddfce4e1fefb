/**
 * Ids that clients give their entries: each names one entry, however often it is sent, and whatever dies in between.
 *
 * There is no transaction over the id and the entry, so the id's item goes through two states:
 *
 * 1. `claimed`, before the entry is stored, with its time, a hash of its content (all but the time) and a lease.
 * 2. `stored`, once the entry is durable, before it is acknowledged.
 *
 * Who meets an item
 * - that is `stored` leaves its entry out and answers with the time there.
 * - that is `claimed` for the same content stores it with the time there, whether the first sender died or is still at
 *   it: the two entries are equal, and reads give one of them. So a retry completes what a crash cut off.
 * - that is `claimed` for other content waits for it a while; after the lease it takes the id over. The lease is longer
 *   than any append takes. A process that was stopped for longer, between its claim and its write, finds at step 2 that
 *   its claim is gone, and refuses its push: an entry may then be stored that nobody was told of, none the other way.
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

/** What is used of the SDK's `DynamoDBDocument`. */
export interface IdClient {
  update(input: UpdateCommandInput): Promise<UpdateCommandOutput>
  put(input: PutCommandInput): Promise<PutCommandOutput>
  get(input: GetCommandInput): Promise<GetCommandOutput>
}

export interface IdSettings {
  readonly table: string
  /** How long an id is known; no less than LEASE_MS. */
  readonly windowMs: number
}

/** An id that this append stores the entry of. */
export interface Claim {
  readonly entry: number
  readonly id: string
  /** The time to store the entry with: that of the first who sent it. */
  readonly ns: bigint
  readonly content: string
}

export type ClaimOutcome = { readonly claim: Claim } | { readonly takenNs: bigint }

/** Longer than an append can take with all its tries: of S3's four, 17 seconds each, and DynamoDB's before and after. */
export const LEASE_MS = 120_000
/** Another content's claim is mostly stored within moments. */
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
   * Claims the id for the entry of the batch, or tells the time of the entry that has it. Rejects with overloaded or
   * store_unavailable; what was claimed by then does no harm.
   */
  async claim(batch: Batch, entry: number, id: string): Promise<ClaimOutcome> {
    const key = { pk: `id#${batch.tenant}#${hash('sha256', id, 'hex')}`, sk: SORT_KEY }
    const claim = { entry, id, ns: batch.timestamps.values[entry] as bigint, content: contentOf(batch, entry) }
    const attempts = new Attempts(CLAIM_RETRIES, this.#pacing)
    do {
      const ns = (await this.#begin(key, claim)) ?? (await this.#settle(key, claim))
      if (ns !== undefined) return typeof ns === 'bigint' ? { claim: { ...claim, ns } } : ns
    } while (await attempts.next())
    const text = 'an entry with the same id and other content is being stored at this moment; retry later'
    // No trouble of ours: two clients chose one id.
    throw new GatewayError('overloaded', text)
  }

  /** Makes the claims final, once their entries are durable. Rejects when one of them is not ours any more. */
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
    throw new GatewayError('store_unavailable', 'storing took so long that its id went to another entry; retry later')
  }

  /** The time of a claim that is ours now: a new one, or one of the same content. Undefined when there is another item. */
  async #begin(key: Record<string, string>, { ns, content }: Claim): Promise<bigint | undefined> {
    const written = await this.#write((client) =>
      client.update({
        TableName: this.#settings.table,
        Key: key,
        UpdateExpression:
          'SET ns = if_not_exists(ns, :ns), content = :content, #state = :claimed, lease = :lease, expiresAt = :expires',
        // What is expired may still be there: its time is nobody's any more.
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

  /** What to do about an item that is there: taken, ours after all, or (undefined) to be asked again later. */
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
        // Nobody has touched the item since it was read.
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
      return Item as IdItem | undefined // written by this class only
    } catch (cause) {
      throw storeFailure('DynamoDB did not tell about an id', cause)
    }
  }

  /** Undefined when the condition of the write does not hold. */
  async #write<T>(call: (client: IdClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await call(await this.#client())
    } catch (cause) {
      if (errorName(cause) === 'ConditionalCheckFailedException') return undefined
      throw storeFailure('DynamoDB did not take an id', cause)
    }
  }

  /** In seconds. A claim outlives its lease, however short ids are known. */
  #expires(): number {
    return Math.ceil((this.#clock.nowMs() + Math.max(this.#settings.windowMs, LEASE_MS)) / 1000)
  }
}

/** A hash of the entry's stream, level, metadata and line. Its time is the gateway's own where the client gave none. */
function contentOf(batch: Batch, entry: number): string {
  const { key } = batch.streams[batch.streamIndexes[entry] as number] as BatchStream
  const metadata = batch.metadata.subarray(startOf(batch.metadataEnds, entry), batch.metadataEnds[entry])
  const head = JSON.stringify([key, batch.levels[entry], metadata.length])
  const line = batch.text.subarray(batch.starts[entry], batch.ends[entry])
  return hash('sha256', Buffer.concat([Buffer.from(head), metadata, line]), 'hex').slice(0, 32)
}
