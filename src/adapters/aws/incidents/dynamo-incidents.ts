/**
 * IncidentStore on DynamoDB: one item per incident with its outbox, written with an optimistic lock; counts in two
 * steps.
 */

import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { type Incident, type IncidentRef, isWanted } from '../../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../../domain/incidents/notification.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type {
  CountDecider,
  CountRecord,
  Decide,
  Decision,
  IncidentListing,
  IncidentPage,
  IncidentStore,
  RecordOutcome,
} from '../../../ports/incidents.ts'
import type { Clock } from '../../../ports/log-store.ts'
import { storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits } from '../retry.ts'
import { CountFold, versionCondition } from './count-fold.ts'
import type { DynamoCounts } from './dynamo-counts.ts'
import { IncidentIndex } from './incident-index.ts'
import { decodeItem, encodeItem, fitOutbox, keyOf, type Stored } from './incident-item.ts'

export interface DynamoIncidentSettings {
  /** Has the keys `pk` and `sk`, the TTL attribute `expiresAt` and the two indexes of incident-index.ts. */
  readonly table: string
  readonly eventMemoryMs: number
  readonly closedKeptMs: number
}

/** Writers of an incident retry until it is their turn: in a storm there are many, each for some milliseconds. */
const TURNS: RetryLimits = { attemptsMax: 40, budgetMs: 20_000, backoff: { firstMs: 20, maxMs: 1_000, jitter: 1 } }
const BATCH_GET_MAX = 100
const LIST_ROUNDS = 10
/** Items taken or settled concurrently. */
const SETTLING_MAX = 16
const MINUTE_MS = 60_000

export class DynamoIncidents implements IncidentStore {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #settings: DynamoIncidentSettings
  readonly #clock: Clock
  readonly #pacing: Pacing
  readonly #index: IncidentIndex
  readonly #counts: DynamoCounts
  readonly #fold: CountFold

  constructor(
    items: Lazy<DynamoDBDocument>,
    settings: DynamoIncidentSettings,
    clock: Clock,
    pacing: Pacing,
    counts: DynamoCounts,
  ) {
    this.#counts = counts
    this.#fold = new CountFold(items, settings, clock, pacing)
    this.#items = items
    this.#settings = settings
    this.#clock = clock
    this.#pacing = pacing
    this.#index = new IncidentIndex(items, settings.table)
  }

  change(ref: IncidentRef, decide: Decide): Promise<Decision | undefined> {
    return this.#update(ref, (stored) => {
      const decision = decide(stored?.incident)
      if (decision === undefined) return { result: undefined }
      const { incident, outbox } = decision
      const items = [...(stored?.outbox ?? []), ...(outbox === undefined ? [] : [outbox])]
      return { next: { incident, outbox: fitOutbox(items) }, result: decision }
    })
  }

  record(record: CountRecord): Promise<RecordOutcome> {
    return this.#counts.record(record)
  }

  fold(decider: CountDecider): Promise<readonly Decision[]> {
    return this.#fold.fold(this.#counts.takeRecorded(), decider)
  }

  async find(ref: IncidentRef): Promise<Incident | undefined> {
    return (await this.#load(ref))?.incident
  }

  async list(listing: IncidentListing): Promise<IncidentPage> {
    const found: Incident[] = []
    let { after } = listing
    // If few incidents are wanted, a page ends early and says that there are more.
    for (let round = 0; round < LIST_ROUNDS; round++) {
      const wanted = listing.limit + 1
      const heads = await this.#index.heads({ ...listing, after, limit: wanted })
      const loaded = await this.#loadMany(heads.map(({ id }) => ({ tenant: listing.tenant, id })))
      for (const head of heads) {
        const incident = loaded.get(head.id)
        const isListed =
          incident !== undefined && (listing.states?.includes(incident.state) ?? true) && isWanted(incident, listing)
        if (isListed && found.length === listing.limit) return { incidents: found, next: after }
        if (isListed) found.push(incident)
        after = head
      }
      if (heads.length < wanted) return { incidents: found, next: undefined }
    }
    return { incidents: found, next: after }
  }

  async listQuiet(nowMs: number, limit: number): Promise<readonly IncidentRef[]> {
    const refs = await this.#index.due(nowMs, limit)
    const stored = await Promise.all(refs.map((ref) => this.#load(ref)))
    return refs.filter((_, i) => (stored[i]?.incident.quietAtMs ?? Number.POSITIVE_INFINITY) <= nowMs)
  }

  async takeDue(nowMs: number, untilMs: number, limit: number): Promise<readonly OutboxItem[]> {
    const refs = await this.#index.due(nowMs, limit)
    const taken: OutboxItem[] = []
    for (let i = 0; i < refs.length && taken.length < limit; i += SETTLING_MAX) {
      const part = refs.slice(i, i + SETTLING_MAX)
      taken.push(...(await Promise.all(part.map((ref) => this.#takeOf(ref, nowMs, untilMs)))).flat())
    }
    return taken.sort((a, b) => a.notification.createdMs - b.notification.createdMs)
  }

  #takeOf(ref: IncidentRef, nowMs: number, untilMs: number): Promise<readonly OutboxItem[]> {
    return this.#update<readonly OutboxItem[]>(ref, (stored) => {
      const due = stored?.outbox.filter(({ dueMs }) => dueMs <= nowMs) ?? []
      if (stored === undefined || due.length === 0) return { result: [] }
      const leased = stored.outbox.map((item) => (item.dueMs <= nowMs ? { ...item, dueMs: untilMs } : item))
      return { next: { ...stored, outbox: leased }, result: due.map((item) => ({ ...item, dueMs: untilMs })) }
    })
  }

  async settle(items: readonly OutboxItem[]): Promise<void> {
    for (let i = 0; i < items.length; i += SETTLING_MAX) {
      await Promise.all(items.slice(i, i + SETTLING_MAX).map((item) => this.#settleOne(item)))
    }
  }

  async #settleOne(item: OutboxItem): Promise<void> {
    await this.#update(item.notification.incident, (stored) => {
      if (stored === undefined) return { result: undefined }
      const isOther = (each: OutboxItem): boolean => each.notification.id !== item.notification.id
      const others = stored.outbox.filter(isOther)
      const outbox = item.targets.length === 0 ? others : [...others, item]
      return { next: { ...stored, outbox }, result: undefined }
    })
  }

  async countSending(nowMs: number): Promise<number> {
    const minute = Math.floor(nowMs / MINUTE_MS)
    const answer = await this.#call(async (items) =>
      items.update({
        TableName: this.#settings.table,
        Key: { pk: `incident-sendings#${minute}`, sk: 'count' },
        UpdateExpression: 'ADD sendings :one SET expiresAt = :end',
        ExpressionAttributeValues: { ':one': 1, ':end': (minute + 10) * 60 },
        ReturnValues: 'UPDATED_NEW',
      }),
    )
    return Number(answer.Attributes?.['sendings'])
  }

  async readCursor(name: string): Promise<string | undefined> {
    const Key = { pk: `incident-cursor#${name}`, sk: 'cursor' }
    const answer = await this.#call((items) =>
      items.get({ TableName: this.#settings.table, Key, ConsistentRead: true }),
    )
    return answer.Item === undefined ? undefined : String(answer.Item['text'])
  }

  async writeCursor(name: string, text: string): Promise<void> {
    const Item = { pk: `incident-cursor#${name}`, sk: 'cursor', text }
    await this.#call((items) => items.put({ TableName: this.#settings.table, Item }))
  }

  /** DynamoDB's TTL deletes items late; reads skip expired ones. */
  async prune(): Promise<void> {}

  async close(): Promise<void> {}

  /** Reads, decides and writes; retries if another writer was faster. */
  async #update<T>(
    ref: IncidentRef,
    decide: (stored: Stored | undefined) => { readonly next?: Omit<Stored, 'version'>; readonly result: T },
  ): Promise<T> {
    const attempts = new Attempts(TURNS, this.#pacing)
    for (;;) {
      const stored = await this.#load(ref)
      const { next, result } = decide(stored)
      if (next === undefined || (await this.#put(next, stored?.version))) return result
      if (!(await attempts.next())) throw storeFailure('DynamoDB did not take an incident that many write', undefined)
    }
  }

  async #load(ref: IncidentRef): Promise<Stored | undefined> {
    const TableName = this.#settings.table
    const { Item } = await this.#call((items) => items.get({ TableName, Key: keyOf(ref), ConsistentRead: true }))
    return decodeItem(Item, this.#clock.nowMs())
  }

  /** Incidents by id, without missing ones. */
  async #loadMany(refs: readonly IncidentRef[]): Promise<ReadonlyMap<string, Incident>> {
    const { table } = this.#settings
    const found = new Map<string, Incident>()
    const attempts = new Attempts(TURNS, this.#pacing)
    let keys: Record<string, unknown>[] = refs.map(keyOf)
    while (keys.length > 0) {
      const part = keys.slice(0, BATCH_GET_MAX)
      const request = { RequestItems: { [table]: { Keys: part, ProjectionExpression: 'version, body, expiresAt' } } }
      const answer = await this.#call((items) => items.batchGet(request))
      for (const item of answer.Responses?.[table] ?? []) {
        const stored = decodeItem(item, this.#clock.nowMs())
        if (stored !== undefined) found.set(stored.incident.id, stored.incident)
      }
      const rest = answer.UnprocessedKeys?.[table]?.Keys ?? []
      keys = [...keys.slice(BATCH_GET_MAX), ...rest]
      if (rest.length > 0 && !(await attempts.next())) throw storeFailure('DynamoDB did not give incidents', undefined)
    }
    return found
  }

  /** False if another writer has changed it. */
  async #put(next: Omit<Stored, 'version'>, version: number | undefined): Promise<boolean> {
    const Item = encodeItem({ ...next, version: (version ?? 0) + 1 }, this.#settings.closedKeptMs)
    const condition = versionCondition(version, this.#clock.nowMs())
    try {
      const items = await this.#items()
      await items.put({ TableName: this.#settings.table, Item, ...condition })
      return true
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'ConditionalCheckFailedException') return false
      throw storeFailure('DynamoDB did not take an incident', cause)
    }
  }

  async #call<T>(call: (items: DynamoDBDocument) => Promise<T>): Promise<T> {
    try {
      return await call(await this.#items())
    } catch (cause) {
      throw storeFailure('DynamoDB did not answer about incidents', cause)
    }
  }
}
