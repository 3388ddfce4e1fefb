/** The two indexes of the table for finding incidents without their ids, each distributed over shards. */

import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { INCIDENT_STATES, type Incident, type IncidentRef } from '../../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../../domain/incidents/notification.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { IncidentListing, IncidentPosition } from '../../../ports/incidents.ts'
import { storeFailure } from '../aws-errors.ts'

/**
 * Both indexes project keys only.
 *
 * - `incidentList`: `listKey` (S, <tenant>#<state>#<shard>), `seenKey` (S, 16 digits of the last occurrence's ms and
 *   the id).
 * - `incidentWork`: `workShard` (S), `workAtMs` (N): when the incident closes automatically or has a notification to
 *   send; absent if neither applies.
 */
export const LIST_INDEX = 'incidentList'
export const WORK_INDEX = 'incidentWork'

/** A partition accepts 1,000 writes per second; ids are hashes, so their last digit is evenly distributed. */
const LIST_SHARDS = ['0', '1', '2', '3'] as const
const WORK_SHARDS = ['0', '1', '2', '3', '4', '5', '6', '7'] as const
const SEEN_DIGITS = 16

/** The index attributes of an incident's item. */
export function indexAttributes(
  incident: Incident,
  outbox: readonly OutboxItem[],
): Readonly<Record<string, string | number>> {
  const { tenant, state, id, lastSeenMs, quietAtMs } = incident
  const times = [...outbox.map(({ dueMs }) => dueMs), ...(quietAtMs === undefined ? [] : [quietAtMs])]
  const work = times.length === 0 ? {} : { workShard: shardOf(id, WORK_SHARDS), workAtMs: Math.min(...times) }
  return { listKey: `${tenant}#${state}#${shardOf(id, LIST_SHARDS)}`, seenKey: seenKey(lastSeenMs) + id, ...work }
}

export class IncidentIndex {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #table: string

  constructor(items: Lazy<DynamoDBDocument>, table: string) {
    this.#items = items
    this.#table = table
  }

  /** The first `limit` positions of a listing, ignoring its labels. */
  async heads({ tenant, states, sinceMs, limit, after }: IncidentListing): Promise<readonly IncidentPosition[]> {
    const from = seenKey(sinceMs ?? 0)
    const to = after === undefined ? 'z' : seenKey(after.lastSeenMs) + after.id
    const keys = (states ?? INCIDENT_STATES).flatMap((state) =>
      LIST_SHARDS.map((shard) => `${tenant}#${state}#${shard}`),
    )
    const pages = await Promise.all(
      keys.map((key) =>
        this.#query({
          IndexName: LIST_INDEX,
          KeyConditionExpression: 'listKey = :key AND seenKey BETWEEN :from AND :to',
          ExpressionAttributeValues: { ':key': key, ':from': from, ':to': to },
          ScanIndexForward: false,
          // `to` itself was already returned.
          Limit: limit + 1,
        }),
      ),
    )
    const seen = pages.flat().map((item) => String(item['seenKey']))
    const wanted = after === undefined ? seen : seen.filter((key) => key < to)
    return wanted.sort().reverse().slice(0, limit).map(positionOf)
  }

  /** Incidents of all tenants with work due at `nowMs`, the most overdue of each shard first. */
  async due(nowMs: number, limit: number): Promise<readonly IncidentRef[]> {
    const pages = await Promise.all(
      WORK_SHARDS.map((shard) =>
        this.#query({
          IndexName: WORK_INDEX,
          KeyConditionExpression: 'workShard = :shard AND workAtMs <= :now',
          ExpressionAttributeValues: { ':shard': shard, ':now': nowMs },
          Limit: Math.ceil(limit / WORK_SHARDS.length) + 1,
        }),
      ),
    )
    return pages
      .flat()
      .sort((a, b) => Number(a['workAtMs']) - Number(b['workAtMs']))
      .slice(0, limit)
      .map((item) => {
        const [, tenant = '', id = ''] = String(item['pk']).split('#')
        return { tenant, id }
      })
  }

  async #query(query: object): Promise<Record<string, unknown>[]> {
    try {
      const items = await this.#items()
      const { Items = [] } = await items.query({ TableName: this.#table, ...query })
      return Items
    } catch (cause) {
      throw storeFailure('DynamoDB did not answer about incidents', cause)
    }
  }
}

function shardOf(id: string, shards: readonly string[]): string {
  return shards[Number.parseInt(id.slice(-4), 16) % shards.length] as string
}

/** Occurrences before 1970 count as 1970. */
function seenKey(ms: number): string {
  return String(Math.max(0, ms)).padStart(SEEN_DIGITS, '0')
}

function positionOf(key: string): IncidentPosition {
  return { lastSeenMs: Number(key.slice(0, SEEN_DIGITS)), id: key.slice(SEEN_DIGITS) }
}
