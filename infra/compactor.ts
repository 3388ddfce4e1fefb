/** The compactor of the direct path: every ten minutes, one at a time, in its own image. */

import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'
import { ARCHIVE_FOLDERS } from './resources.ts'

/** Lambda's maximum. An interrupted run loses nothing: the next one continues from the manifest. */
const COMPACTOR_SECONDS = 900
/** DuckDB's memory, plus Node with the files of a round. */
const COMPACTOR_MEBIBYTES = 3008
const DUCKDB_MEBIBYTES = 1536
/** Room for the arrivals of a round, the resulting files, the inputs of a merge, and what DuckDB spills. */
const COMPACTOR_DISK_MEBIBYTES = 8192

/** Undefined if Firehose writes the archive. */
export function createCompactor(base: Base): ImageFunction | undefined {
  const { settings, storage } = base
  const { compactor: image } = base.images
  if (image === undefined) return undefined
  const made = createFunction(base, 'Compactor', {
    bundle: 'compactor-lambda',
    image,
    seconds: COMPACTOR_SECONDS,
    mebibytes: COMPACTOR_MEBIBYTES,
    diskMebibytes: COMPACTOR_DISK_MEBIBYTES,
    // Two at once lose nothing, because only one commits; but both are billed.
    ...(settings.reserveConcurrency && { concurrency: 1 }),
    environment: { ...storageEnvironment(base), MILLRACE_COMPACTOR_MEMORY: `${DUCKDB_MEBIBYTES}MiB` },
    statements: [
      {
        // A transaction needs the permission of each of its writes.
        actions: [
          'dynamodb:GetItem',
          'dynamodb:Query',
          'dynamodb:PutItem',
          'dynamodb:UpdateItem',
          'dynamodb:DeleteItem',
        ],
        resources: [storage.table.arn],
      },
      {
        actions: ['s3:GetObject'],
        resources: [ARCHIVE_FOLDERS.arrived, ARCHIVE_FOLDERS.files].map(
          (folder) => $interpolate`${storage.bucket.arn}/${folder}*`,
        ),
      },
      {
        actions: ['s3:PutObject'],
        resources: [ARCHIVE_FOLDERS.files, ARCHIVE_FOLDERS.bad].map(
          (folder) => $interpolate`${storage.bucket.arn}/${folder}*`,
        ),
      },
      // Files that were merged, or are beyond the retention. Arrivals expire by the bucket's lifecycle.
      { actions: ['s3:DeleteObject'], resources: [$interpolate`${storage.bucket.arn}/${ARCHIVE_FOLDERS.files}*`] },
      // Without it S3 answers 403 for a missing object.
      { actions: ['s3:ListBucket'], resources: [storage.bucket.arn] },
    ],
  })
  new sst.aws.CronV2('EveryTenMinutes', {
    function: made.function.arn,
    schedule: 'rate(10 minutes)',
    // The next round is the retry.
    retries: 0,
  })
  return made
}
