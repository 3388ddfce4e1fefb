/** AuditTrail on DynamoDB: an item a line, in the fields of the classic incident table, with a time to live. */

import type { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import type { Lazy } from '../../../kit/lazy.ts'
import type { AuditRecord, AuditTrail } from '../../../ports/incidents.ts'
import { storeFailure } from '../aws-errors.ts'

/** Writes under way at once: each carries a condition, which batches of DynamoDB cannot. */
const WRITING_MAX = 32
/** An item holds 400 KB. */
const MESSAGE_CHARS_MAX = 64 * 1024

export class DynamoAudit implements AuditTrail {
  readonly #items: Lazy<DynamoDBDocument>
  readonly #table: string
  readonly #keptMs: number

  constructor(items: Lazy<DynamoDBDocument>, table: string, keptMs: number) {
    this.#items = items
    this.#table = table
    this.#keptMs = keptMs
  }

  async write(records: readonly AuditRecord[]): Promise<number> {
    let written = 0
    for (let i = 0; i < records.length; i += WRITING_MAX) {
      const part = await Promise.all(records.slice(i, i + WRITING_MAX).map((record) => this.#writeOne(record)))
      written += part.filter((isNew) => isNew).length
    }
    return written
  }

  async prune(): Promise<void> {}

  async #writeOne(record: AuditRecord): Promise<boolean> {
    const { incidentId, tenant, groupId, ms, logGroup, logStream, message, severity, createdMs } = record
    const Item = {
      pk: `incident-line#${tenant}#${logGroup}#${incidentId}`,
      sk: 'line',
      incident_id: incidentId,
      group_id: groupId,
      timestamp: new Date(ms).toISOString(),
      log_group: logGroup,
      log_stream: logStream,
      message: message.slice(0, MESSAGE_CHARS_MAX),
      severity,
      created_at: new Date(createdMs).toISOString(),
      expiresAt: Math.ceil((createdMs + this.#keptMs) / 1000),
    }
    try {
      const items = await this.#items()
      await items.put({ TableName: this.#table, Item, ConditionExpression: 'attribute_not_exists(pk)' })
      return true
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'ConditionalCheckFailedException') return false
      throw storeFailure('DynamoDB did not take a row of the audit trail', cause)
    }
  }
}
