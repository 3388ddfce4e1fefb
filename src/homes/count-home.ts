/** Where the aws home records counts of lines. Every gateway function loads this module, so it loads little itself. */

import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { KeyedHash } from '../domain/incidents/incident.ts'
import type { CountRecord, RecordOutcome } from '../ports/incidents.ts'
import type { Clock } from '../ports/log-store.ts'
import type { AwsClients } from './aws-clients.ts'
import { deriveKey } from './derived-keys.ts'
import { openHash } from './incident-settings.ts'
import { SYSTEM_PACING } from './machine.ts'

export interface CountHome {
  record(record: CountRecord): Promise<RecordOutcome>
  readonly hash: KeyedHash
}

/** For a gateway; the alert processor applies the counts. Throws config_invalid. */
export async function openCountHome(config: Config, clock: Clock, items: AwsClients['items']): Promise<CountHome> {
  const counts = await openCounts(config, clock, items)
  return { record: (record) => counts.record(record), hash: openHash(deriveKey(config, 'incidents')) }
}

/** Throws config_invalid. */
export async function openCounts(config: Config, clock: Clock, items: AwsClients['items']) {
  const table = requireTable(config.aws)
  const { DynamoCounts } = await import('../adapters/aws/incidents/dynamo-counts.ts')
  return new DynamoCounts(items, table, await openRows(config, table, items), clock, SYSTEM_PACING)
}

export function requireTable({ table }: Config['aws']): string {
  if (table !== undefined) return table
  throw new GatewayError('config_invalid', 'incidents of the aws home need MILLRACE_TABLE; set it')
}

async function openRows({ incidents }: Config, table: string, items: AwsClients['items']) {
  if (!incidents.audit) return undefined
  const { DynamoRows } = await import('../adapters/aws/incidents/dynamo-rows.ts')
  const settings = { table, rowTable: incidents.rowTable, keptMs: incidents.retention.closedKeptMs }
  return new DynamoRows(items, settings, SYSTEM_PACING)
}
