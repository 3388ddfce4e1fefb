/** Settings of the aws home. */

import { boolean, bytes, choice, duration, integer, optional, text } from './kinds.ts'
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
    'DynamoDB table of the aws home, with the keys `pk` and `sk` and the TTL attribute `expiresAt`.',
  ),
  bucket: setting('BUCKET', optional(text('the name of a bucket')), undefined, 'S3 bucket of the archive.'),
  archivePrefix: setting(
    'ARCHIVE_PREFIX',
    text('a key prefix that ends with /', (text) => /^[^/].*\/$/.test(text)),
    'logs/',
    'Key prefix of the archive; Firehose must use the same.',
  ),
  archivePath: setting(
    'ARCHIVE_PATH',
    choice(['firehose', 'direct']),
    'firehose',
    'How pushes reach the archive: through Firehose, or written by the gateway itself; `direct` needs the compactor.',
  ),
  archiveBuckets: setting(
    'ARCHIVE_BUCKETS',
    integer({ min: 1, max: 4096 }),
    1,
    'Into how many parts `direct` divides the tenants of a new archive: 16 for 100 GB a day. An archive that exists keeps its own.',
  ),
  firehoseStream: setting(
    'FIREHOSE_STREAM',
    optional(text('the name of a stream')),
    undefined,
    'Firehose stream that delivers pushes to the bucket; not used by `direct`.',
  ),
  queueUrl: setting(
    'QUEUE_URL',
    optional(text('the URL of a queue', (text) => URL.canParse(text))),
    undefined,
    'SQS queue from `POST /logs` to the worker; not used by `direct`.',
  ),
  recentItems: setting(
    'RECENT_ITEMS',
    boolean(),
    true,
    'Also keep pushes in DynamoDB until they are in the archive, so that queries see them immediately.',
  ),
  recentWindowMs: setting(
    'RECENT_WINDOW',
    // Firehose may buffer for 15 minutes, and retries when S3 does not respond.
    duration({ min: 20 * MINUTE, max: 24 * HOUR }),
    HOUR,
    'How long pushes stay in DynamoDB; must be longer than Firehose and the worker need.',
  ),
  lateAfterMs: setting(
    'LATE_AFTER',
    duration({ min: MINUTE, max: 24 * HOUR }),
    HOUR,
    'Lines that are older than this on arrival are written to the archive immediately, under their own hour.',
  ),
  s3PathStyle: setting('S3_PATH_STYLE', boolean(), false, 'Use path-style S3 URLs, as S3 emulators require.'),
  cacheDir: setting(
    'CACHE_DIR',
    text('a path'),
    '/tmp/millrace-cache',
    'Cache folder for archive data loaded by queries; must not be shared between containers.',
  ),
  cacheBytes: setting('CACHE_BYTES', bytes({ min: 16 * MIB }), 256 * MIB, 'Maximum size of the cache folder.'),
  archiveQueryBytesMax: setting(
    'ARCHIVE_QUERY_BYTES_MAX',
    bytes(),
    256 * MIB,
    'Maximum compressed bytes of the archive and of recent items that one query may load; an object counts as at least 8 KiB.',
  ),
  compactorMemoryBytes: setting(
    'COMPACTOR_MEMORY',
    bytes({ min: 128 * MIB }),
    1024 * MIB,
    'Memory that the compactor may use for sorting; beyond it, it uses MILLRACE_CACHE_DIR.',
  ),
  keySecret: setting(
    'KEY_SECRET',
    {
      ...optional(text('at least 32 characters', (text) => text.length >= KEY_SECRET_LENGTH_MIN)),
      isSecret: true,
    },
    undefined,
    'Secret from which the aws home derives the keys for page tokens and the local issuer; must be the same in all containers.',
  ),
} as const
