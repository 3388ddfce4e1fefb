/**
 * What keeps logs, as plain data: the deployment (storage.ts), the emulator of the compose project and the tests' local
 * cloud (emulated.ts) are made from this one list. test/infra holds the three to each other.
 */

import type { StageSettings } from './stages.ts'

/** Lambda's time-out of the worker; the queue hides a message six times as long, as AWS advises. */
export const WORKER_SECONDS = 60

/** Recent items, ids of posted logs, the index of streams, incidents: one table, keys that spread. */
export const TABLE = {
  attributes: {
    pk: 'string',
    sk: 'string',
    listKey: 'string',
    seenKey: 'string',
    workShard: 'string',
    workAtMs: 'number',
  },
  key: { hashKey: 'pk', rangeKey: 'sk' },
  /** Of keys only. Incidents by state and by when they were last seen, and what is to be sent or closed by when. */
  indexes: {
    incidentList: { hashKey: 'listKey', rangeKey: 'seenKey' },
    incidentWork: { hashKey: 'workShard', rangeKey: 'workAtMs' },
  },
  /** Seconds since 1970 after which DynamoDB deletes the item. */
  ttl: 'expiresAt',
} as const

/** Of the queue and of its dead letters; SQS keeps no message for longer, and takes none that is larger. */
export const QUEUE = {
  visibilitySeconds: WORKER_SECONDS * 6,
  retentionSeconds: 14 * 86_400,
  messageBytesMax: 1_048_576,
  /** Deliveries of a message before it goes to the dead letters. */
  receivesMax: 5,
} as const

/**
 * Records come as gzip members of lines: Firehose only joins them, so its own compression stays off. To prefixes without
 * an expression Firehose appends `YYYY/MM/dd/HH/` in UTC, which emulators do too:
 * https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
 */
export const STREAM = {
  prefix: 'logs/',
  errorPrefix: 'failed/',
  compressionFormat: 'UNCOMPRESSED',
  fileExtension: '.gz',
} as const

/** Lines of a watched log group that may raise an incident, counted for the alarm. */
export const ERROR_METRIC = 'ErrorCount'

/** A row for each line that raised an incident, in the fields of the classic table of incidents. */
export const ROW_TABLE = {
  attributes: { incident_id: 'string' },
  key: { hashKey: 'incident_id' },
} as const

/** A rule of the bucket's lifecycle; `days` since the object was written, or since a version was replaced. */
export interface LifecycleRule {
  readonly id: string
  readonly prefix: string
  readonly abortUploadsDays?: number
  readonly expireDays?: number
  readonly seldomReadDays?: number
  readonly expireVersionsDays?: number
}

export function lifecycleRules({ archiveDays, infrequentAccessDays, versioning }: StageSettings): LifecycleRule[] {
  // S3 refuses a move that would come after the end.
  const isMoved = infrequentAccessDays !== undefined && infrequentAccessDays < (archiveDays ?? Number.POSITIVE_INFINITY)
  return [
    { id: 'unfinished', prefix: '', abortUploadsDays: 1 },
    ...(archiveDays === undefined ? [] : [{ id: 'expire', prefix: '', expireDays: archiveDays }]),
    ...(isMoved ? [{ id: 'seldom-read', prefix: STREAM.prefix, seldomReadDays: infrequentAccessDays }] : []),
    ...(versioning ? [{ id: 'old-versions', prefix: '', expireVersionsDays: 30 }] : []),
  ]
}
