/** Every setting: its variable, its kind, its default and a sentence for the people who set it. */

import { isLabelName } from '../domain/labels.ts'
import { PUSH_LIMITS, type PushLimits, QUERY_LIMITS, type QueryLimits } from '../domain/limits.ts'
import { isTenant } from '../domain/tenant.ts'
import { AWS_SETTINGS } from './aws-settings.ts'
import { ALERT_SETTINGS } from './incident-settings.ts'
import {
  boolean,
  bytes,
  choice,
  choices,
  duration,
  instant,
  integer,
  list,
  optional,
  orOff,
  rate,
  selectors,
  text,
  textOrEmpty,
} from './kinds.ts'
import { POLL_SETTINGS } from './poll-settings.ts'
import { RULE_SETTINGS } from './rule-settings.ts'
import { type SettingsOf, setting } from './setting.ts'
import { users } from './users.ts'
import { WORKER_SETTINGS } from './worker-settings.ts'

const MIB = 2 ** 20
const HOUR = 3600_000

const PUSH_LIMIT_SETTINGS = {
  bodyBytesMax: setting('BODY_BYTES_MAX', bytes(), PUSH_LIMITS.bodyBytesMax, 'Largest body as it arrives.'),
  decompressedBytesMax: setting(
    'DECOMPRESSED_BYTES_MAX',
    bytes({ max: 2 ** 31 - 1 }),
    PUSH_LIMITS.decompressedBytesMax,
    'Largest body after decompression.',
  ),
  labelTextBytesMax: setting(
    'LABEL_TEXT_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.labelTextBytesMax,
    "Largest text of one stream's labels.",
  ),
  lineBytesMax: setting('LINE_BYTES_MAX', bytes(), PUSH_LIMITS.lineBytesMax, 'Longest line.'),
  lineTruncated: setting(
    'LINE_TRUNCATED',
    boolean(),
    PUSH_LIMITS.lineTruncated,
    'Cut lines that are too long instead of refusing them.',
  ),
  ageMsMax: setting(
    'AGE_MAX',
    orOff(duration()),
    PUSH_LIMITS.ageMsMax,
    'How far back a line may lie; never further than retention.',
  ),
  futureMsMax: setting(
    'FUTURE_MAX',
    duration({ min: 0 }),
    PUSH_LIMITS.futureMsMax,
    'How far ahead of the clock a line may lie.',
  ),
  labelCountMax: setting('LABEL_COUNT_MAX', integer({ min: 1 }), PUSH_LIMITS.labelCountMax, 'Labels of one stream.'),
  otlpLabelCountMax: setting(
    'OTLP_LABEL_COUNT_MAX',
    integer({ min: 1 }),
    PUSH_LIMITS.otlpLabelCountMax,
    'Labels of one stream that comes by OTLP.',
  ),
  labelNameBytesMax: setting('LABEL_NAME_BYTES_MAX', bytes(), PUSH_LIMITS.labelNameBytesMax, 'Longest label name.'),
  labelValueBytesMax: setting('LABEL_VALUE_BYTES_MAX', bytes(), PUSH_LIMITS.labelValueBytesMax, 'Longest label value.'),
  metadataAllowed: setting(
    'METADATA_ALLOWED',
    boolean(),
    PUSH_LIMITS.metadataAllowed,
    'Take lines with structured metadata.',
  ),
  metadataBytesMax: setting(
    'METADATA_BYTES_MAX',
    bytes({ min: 0 }),
    PUSH_LIMITS.metadataBytesMax,
    'Structured metadata of one line.',
  ),
  metadataCountMax: setting(
    'METADATA_COUNT_MAX',
    integer(),
    PUSH_LIMITS.metadataCountMax,
    'Pairs of structured metadata of one line.',
  ),
  labelsRequired: setting(
    'LABELS_REQUIRED',
    list('label names between commas', isLabelName),
    PUSH_LIMITS.labelsRequired,
    'Labels that every stream must carry.',
  ),
  tenantRate: setting(
    'TENANT_RATE',
    orOff(rate()),
    PUSH_LIMITS.tenantRate,
    'Bytes a second (and, after a colon, at once) that a tenant may push.',
  ),
  streamRate: setting(
    'STREAM_RATE',
    orOff(rate()),
    PUSH_LIMITS.streamRate,
    'Bytes a second (and, after a colon, at once) that one stream may take.',
  ),
  activeStreamsMax: setting(
    'ACTIVE_STREAMS_MAX',
    integer({ min: 1 }),
    PUSH_LIMITS.activeStreamsMax,
    'Streams of one tenant that took a line within the last hour.',
  ),
} satisfies SettingsOf<PushLimits>

const QUERY_SETTINGS = {
  queryBytesMax: setting('QUERY_BYTES_MAX', bytes(), QUERY_LIMITS.queryBytesMax, 'Longest text of a query.'),
  entriesMax: setting(
    'QUERY_ENTRIES_MAX',
    integer({ min: 1 }),
    QUERY_LIMITS.entriesMax,
    'Entries that one log query may ask for.',
  ),
  rangeMsMax: setting('QUERY_RANGE_MAX', duration(), QUERY_LIMITS.rangeMsMax, 'Longest time range of a query.'),
  seriesMax: setting(
    'QUERY_SERIES_MAX',
    integer({ min: 1 }),
    QUERY_LIMITS.seriesMax,
    "Series of one metric query's result.",
  ),
  pointsMax: setting('QUERY_POINTS_MAX', integer({ min: 1 }), QUERY_LIMITS.pointsMax, 'Points of one series.'),
  timeoutMs: setting(
    'QUERY_TIMEOUT',
    duration({ max: 24 * HOUR }),
    QUERY_LIMITS.timeoutMs,
    'How long one query may run.',
  ),
} satisfies SettingsOf<QueryLimits>

const TENANT_SETTINGS = {
  multiTenantQueries: setting(
    'MULTI_TENANT_QUERIES',
    boolean(),
    false,
    'Let queries name several tenants, `X-Scope-OrgID: a|b`; each stream then carries `__tenant_id__`.',
  ),
  limitsFile: setting(
    'TENANT_LIMITS_FILE',
    optional(text('a path')),
    undefined,
    'JSON with the limits of single tenants; read again when it changes.',
  ),
} as const

const AUTH_SETTINGS = {
  defaultTenant: setting(
    'DEFAULT_TENANT',
    textOrEmpty("a tenant id of letters, digits and !-_.*'(), or nothing", isTenant),
    'fake',
    'Tenant of requests without X-Scope-OrgID; empty: the header is required.',
  ),
  users: setting(
    'USERS',
    users(),
    [],
    'Who may come with a name and a password: name:password pairs between commas, or JSON with name, password and tenant; `millrace hash-password` makes a hash to use as the password.',
  ),
  jwksUrl: setting(
    'JWKS_URL',
    optional(text('an https URL (http only for this machine or a host name without dots)', isKeysUrl)),
    undefined,
    "Where the issuer of tokens publishes its keys, such as a Cognito user pool's jwks.json.",
  ),
  jwtIssuer: setting(
    'JWT_ISSUER',
    optional(text('the iss of the tokens')),
    undefined,
    'The `iss` that those tokens must have.',
  ),
  jwtClientIds: setting(
    'JWT_CLIENT_IDS',
    list('client ids between commas'),
    [],
    'App clients whose tokens are taken: `client_id` of an access token, `aud` of an id token.',
  ),
  jwtTokenUse: setting('JWT_TOKEN_USE', choices(['access', 'id']), ['access', 'id'], 'Which `token_use` is taken.'),
  jwtTenantClaim: setting(
    'JWT_TENANT_CLAIM',
    optional(text('the name of a claim')),
    undefined,
    'The claim that names the only tenant of its bearer; tokens without it are then refused.',
  ),
  localIssuer: setting(
    'LOCAL_ISSUER',
    boolean(),
    false,
    'Take tokens that `millrace token` made with the key in the data folder.',
  ),
  failuresPerMinute: setting(
    'AUTH_FAILURES_PER_MINUTE',
    integer({ min: 1 }),
    30,
    'Wrong credentials that one address may send for one name in a minute.',
  ),
} as const

/** The settings, grouped as the parts of the gateway take them: `SETTINGS.http.port` is `config.http.port`. */
export const SETTINGS = {
  service: {
    home: setting(
      'HOME',
      choice(['embedded', 'aws']),
      'embedded',
      'Where the logs live: `embedded` in one file here, `aws` in AWS services.',
    ),
    dataDir: setting('DATA_DIR', text('a path'), './data', 'Folder of the log file and of generated keys.'),
    logLevel: setting(
      'LOG_LEVEL',
      choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
      'info',
      'How much the gateway tells of itself on its own output.',
    ),
  },
  http: {
    host: setting(
      'HOST',
      text('a host name or an address without a port', isHost),
      '127.0.0.1',
      'Address to listen on; any but loopback needs credentials.',
    ),
    port: setting('PORT', integer({ max: 65_535 }), 3100, 'Port to listen on; 0 picks a free one.'),
    inflightBytesMax: setting(
      'INFLIGHT_BYTES_MAX',
      bytes(),
      512 * MIB,
      'Bytes of bodies that are held at once; beyond, pushes are told to come back.',
    ),
    queriesRunningMax: setting('QUERIES_RUNNING_MAX', integer({ min: 1 }), 8, 'Queries that run at once.'),
    queriesWaitingMax: setting(
      'QUERIES_WAITING_MAX',
      integer(),
      256,
      'Queries of one tenant that wait for their turn; more are told to come back.',
    ),
  },
  push: {
    limits: PUSH_LIMIT_SETTINGS,
    discoverServiceName: setting(
      'DISCOVER_SERVICE_NAME',
      boolean(),
      true,
      'Give streams without `service_name` the one their labels tell.',
    ),
    discoverLevels: setting('DISCOVER_LEVELS', boolean(), true, 'Find the level of each line: `detected_level`.'),
    dropStreams: setting('DROP_STREAMS', selectors(), [], 'Streams to drop on purpose, by selector; they are counted.'),
    blockedUntilMs: setting(
      'INGESTION_BLOCKED_UNTIL',
      optional(instant()),
      undefined,
      'Refuse all pushes until this date and time.',
    ),
    blockedStatus: setting(
      'INGESTION_BLOCKED_STATUS',
      integer({ min: 200, max: 599 }),
      260,
      'HTTP status of pushes refused so.',
    ),
  },
  query: QUERY_SETTINGS,
  tenants: TENANT_SETTINGS,
  cache: {
    bytesMax: setting(
      'QUERY_CACHE_BYTES',
      orOff(bytes()),
      64 * MIB,
      'Memory for answers of metric queries and of the index that are given again while nothing has changed.',
    ),
  },
  auth: AUTH_SETTINGS,
  store: {
    queueBytesMax: setting(
      'QUEUE_BYTES_MAX',
      bytes(),
      64 * MIB,
      'Bytes of pushes that wait for their commit; beyond, pushes are told to come back.',
    ),
    retentionAgeMs: setting(
      'RETENTION_AGE',
      orOff(duration({ min: HOUR })),
      // Nothing is dropped in silence: only an operator who asked for it loses old lines.
      undefined,
      'Drop lines older than this.',
    ),
    retentionBytes: setting(
      'RETENTION_BYTES',
      orOff(bytes({ min: 16 * MIB })),
      undefined,
      'Drop the oldest lines when the logs take more disk than this.',
    ),
    duplicateWindowMs: setting(
      'DUPLICATE_WINDOW',
      orOff(duration()),
      HOUR,
      'How long a push that is sent again is known and not stored twice.',
    ),
    blockBytes: setting(
      'BLOCK_BYTES',
      bytes({ min: 64 * 2 ** 10, max: 64 * MIB }),
      MIB,
      'Bytes of lines that are compressed together.',
    ),
  },
  aws: { ...AWS_SETTINGS, ...WORKER_SETTINGS },
  poll: POLL_SETTINGS,
  alerts: ALERT_SETTINGS,
  rules: RULE_SETTINGS,
} as const

function isHost(given: string): boolean {
  return given.length <= 255 && /^[A-Za-z0-9._:%-]+$/.test(given) && !/^[^:]*:\d+$/.test(given)
}

function isKeysUrl(given: string): boolean {
  const url = URL.parse(given)
  if (url === null || url.username !== '' || url.password !== '') return false
  // Keys that anyone on the way can exchange prove nothing; inside a compose network names have no dots.
  const isNear = !url.hostname.includes('.') || /^127\./.test(url.hostname)
  return url.protocol === 'https:' || (url.protocol === 'http:' && isNear)
}
