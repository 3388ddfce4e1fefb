/**
 * The storage of logs as plain data: the deployment (storage.ts), the emulator of the compose project and the tests' local
 * cloud (emulated.ts) are built from this list. test/infra compares the three.
 */

import type { StageSettings } from './stages.ts'

/** Lambda's time-out of the worker; the queue hides a message six times as long, as AWS advises. */
export const WORKER_SECONDS = 60

/** Recent items, ids of posted logs, the index of streams, incidents: one table, with keys that spread over partitions. */
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
  /** Keys only. Incidents by state and time of the last event, and notifications and closings by due time. */
  indexes: {
    incidentList: { hashKey: 'listKey', rangeKey: 'seenKey' },
    incidentWork: { hashKey: 'workShard', rangeKey: 'workAtMs' },
  },
  /** Seconds since 1970 after which DynamoDB deletes the item. */
  ttl: 'expiresAt',
} as const

/** For the queue and its dead letters: SQS's maximum retention and message size. */
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

/** Folders of the direct path. Firehose's folders start with a year. */
export const ARCHIVE_FOLDERS = {
  /** Pushes until they are compacted. */
  arrived: 'logs/l0/',
  files: 'logs/parquet/',
  /** Objects that could not be compacted. */
  bad: 'logs/bad/',
} as const

/** As long as the rows that refer to them. */
export const ARRIVED_DAYS = 7

/** Lines of a watched log group that may raise an incident, counted for the alarm. */
export const ERROR_METRIC = 'ErrorCount'

/** A row for each line that raised an incident, with the fields of the classic table of incidents. */
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

export function lifecycleRules(settings: StageSettings): LifecycleRule[] {
  const { archiveDays, archivePath, infrequentAccessDays, versioning } = settings
  // S3 rejects a transition after the expiration.
  const isMoved = infrequentAccessDays !== undefined && infrequentAccessDays < (archiveDays ?? Number.POSITIVE_INFINITY)
  return [
    { id: 'unfinished', prefix: '', abortUploadsDays: 1 },
    ...(archiveDays === undefined ? [] : expireRules(archivePath, archiveDays)),
    ...(archivePath === 'direct'
      ? [
          {
            id: 'arrived',
            prefix: ARCHIVE_FOLDERS.arrived,
            expireDays: ARRIVED_DAYS,
            ...(versioning && { expireVersionsDays: 1 }),
          },
        ]
      : []),
    ...(isMoved
      ? [
          {
            id: 'seldom-read',
            prefix: archivePath === 'direct' ? ARCHIVE_FOLDERS.files : STREAM.prefix,
            seldomReadDays: infrequentAccessDays,
          },
        ]
      : []),
    ...(versioning ? [{ id: 'old-versions', prefix: '', expireVersionsDays: 30 }] : []),
  ]
}

/** The compactor deletes files of the direct path, because it knows the times of their lines: the manifest must not refer to a missing file. */
function expireRules(archivePath: StageSettings['archivePath'], expireDays: number): LifecycleRule[] {
  if (archivePath === 'firehose') return [{ id: 'expire', prefix: '', expireDays }]
  return [
    // The folders by year, from Firehose.
    { id: 'expire', prefix: `${STREAM.prefix}2`, expireDays },
    { id: 'expire-failed', prefix: STREAM.errorPrefix, expireDays },
    { id: 'expire-bad', prefix: ARCHIVE_FOLDERS.bad, expireDays },
  ]
}
