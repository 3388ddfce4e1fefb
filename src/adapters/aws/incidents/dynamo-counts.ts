/** Records counts of lines in DynamoDB: one conditional write for all counts of a delivery. */

import { randomUUID } from 'node:crypto'
import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import type { Lazy } from '../../../kit/lazy.ts'
import type { CountRecord, CursorMove, RecordOutcome } from '../../../ports/incidents.ts'
import type { Clock } from '../../../ports/log-store.ts'
import { storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, WRITE_RETRIES } from '../retry.ts'
import { type CountItem, type CountKey, encodeCountItems } from './count-items.ts'
import type { DynamoRows } from './dynamo-rows.ts'

const REFUSED: RecordOutcome = { isNew: false, decisions: [], isPending: true }
const WHAT = 'DynamoDB did not take counts of lines'

export class DynamoCounts {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #table: string
  readonly #rows: DynamoRows | undefined
  readonly #clock: Clock
  readonly #pacing: Pacing
  #recorded: CountKey[] = []

  /** `rows`: writes audit rows; undefined: there are none. */
  constructor(
    items: Lazy<DynamoDBDocument>,
    table: string,
    rows: DynamoRows | undefined,
    clock: Clock,
    pacing: Pacing,
  ) {
    this.#items = items
    this.#table = table
    this.#rows = rows
    this.#clock = clock
    this.#pacing = pacing
  }

  /** See IncidentStore: the counts wait for a fold. Rejects with store_unavailable or overloaded. */
  async record({ deliveryId, counts: now, later = [], cursor, rows }: CountRecord): Promise<RecordOutcome> {
    // Before the counts: writing a row twice is harmless, but a row that was never written is lost.
    await this.#rows?.write(rows)
    const counts = [...now, ...later]
    const items = counts.length === 0 ? [] : encodeCountItems(deliveryId ?? randomUUID(), counts, this.#clock.nowMs())
    const [first] = items
    if (first === undefined && cursor === undefined) return { isNew: true, decisions: [], isPending: false }
    const isNew =
      first !== undefined && items.length === 1 && cursor === undefined
        ? await this.#put(first)
        : await this.#putTogether(items, cursor)
    if (!isNew) return REFUSED
    this.#recorded.push(...items.map(({ pk, sk }) => ({ pk, sk })))
    return { isNew: true, decisions: [], isPending: items.length > 0 }
  }

  /** Keys of the records since the last call, which the index may not show yet. */
  takeRecorded(): readonly CountKey[] {
    const recorded = this.#recorded
    this.#recorded = []
    return recorded
  }

  async #put(item: CountItem): Promise<boolean> {
    try {
      const items = await this.#items()
      await items.put({ TableName: this.#table, Item: item, ...isUnknown(this.#clock.nowMs()) })
      return true
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'ConditionalCheckFailedException') return false
      throw storeFailure(WHAT, cause)
    }
  }

  async #putTogether(countItems: readonly CountItem[], cursor: CursorMove | undefined): Promise<boolean> {
    const TableName = this.#table
    const puts = countItems.map((Item) => ({
      Put: { TableName, Item, ...isUnknown(this.#clock.nowMs()) },
    }))
    const moves = cursor === undefined ? [] : [{ Put: { TableName, ...cursorPut(cursor) } }]
    const attempts = new Attempts(WRITE_RETRIES, this.#pacing)
    for (;;) {
      try {
        const items = await this.#items()
        await items.transactWrite({ TransactItems: [...puts, ...moves] })
        return true
      } catch (cause) {
        if (isRefusal(cause)) return false
        if (!isConflict(cause) || !(await attempts.next())) throw storeFailure(WHAT, cause)
      }
    }
  }
}

/** The condition that the delivery was not recorded. An expired one may still exist. */
function isUnknown(nowMs: number) {
  return {
    ConditionExpression: 'attribute_not_exists(pk) OR expiresAt <= :now',
    ExpressionAttributeValues: { ':now': Math.floor(nowMs / 1000) },
  }
}

/** Writes the item of a cursor that was read as `from`. */
function cursorPut({ name, from, to }: CursorMove) {
  const Item = { pk: `incident-cursor#${name}`, sk: 'cursor', text: to }
  if (from === undefined) return { Item, ConditionExpression: 'attribute_not_exists(pk)' }
  return {
    Item,
    ConditionExpression: '#text = :from',
    ExpressionAttributeNames: { '#text': 'text' },
    ExpressionAttributeValues: { ':from': from },
  }
}

/** True if a condition of the transaction failed. */
export function isRefusal(cause: unknown): boolean {
  return reasonsOf(cause).includes('ConditionalCheckFailed')
}

/** True if another transaction or write of one of the items was in progress: the same call may be retried. */
export function isConflict(cause: unknown): boolean {
  return reasonsOf(cause).some((reason) => reason === 'TransactionConflict' || reason === 'ThrottlingError')
}

function reasonsOf(cause: unknown): readonly string[] {
  if (!(cause instanceof Error) || cause.name !== 'TransactionCanceledException') return []
  const { CancellationReasons = [] } = cause as { CancellationReasons?: readonly { Code?: string }[] }
  return CancellationReasons.map(({ Code = '' }) => Code)
}
