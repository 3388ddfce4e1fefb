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

/** Folders of the direct path beside Firehose's, whose names begin with a year. */
export const ARCHIVE_FOLDERS = {
  /** Pushes until they are compacted. */
  arrived: 'logs/l0/',
  files: 'logs/parquet/',
  /** What could not be compacted. */
  bad: 'logs/bad/',
} as const

/** As long as the rows that name them. */
export const ARRIVED_DAYS = 7

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

export function lifecycleRules(settings: StageSettings): LifecycleRule[] {
  const { archiveDays, archivePath, infrequentAccessDays, versioning } = settings
  // S3 refuses a move that would come after the end.
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

/** Files of the direct path end by the compactor, which knows the times of their lines: the manifest must not name a file that is gone. */
function expireRules(archivePath: StageSettings['archivePath'], expireDays: number): LifecycleRule[] {
  if (archivePath === 'firehose') return [{ id: 'expire', prefix: '', expireDays }]
  return [
    // The folders of years, from when Firehose wrote.
    { id: 'expire', prefix: `${STREAM.prefix}2`, expireDays },
    { id: 'expire-failed', prefix: STREAM.errorPrefix, expireDays },
    { id: 'expire-bad', prefix: ARCHIVE_FOLDERS.bad, expireDays },
  ]
}
