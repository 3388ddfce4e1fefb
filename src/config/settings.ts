/** Every setting: its variable, kind, default and help text. */

import { isLabelName } from '../domain/labels.ts'
import { PUSH_LIMITS, type PushLimits, QUERY_LIMITS, type QueryLimits } from '../domain/limits.ts'
import { isTenant } from '../domain/tenant.ts'
import { AWS_SETTINGS } from './aws-settings.ts'
import { INCIDENT_SETTINGS } from './incident-settings.ts'
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
  bodyBytesMax: setting(
    'BODY_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.bodyBytesMax,
    'Largest request body as received, before decompression.',
  ),
  decompressedBytesMax: setting(
    'DECOMPRESSED_BYTES_MAX',
    bytes({ max: 2 ** 31 - 1 }),
    PUSH_LIMITS.decompressedBytesMax,
    'Largest request body after decompression.',
  ),
  labelTextBytesMax: setting(
    'LABEL_TEXT_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.labelTextBytesMax,
    'Maximum size of the label set of one stream, as text.',
  ),
  lineBytesMax: setting('LINE_BYTES_MAX', bytes(), PUSH_LIMITS.lineBytesMax, 'Maximum length of a line.'),
  lineTruncated: setting(
    'LINE_TRUNCATED',
    boolean(),
    PUSH_LIMITS.lineTruncated,
    'Truncate lines that are too long instead of rejecting them.',
  ),
  ageMsMax: setting(
    'AGE_MAX',
    orOff(duration()),
    PUSH_LIMITS.ageMsMax,
    'Maximum age of a line; never more than the retention.',
  ),
  futureMsMax: setting(
    'FUTURE_MAX',
    duration({ min: 0 }),
    PUSH_LIMITS.futureMsMax,
    'How far in the future the time of a line may be.',
  ),
  labelCountMax: setting(
    'LABEL_COUNT_MAX',
    integer({ min: 1 }),
    PUSH_LIMITS.labelCountMax,
    'Maximum number of labels of a stream.',
  ),
  otlpLabelCountMax: setting(
    'OTLP_LABEL_COUNT_MAX',
    integer({ min: 1 }),
    PUSH_LIMITS.otlpLabelCountMax,
    'Maximum number of labels of a stream received by OTLP.',
  ),
  labelNameBytesMax: setting(
    'LABEL_NAME_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.labelNameBytesMax,
    'Maximum length of a label name.',
  ),
  labelValueBytesMax: setting(
    'LABEL_VALUE_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.labelValueBytesMax,
    'Maximum length of a label value.',
  ),
  metadataAllowed: setting(
    'METADATA_ALLOWED',
    boolean(),
    PUSH_LIMITS.metadataAllowed,
    'Accept lines with structured metadata.',
  ),
  metadataBytesMax: setting(
    'METADATA_BYTES_MAX',
    bytes({ min: 0 }),
    PUSH_LIMITS.metadataBytesMax,
    'Maximum size of the structured metadata of a line.',
  ),
  metadataCountMax: setting(
    'METADATA_COUNT_MAX',
    integer(),
    PUSH_LIMITS.metadataCountMax,
    'Maximum number of structured metadata pairs of a line.',
  ),
  labelsRequired: setting(
    'LABELS_REQUIRED',
    list('comma-separated label names', isLabelName),
    PUSH_LIMITS.labelsRequired,
    'Labels that every stream must have.',
  ),
  tenantRate: setting(
    'TENANT_RATE',
    orOff(rate()),
    PUSH_LIMITS.tenantRate,
    'Bytes per second that a tenant may push; after a colon, the burst size.',
  ),
  streamRate: setting(
    'STREAM_RATE',
    orOff(rate()),
    PUSH_LIMITS.streamRate,
    'Bytes per second that may be pushed to one stream; after a colon, the burst size.',
  ),
  activeStreamsMax: setting(
    'ACTIVE_STREAMS_MAX',
    integer({ min: 1 }),
    PUSH_LIMITS.activeStreamsMax,
    'Maximum number of active streams per tenant; a stream is active for an hour after its last line.',
  ),
  pushEntriesMax: setting(
    'PUSH_ENTRIES_MAX',
    integer({ min: 1, max: 1_000_000 }),
    PUSH_LIMITS.pushEntriesMax,
    'Maximum number of lines of a push.',
  ),
  pushLabelBytesMax: setting(
    'PUSH_LABEL_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.pushLabelBytesMax,
    'Maximum size of the label sets of a push together, as text.',
  ),
  activeLabelBytesMax: setting(
    'ACTIVE_LABEL_BYTES_MAX',
    bytes(),
    PUSH_LIMITS.activeLabelBytesMax,
    'Maximum size of the label sets of the active streams of a tenant together, as text.',
  ),
} satisfies SettingsOf<PushLimits>

const QUERY_SETTINGS = {
  queryBytesMax: setting('QUERY_BYTES_MAX', bytes(), QUERY_LIMITS.queryBytesMax, 'Maximum length of a query text.'),
  entriesMax: setting(
    'QUERY_ENTRIES_MAX',
    integer({ min: 1 }),
    QUERY_LIMITS.entriesMax,
    'Maximum number of entries that a log query may request.',
  ),
  rangeMsMax: setting('QUERY_RANGE_MAX', duration(), QUERY_LIMITS.rangeMsMax, 'Maximum time range of a query.'),
  seriesMax: setting(
    'QUERY_SERIES_MAX',
    integer({ min: 1 }),
    QUERY_LIMITS.seriesMax,
    'Maximum number of series in the result of a metric query.',
  ),
  pointsMax: setting(
    'QUERY_POINTS_MAX',
    integer({ min: 1 }),
    QUERY_LIMITS.pointsMax,
    'Maximum number of points per series.',
  ),
  timeoutMs: setting(
    'QUERY_TIMEOUT',
    duration({ max: 24 * HOUR }),
    QUERY_LIMITS.timeoutMs,
    'Maximum duration of a query.',
  ),
} satisfies SettingsOf<QueryLimits>

const TENANT_SETTINGS = {
  multiTenantQueries: setting(
    'MULTI_TENANT_QUERIES',
    boolean(),
    false,
    'Allow queries across several tenants, `X-Scope-OrgID: a|b`; each stream then has the label `__tenant_id__`.',
  ),
  limitsFile: setting(
    'TENANT_LIMITS_FILE',
    optional(text('a path')),
    undefined,
    'JSON file with per-tenant limits; reloaded when it changes.',
  ),
} as const

const AUTH_SETTINGS = {
  defaultTenant: setting(
    'DEFAULT_TENANT',
    textOrEmpty("a tenant id of letters, digits and !-_.*'(), or empty", isTenant),
    'fake',
    'Tenant of requests without X-Scope-OrgID; if empty, the header is required.',
  ),
  users: setting(
    'USERS',
    users(),
    [],
    'Users for basic authentication: comma-separated name:password pairs, or JSON with name, password and tenant. `millrace hash-password` prints a hash to use as the password.',
  ),
  jwksUrl: setting(
    'JWKS_URL',
    optional(text('an https URL (http only for this machine or a host name without dots)', isKeysUrl)),
    undefined,
    "URL of the token issuer's key set, such as the jwks.json of a Cognito user pool.",
  ),
  jwtIssuer: setting(
    'JWT_ISSUER',
    optional(text('the iss claim of the tokens')),
    undefined,
    'The `iss` claim that these tokens must have.',
  ),
  jwtClientIds: setting(
    'JWT_CLIENT_IDS',
    list('comma-separated client ids'),
    [],
    'App clients whose tokens are accepted: `client_id` of an access token, `aud` of an id token.',
  ),
  jwtTokenUse: setting('JWT_TOKEN_USE', choices(['access', 'id']), ['access', 'id'], 'Accepted values of `token_use`.'),
  jwtTenantClaim: setting(
    'JWT_TENANT_CLAIM',
    optional(text('the name of a claim')),
    undefined,
    'Claim that binds a token to a tenant; if set, tokens without it are rejected.',
  ),
  localIssuer: setting(
    'LOCAL_ISSUER',
    boolean(),
    false,
    'Accept tokens that `millrace token` signed with the key in the data folder.',
  ),
  failuresPerMinute: setting(
    'AUTH_FAILURES_PER_MINUTE',
    integer({ min: 1 }),
    30,
    'Failed logins allowed per minute for each address and user name.',
  ),
} as const

/** All settings, grouped like `Config`: `SETTINGS.http.port` is `config.http.port`. */
export const SETTINGS = {
  service: {
    home: setting(
      'HOME',
      choice(['embedded', 'aws']),
      'embedded',
      'Where logs are stored: `embedded` in one local file, `aws` in AWS services.',
    ),
    dataDir: setting('DATA_DIR', text('a path'), './data', 'Folder for the database and generated keys.'),
    logLevel: setting(
      'LOG_LEVEL',
      choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
      'info',
      "Level of the gateway's own log, on standard output.",
    ),
  },
  http: {
    host: setting(
      'HOST',
      text('a host name or an address without a port', isHost),
      '127.0.0.1',
      'Address to listen on; any address other than loopback requires credentials.',
    ),
    hostsAllowed: setting(
      'HOSTS_ALLOWED',
      list('comma-separated host names or addresses without ports, like host.docker.internal or *.lan', isHostPattern),
      [],
      'Names other than loopback that the `Host` header may have while no credentials are configured.',
    ),
    trustedProxies: setting(
      'TRUSTED_PROXIES',
      list('comma-separated addresses or networks, like 10.0.0.0/8 or ::1', isNetwork),
      [],
      "Proxies in front of the gateway: for their requests the client's address is that of X-Forwarded-For.",
    ),
    port: setting('PORT', integer({ max: 65_535 }), 3100, 'Port to listen on; 0 picks a free port.'),
    inflightBytesMax: setting(
      'INFLIGHT_BYTES_MAX',
      bytes(),
      512 * MIB,
      'Total bytes of request bodies in memory; above this, pushes get 503 and are retried by the client.',
    ),
    queriesRunningMax: setting('QUERIES_RUNNING_MAX', integer({ min: 1 }), 8, 'Maximum number of concurrent queries.'),
    tenantQueriesRunningMax: setting(
      'TENANT_QUERIES_RUNNING_MAX',
      integer({ min: 1 }),
      4,
      'Maximum number of concurrent queries per tenant; the other slots are for other tenants.',
    ),
    slowQueryMs: setting(
      'SLOW_QUERY',
      orOff(duration()),
      10_000,
      'Log queries that run for longer than this: tenant, tags and the query with its texts masked.',
    ),
    queriesWaitingMax: setting(
      'QUERIES_WAITING_MAX',
      integer(),
      256,
      'Maximum number of queued queries per tenant; further queries get 429.',
    ),
  },
  push: {
    limits: PUSH_LIMIT_SETTINGS,
    totalLabelBytesMax: setting(
      'TOTAL_LABEL_BYTES_MAX',
      bytes({ min: MIB }),
      64 * MIB,
      'Maximum size of the label sets of the active streams of all tenants; above this, tenants with more than their share get no new streams.',
    ),
    discoverServiceName: setting(
      'DISCOVER_SERVICE_NAME',
      boolean(),
      true,
      'Derive `service_name` from the other labels when a stream has none.',
    ),
    discoverLevels: setting('DISCOVER_LEVELS', boolean(), true, 'Detect the level of each line: `detected_level`.'),
    dropStreams: setting('DROP_STREAMS', selectors(), [], 'Selectors of streams to drop; dropped lines are counted.'),
    blockedUntilMs: setting(
      'INGESTION_BLOCKED_UNTIL',
      optional(instant()),
      undefined,
      'Reject all pushes until this date and time.',
    ),
    blockedStatus: setting(
      'INGESTION_BLOCKED_STATUS',
      integer({ min: 200, max: 599 }),
      260,
      'HTTP status of pushes rejected by MILLRACE_INGESTION_BLOCKED_UNTIL.',
    ),
  },
  query: QUERY_SETTINGS,
  tenants: TENANT_SETTINGS,
  cache: {
    bytesMax: setting(
      'QUERY_CACHE_BYTES',
      orOff(bytes()),
      64 * MIB,
      'Memory for cached results of metric queries and index requests; a result is reused while its data is unchanged.',
    ),
  },
  auth: AUTH_SETTINGS,
  store: {
    queueBytesMax: setting(
      'QUEUE_BYTES_MAX',
      bytes(),
      64 * MIB,
      'Total bytes of pushes waiting for a commit; above this, pushes get 503 and are retried by the client.',
    ),
    retentionAgeMs: setting(
      'RETENTION_AGE',
      orOff(duration({ min: HOUR })),
      // Nothing is dropped silently: old lines are deleted only if the operator asks for it.
      undefined,
      'Delete lines older than this.',
    ),
    retentionBytes: setting(
      'RETENTION_BYTES',
      orOff(bytes({ min: 16 * MIB })),
      undefined,
      'Delete the oldest lines when the logs use more disk space than this.',
    ),
    duplicateWindowMs: setting(
      'DUPLICATE_WINDOW',
      orOff(duration()),
      HOUR,
      'How long duplicate lines are detected: a push that is retried within this time is stored once.',
    ),
    blockBytes: setting(
      'BLOCK_BYTES',
      bytes({ min: 64 * 2 ** 10, max: 64 * MIB }),
      MIB,
      'Size of a block before compression.',
    ),
  },
  aws: { ...AWS_SETTINGS, ...WORKER_SETTINGS },
  poll: POLL_SETTINGS,
  incidents: INCIDENT_SETTINGS,
  rules: RULE_SETTINGS,
} as const

/** An IPv4 or IPv6 address, or a network in CIDR notation. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const isV4 = /^\d{1,3}(\.\d{1,3}){3}$/.test(address) && address.split('.').every((part) => Number(part) <= 255)
  const isV6 = URL.canParse(`http://[${address}]`)
  if (rest.length > 0 || !(isV4 || isV6)) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isV4 ? 32 : 128))
}

/** A name, an address, or `*.` followed by a name. `*` alone would open the gateway to every page in a browser. */
function isHostPattern(text: string): boolean {
  return (
    text.length <= 255 &&
    /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$|^\[?[0-9a-fA-F:]*:[0-9a-fA-F:]+\]?$/.test(text)
  )
}

function isHost(text: string): boolean {
  return text.length <= 255 && /^[A-Za-z0-9._:%-]+$/.test(text) && !/^[^:]*:\d+$/.test(text)
}

function isKeysUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  // Over plain http anyone on the path can replace the keys. Host names inside a compose network have no dots.
  const isLocal = !url.hostname.includes('.') || /^127\./.test(url.hostname)
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)
}
