/**
 * Writes audit rows to DynamoDB: one for each line that raised an incident, with the columns of the classic incident
 * table.
 */

import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import type { Lazy } from '../../../kit/lazy.ts'
import type { AuditRow } from '../../../ports/incidents.ts'
import { storeFailure } from '../aws-errors.ts'
import { Attempts, type Pacing, type RetryLimits } from '../retry.ts'

export interface RowSettings {
  /**
   * A separate table with the key `incident_id` and the TTL attribute `expiresAt`. Undefined: rows go to the gateway's
   * table.
   */
  readonly rowTable: string | undefined
  readonly table: string
  readonly keptMs: number
}

/** Maximum items per batch in DynamoDB. */
const BATCH_MAX = 25
/** An item may have 400 KB, a batch 16 MB. */
const MESSAGE_CHARS_MAX = 64 * 1024
const RETRIES: RetryLimits = {
  attemptsMax: 8,
  budgetMs: 20_000,
  backoff: { firstMs: 50, maxMs: 2_000, jitter: 1 },
}

export class DynamoRows {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #settings: RowSettings
  readonly #pacing: Pacing

  constructor(items: Lazy<DynamoDBDocument>, settings: RowSettings, pacing: Pacing) {
    this.#items = items
    this.#settings = settings
    this.#pacing = pacing
  }

  /**
   * Resolves when all are written. Writing a row again only changes its `created_at`. Rejects with store_unavailable.
   */
  async write(rows: readonly AuditRow[]): Promise<void> {
    // A batch must not contain a key twice.
    const byKey = new Map(rows.map((row) => [`${row.logGroup} ${row.incidentId}`, row]))
    const unique = [...byKey.values()]
    for (let i = 0; i < unique.length; i += BATCH_MAX) await this.#writeBatch(unique.slice(i, i + BATCH_MAX))
  }

  async #writeBatch(rows: readonly AuditRow[]): Promise<void> {
    const table = this.#settings.rowTable ?? this.#settings.table
    const attempts = new Attempts(RETRIES, this.#pacing)
    let requests: object[] = rows.map((row) => ({ PutRequest: { Item: this.#itemOf(row) } }))
    while (requests.length > 0) {
      const answer = await this.#call({ RequestItems: { [table]: requests } })
      requests = answer.UnprocessedItems?.[table] ?? []
      if (requests.length > 0 && !(await attempts.next())) {
        throw storeFailure('DynamoDB did not take rows of incidents', undefined)
      }
    }
  }

  // Requests are what the SDK takes and gives back.
  // biome-ignore lint/suspicious/noExplicitAny: its own type names every form of a value
  async #call(request: any) {
    try {
      const items = await this.#items()
      return await items.batchWrite(request)
    } catch (cause) {
      throw storeFailure('DynamoDB did not take rows of incidents', cause)
    }
  }

  #itemOf(row: AuditRow): object {
    const { incidentId, tenant, groupId, ms, logGroup, logStream, message, severity, createdMs } = row
    const { rowTable, keptMs } = this.#settings
    const key = rowTable === undefined ? { pk: `incident-line#${tenant}#${logGroup}#${incidentId}`, sk: 'line' } : {}
    return {
      ...key,
      incident_id: incidentId,
      timestamp: new Date(ms).toISOString(),
      log_group: logGroup,
      log_stream: logStream,
      message: message.slice(0, MESSAGE_CHARS_MAX),
      severity,
      status: 'OPEN',
      created_at: new Date(createdMs).toISOString(),
      tenant,
      group_id: groupId,
      expiresAt: Math.ceil((createdMs + keptMs) / 1000),
    }
  }
}
