/** Settings of the aws home. */

import { boolean, bytes, duration, optional, text } from './kinds.ts'
import { setting } from './setting.ts'

const MIB = 2 ** 20
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KEY_SECRET_LENGTH_MIN = 32

export const AWS_SETTINGS = {
  table: setting(
    'TABLE',
    optional(text('the name of a table')),
    undefined,
    'DynamoDB table of the aws home, with the keys `pk` and `sk` and the time to live `expiresAt`.',
  ),
  bucket: setting('BUCKET', optional(text('the name of a bucket')), undefined, 'S3 bucket of the archive.'),
  archivePrefix: setting(
    'ARCHIVE_PREFIX',
    text('a prefix of keys that ends with /', (given) => /^[^/].*\/$/.test(given)),
    'logs/',
    "What the archive's keys begin with; Firehose writes under the same.",
  ),
  firehoseStream: setting(
    'FIREHOSE_STREAM',
    optional(text('the name of a stream')),
    undefined,
    'Firehose stream that takes pushes to the bucket.',
  ),
  queueUrl: setting(
    'QUEUE_URL',
    optional(text('the URL of a queue', (given) => URL.canParse(given))),
    undefined,
    'SQS queue that takes `POST /logs` to the worker.',
  ),
  recentItems: setting(
    'RECENT_ITEMS',
    boolean(),
    true,
    'Keep pushes in DynamoDB as well until they are in the archive, so that a query sees them at once.',
  ),
  recentWindowMs: setting(
    'RECENT_WINDOW',
    // Firehose may hold a buffer for 15 minutes, and tries again when S3 does not answer.
    duration({ min: 20 * MINUTE, max: 24 * HOUR }),
    HOUR,
    'How long they stay there; longer than Firehose and the worker need.',
  ),
  lateAfterMs: setting(
    'LATE_AFTER',
    duration({ min: MINUTE, max: 24 * HOUR }),
    HOUR,
    'Lines older than this when they come are written to the archive at once, to their own hour.',
  ),
  s3PathStyle: setting(
    'S3_PATH_STYLE',
    boolean(),
    false,
    "Name the bucket in the URL's path, as S3 emulators want it.",
  ),
  cacheDir: setting(
    'CACHE_DIR',
    text('a path'),
    '/tmp/millrace-cache',
    'Folder for what queries loaded of the archive; not shared with another container.',
  ),
  cacheBytes: setting('CACHE_BYTES', bytes({ min: 16 * MIB }), 256 * MIB, 'Disk that it may take.'),
  archiveQueryBytesMax: setting(
    'ARCHIVE_QUERY_BYTES_MAX',
    bytes(),
    256 * MIB,
    'Compressed bytes of the archive and of recent items that one query may load; a small object counts as 8 KiB.',
  ),
  keySecret: setting(
    'KEY_SECRET',
    {
      ...optional(text('at least 32 characters', (given) => given.length >= KEY_SECRET_LENGTH_MIN)),
      isSecret: true,
    },
    undefined,
    'What keys are made of in the aws home, the same in all its containers: of page tokens, and of the local issuer.',
  ),
} as const
