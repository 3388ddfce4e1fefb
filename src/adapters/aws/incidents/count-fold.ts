/** Applies recorded counts to incidents: each record once, in one transaction with the incidents that it changes. */

import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import type { IncidentRef } from '../../../domain/incidents/incident.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { CountDecider, Decision } from '../../../ports/incidents.ts'
import type { Clock } from '../../../ports/log-store.ts'
import { storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits } from '../retry.ts'
import { COUNT_SHARDS, type CountKey, decodeCountItem, type PendingCounts } from './count-items.ts'
import { isConflict, isRefusal } from './dynamo-counts.ts'
import { WORK_INDEX } from './incident-index.ts'
import { decodeItem, encodeItem, fitOutbox, keyOf, type Stored } from './incident-item.ts'

export interface FoldSettings {
  readonly table: string
  /** How long a delivery is remembered after it was applied. */
  readonly eventMemoryMs: number
  readonly closedKeptMs: number
}

/** A transaction may have 100 items and 4 MB. */
const ITEMS_MAX = 90
const BYTES_MAX = 3 * 1024 * 1024
/** Records listed at once. */
const LISTED_MAX = 400
const BATCH_GET_MAX = 100
/** Other processes may fold, or change an incident, at the same time. */
const TURNS: RetryLimits = {
  attemptsMax: 20,
  budgetMs: 30_000,
  backoff: { firstMs: 20, maxMs: 1_000, jitter: 1 },
}
const WHAT = 'DynamoDB did not apply counts of lines'

/** An incident as read, and after the change. */
interface Change {
  readonly version: number | undefined
  next: Omit<Stored, 'version'> | undefined
}

export class CountFold {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #settings: FoldSettings
  readonly #clock: Clock
  readonly #pacing: Pacing

  constructor(items: Lazy<DynamoDBDocument>, settings: FoldSettings, clock: Clock, pacing: Pacing) {
    this.#items = items
    this.#settings = settings
    this.#clock = clock
    this.#pacing = pacing
  }

  /**
   * Folds all listed records and `recorded`, which may not be listed yet. Rejects with store_unavailable or overloaded.
   */
  async fold(recorded: readonly CountKey[], decider: CountDecider): Promise<readonly Decision[]> {
    const decisions: Decision[] = []
    const attempts = new Attempts(TURNS, this.#pacing)
    let keys: readonly CountKey[] = unique([...recorded, ...(await this.#list())])
    while (keys.length > 0) {
      const pending = await this.#load(keys)
      let isOver = true
      for (let left = pending; left.length > 0; ) {
        const step = await this.#apply(left, decider)
        if (step === undefined) {
          // Another process applied a part first: the rest is read again.
          isOver = false
          break
        }
        decisions.push(...step.decisions)
        left = left.slice(step.applied)
      }
      if (!isOver && !(await attempts.next())) throw storeFailure(WHAT, undefined)
      if (isOver) keys = pending.length < LISTED_MAX ? [] : await this.#list()
    }
    return decisions
  }

  /** Applies as many of `pending` as fit into a transaction, from the first; undefined if it was rejected. */
  async #apply(
    pending: readonly PendingCounts[],
    decider: CountDecider,
  ): Promise<{ readonly decisions: readonly Decision[]; readonly applied: number } | undefined> {
    const refs = new Map<string, IncidentRef>()
    let applied = 0
    for (const { counts } of pending) {
      const more = counts.map((lines) => ({ tenant: lines.tenant, id: decider.idOf(lines) }))
      const fresh = more.filter((ref) => !refs.has(keyOf(ref).pk))
      if (applied > 0 && refs.size + fresh.length + applied + 1 > ITEMS_MAX) break
      for (const ref of more) refs.set(keyOf(ref).pk, ref)
      applied++
    }
    const changes = await this.#loadIncidents([...refs.values()])
    const decisions: Decision[] = []
    let bytes = 0
    for (const [i, { counts }] of pending.slice(0, applied).entries()) {
      if (i > 0 && bytes > BYTES_MAX) {
        applied = i
        break
      }
      for (const lines of counts) {
        const id = decider.idOf(lines)
        const change = changes.get(keyOf({ tenant: lines.tenant, id }).pk) as Change
        const decision = decider.decide(change.next?.incident, id, lines)
        const outbox = [...(change.next?.outbox ?? []), ...(decision.outbox === undefined ? [] : [decision.outbox])]
        change.next = { incident: decision.incident, outbox: fitOutbox(outbox) }
        bytes += JSON.stringify(change.next).length
        decisions.push(decision)
      }
    }
    const isDone = await this.#write(pending.slice(0, applied), [...changes.values()])
    return isDone ? { decisions, applied } : undefined
  }

  async #write(applied: readonly PendingCounts[], changes: readonly Change[]): Promise<boolean> {
    const { table: TableName, eventMemoryMs, closedKeptMs } = this.#settings
    const nowMs = this.#clock.nowMs()
    const puts = changes.flatMap(({ version, next }) => {
      if (next === undefined) return []
      const Item = encodeItem({ ...next, version: (version ?? 0) + 1 }, closedKeptMs)
      return [{ Put: { TableName, Item, ...versionCondition(version, nowMs) } }]
    })
    const marks = applied.map(({ key }) => ({
      Update: {
        TableName,
        Key: key,
        UpdateExpression: 'REMOVE workShard, workAtMs, body SET expiresAt = :end',
        ConditionExpression: 'attribute_exists(workShard)',
        ExpressionAttributeValues: { ':end': Math.ceil((nowMs + eventMemoryMs) / 1000) },
      },
    }))
    try {
      const items = await this.#items()
      await items.transactWrite({ TransactItems: [...puts, ...marks] })
      return true
    } catch (cause) {
      if (isRefusal(cause) || isConflict(cause)) return false
      throw storeFailure(WHAT, cause)
    }
  }

  async #list(): Promise<readonly CountKey[]> {
    const pages = await Promise.all(
      COUNT_SHARDS.map((shard) =>
        this.#call((items) =>
          items.query({
            TableName: this.#settings.table,
            IndexName: WORK_INDEX,
            KeyConditionExpression: 'workShard = :shard',
            ExpressionAttributeValues: { ':shard': shard },
            Limit: Math.ceil(LISTED_MAX / COUNT_SHARDS.length),
          }),
        ),
      ),
    )
    return pages.flatMap(({ Items = [] }) => Items.map(({ pk }) => ({ pk: String(pk), sk: 'counts' as const })))
  }

  /** The records that are still to be applied, in the order of recording. */
  async #load(keys: readonly CountKey[]): Promise<readonly PendingCounts[]> {
    const found = await this.#get(keys)
    const pending = found.map(decodeCountItem).filter((counts) => counts !== undefined)
    return pending.sort((a, b) => a.recordedMs - b.recordedMs)
  }

  async #loadIncidents(refs: readonly IncidentRef[]): Promise<ReadonlyMap<string, Change>> {
    const changes = new Map<string, Change>(refs.map((ref) => [keyOf(ref).pk, { version: undefined, next: undefined }]))
    for (const item of await this.#get(refs.map(keyOf))) {
      const stored = decodeItem(item, this.#clock.nowMs())
      if (stored === undefined) continue
      const { version, ...next } = stored
      changes.set(String(item['pk']), { version, next })
    }
    return changes
  }

  async #get(keys: readonly object[]): Promise<readonly Record<string, unknown>[]> {
    const { table } = this.#settings
    const found: Record<string, unknown>[] = []
    const attempts = new Attempts(TURNS, this.#pacing)
    let left: Record<string, unknown>[] = keys.map((key) => ({ ...key }))
    while (left.length > 0) {
      const part = left.slice(0, BATCH_GET_MAX)
      const request = { RequestItems: { [table]: { Keys: part, ConsistentRead: true } } }
      const answer = await this.#call((items) => items.batchGet(request))
      found.push(...(answer.Responses?.[table] ?? []))
      const rest = answer.UnprocessedKeys?.[table]?.Keys ?? []
      left = [...left.slice(BATCH_GET_MAX), ...rest]
      if (rest.length > 0 && !(await attempts.next())) throw storeFailure(WHAT, undefined)
    }
    return found
  }

  async #call<T>(call: (items: DynamoDBDocument) => Promise<T>): Promise<T> {
    try {
      return await call(await this.#items())
    } catch (cause) {
      throw storeFailure(WHAT, cause)
    }
  }
}

/** The condition that the incident has not changed since it was read. */
export function versionCondition(version: number | undefined, nowMs: number) {
  if (version !== undefined) {
    return { ConditionExpression: 'version = :version', ExpressionAttributeValues: { ':version': version } }
  }
  // An expired item may still exist, and is overwritten as if it did not.
  return {
    ConditionExpression: 'attribute_not_exists(pk) OR expiresAt <= :now',
    ExpressionAttributeValues: { ':now': Math.floor(nowMs / 1000) },
  }
}

function unique(keys: readonly CountKey[]): readonly CountKey[] {
  return [...new Map(keys.map((key) => [key.pk, key])).values()]
}
