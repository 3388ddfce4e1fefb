import fc from 'fast-check'
import t from 'tap'
import { type Config, listSettings, readConfig } from '../../src/config/read-config.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { PUSH_LIMITS, QUERY_LIMITS } from '../../src/domain/limits.ts'

const HASH = 'scrypt:32768:8:3:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='

t.test('an empty environment gives the defaults', async (t) => {
  const config = readConfig({})
  t.same(config.push.limits, PUSH_LIMITS)
  t.same(config.query, QUERY_LIMITS)
  const queries = { queriesRunningMax: 8, tenantQueriesRunningMax: 4, slowQueryMs: 10_000, queriesWaitingMax: 256 }
  const server = {
    host: '127.0.0.1',
    hostsAllowed: [],
    trustedProxies: [],
    port: 3100,
    inflightBytesMax: 512 * 2 ** 20,
  }
  t.same(config.http, { ...server, ...queries })
  t.same(config.service, { home: 'embedded', dataDir: './data', logLevel: 'info' })
  t.equal(config.auth.defaultTenant, 'fake')
  t.equal(config.store.retentionAgeMs, undefined)
  t.equal(config.push.blockedStatus, 260)
})

t.test('every default can be written and read back', async (t) => {
  for (const setting of listSettings()) {
    const written = setting.kind.format(setting.default)
    const config = readConfig({ [setting.variable]: written })
    t.same(config, readConfig({}), `${setting.variable}=${written}`)
  }
})

/** [name, environment, the part of the config to check, its expected value] */
const ACCEPTED: [string, Record<string, string>, (config: Config) => unknown, unknown][] = [
  ['bytes with IEC units', { MILLRACE_LINE_BYTES_MAX: '1MiB' }, (c) => c.push.limits.lineBytesMax, 2 ** 20],
  ['bytes with SI units', { MILLRACE_LINE_BYTES_MAX: '64KB' }, (c) => c.push.limits.lineBytesMax, 64_000],
  ['bytes alone', { MILLRACE_LINE_BYTES_MAX: '262144' }, (c) => c.push.limits.lineBytesMax, 262_144],
  ['a fraction of a unit', { MILLRACE_LINE_BYTES_MAX: '1.5 kib' }, (c) => c.push.limits.lineBytesMax, 1536],
  ['a duration of two parts', { MILLRACE_AGE_MAX: '1h30m' }, (c) => c.push.limits.ageMsMax, 5_400_000],
  ['a duration in days', { MILLRACE_AGE_MAX: '14d' }, (c) => c.push.limits.ageMsMax, 14 * 86_400_000],
  ['a duration in milliseconds', { MILLRACE_QUERY_TIMEOUT: '500ms' }, (c) => c.query.timeoutMs, 500],
  ['off', { MILLRACE_AGE_MAX: 'off' }, (c) => c.push.limits.ageMsMax, undefined],
  ['an age that retention bounds', { MILLRACE_RETENTION_AGE: '30d' }, (c) => c.push.limits.ageMsMax, 30 * 86_400_000],
  [
    'an age below retention',
    { MILLRACE_RETENTION_AGE: '30d', MILLRACE_AGE_MAX: '7d' },
    (c) => c.push.limits.ageMsMax,
    7 * 86_400_000,
  ],
  ['0 for off', { MILLRACE_DUPLICATE_WINDOW: '0' }, (c) => c.store.duplicateWindowMs, undefined],
  ['0 where off is not allowed', { MILLRACE_FUTURE_MAX: '0' }, (c) => c.push.limits.futureMsMax, 0],
  [
    'a rate',
    { MILLRACE_TENANT_RATE: '4MB:6MB' },
    (c) => c.push.limits.tenantRate,
    { bytesPerSecond: 4e6, burstBytes: 6e6 },
  ],
  [
    'a rate alone',
    { MILLRACE_STREAM_RATE: '1KB' },
    (c) => c.push.limits.streamRate,
    { bytesPerSecond: 1000, burstBytes: 1000 },
  ],
  ['a boolean of any case', { MILLRACE_LINE_TRUNCATED: 'Yes' }, (c) => c.push.limits.lineTruncated, true],
  ['space around a value', { MILLRACE_PORT: ' 80 ' }, (c) => c.http.port, 80],
  ['an empty value as the default', { MILLRACE_PORT: '' }, (c) => c.http.port, 3100],
  ['an empty default tenant as undefined', { MILLRACE_DEFAULT_TENANT: '' }, (c) => c.auth.defaultTenant, undefined],
  ['a list', { MILLRACE_LABELS_REQUIRED: 'app, env\n,' }, (c) => c.push.limits.labelsRequired, ['app', 'env']],
  [
    'selectors with a semicolon in quotes',
    { MILLRACE_DROP_STREAMS: '{a="x;\\"y"}; {b=`;`}\n{c="d"};' },
    (c) => c.push.dropStreams,
    ['{a="x;\\"y"}', '{b=`;`}', '{c="d"}'],
  ],
  [
    'an instant',
    { MILLRACE_INGESTION_BLOCKED_UNTIL: '2026-11-21T11:00:00+01:00' },
    (c) => c.push.blockedUntilMs,
    Date.UTC(2026, 10, 21, 10),
  ],
  [
    'users as pairs',
    { MILLRACE_USERS: `ann:a:b, bob:${HASH}` },
    (c) => c.auth.users,
    [
      { name: 'ann', password: 'a:b', tenant: undefined },
      { name: 'bob', password: HASH, tenant: undefined },
    ],
  ],
  [
    'users as JSON',
    { MILLRACE_USERS: '[{"name":"ann","password":"a,b","tenant":"t1"}]' },
    (c) => c.auth.users,
    [{ name: 'ann', password: 'a,b', tenant: 't1' }],
  ],
  [
    'an issuer of tokens',
    {
      MILLRACE_JWKS_URL: 'https://issuer.example/pool/.well-known/jwks.json',
      MILLRACE_JWT_ISSUER: 'https://issuer.example/pool',
      MILLRACE_JWT_CLIENT_IDS: 'c1,c2',
      MILLRACE_JWT_TOKEN_USE: 'id',
    },
    (c) => [c.auth.jwtClientIds, c.auth.jwtTokenUse],
    [['c1', 'c2'], ['id']],
  ],
  [
    'the variables that Kubernetes sets for a service named millrace',
    {
      MILLRACE_SERVICE_HOST: '10.0.0.1',
      MILLRACE_SERVICE_PORT: '3100',
      MILLRACE_SERVICE_PORT_HTTP: '3100',
      MILLRACE_PORT: 'tcp://10.0.0.1:3100',
      MILLRACE_PORT_3100_TCP: 'tcp://10.0.0.1:3100',
      MILLRACE_PORT_3100_TCP_ADDR: '10.0.0.1',
    },
    (c) => c,
    readConfig({}),
  ],
  ['an environment with unrelated variables', { AWS_PROFILE: 'x', PATH: 'y' }, (c) => c, readConfig({})],
]
for (const [name, env, part, wanted] of ACCEPTED) {
  t.test(`reads ${name}`, async (t) => t.same(part(readConfig(env)), wanted))
}

/** [name, environment, the expected message] */
const REFUSED: [string, Record<string, string>, RegExp][] = [
  [
    'a port that is not a number',
    { MILLRACE_PORT: 'abc' },
    /MILLRACE_PORT: got "abc"; expected a whole number from 0 to 65535/,
  ],
  ['a port that is too high', { MILLRACE_PORT: '65536' }, /got "65536"/],
  ['a number with an exponent', { MILLRACE_PORT: '1e3' }, /got "1e3"/],
  ['a host with its port', { MILLRACE_HOST: 'localhost:3100' }, /expected a host name or an address without a port/],
  ['an unknown home', { MILLRACE_HOME: 'cloud' }, /expected embedded or aws/],
  ['bytes of an unknown unit', { MILLRACE_LINE_BYTES_MAX: '1MX' }, /expected bytes like/],
  ['bytes that are not whole', { MILLRACE_LINE_BYTES_MAX: '1.5' }, /expected bytes like/],
  ['bytes below the minimum', { MILLRACE_RETENTION_BYTES: '1MiB' }, /at least 16MiB, or off/],
  ['bytes beyond a safe integer', { MILLRACE_LINE_BYTES_MAX: '99999999TiB' }, /expected bytes like/],
  ['a duration without a unit', { MILLRACE_AGE_MAX: '3600' }, /expected a duration like 7d, 1h30m or 500ms/],
  ['a duration of rising units', { MILLRACE_AGE_MAX: '30m1h' }, /expected a duration/],
  ['off where it is not allowed', { MILLRACE_QUERY_TIMEOUT: 'off' }, /from 1ms to 1d/],
  ['an invalid boolean', { MILLRACE_LOCAL_ISSUER: 'maybe' }, /expected true or false/],
  ['an invalid label name', { MILLRACE_LABELS_REQUIRED: 'a-b' }, /expected comma-separated label names/],
  ['a rate of three parts', { MILLRACE_TENANT_RATE: '1:2:3' }, /expected bytes per second/],
  ['a rate of zero', { MILLRACE_TENANT_RATE: '0:1' }, /expected bytes per second/],
  ['a selector without braces', { MILLRACE_DROP_STREAMS: 'app="x"' }, /expected LogQL selectors/],
  ['an invalid date', { MILLRACE_INGESTION_BLOCKED_UNTIL: '2026-02-30T00:00:00Z' }, /expected a date and time/],
  ['an invalid tenant', { MILLRACE_DEFAULT_TENANT: 'a|b' }, /expected a tenant id/],
  ['an invalid token use', { MILLRACE_JWT_TOKEN_USE: 'access,refresh' }, /expected one or more of access, id/],
  ['keys over plain http', { MILLRACE_JWKS_URL: 'http://issuer.example/jwks.json' }, /expected an https URL/],
  ['keys with a password in the URL', { MILLRACE_JWKS_URL: 'https://a:b@issuer.example/' }, /expected an https URL/],
  ['keys without an issuer', { MILLRACE_JWKS_URL: 'https://issuer.example/' }, /MILLRACE_JWT_ISSUER: not set/],
  ['keys without clients', { MILLRACE_JWKS_URL: 'https://issuer.example/' }, /MILLRACE_JWT_CLIENT_IDS: not set/],
  ['an issuer without keys', { MILLRACE_JWT_ISSUER: 'x' }, /MILLRACE_JWT_ISSUER: has no effect/],
  ["the local issuer's name", { MILLRACE_JWT_ISSUER: 'millrace' }, /is the local issuer/],
  ['bodies that never fit', { MILLRACE_INFLIGHT_BYTES_MAX: '1MiB' }, /is less than one body of 268435456/],
  ['a mistyped variable', { MILLRACE_PROT: '1' }, /MILLRACE_PROT: unknown setting; did you mean MILLRACE_PORT\?/],
  ['a variable similar to none', { MILLRACE_QQQQQQQQ: '1' }, /MILLRACE_QQQQQQQQ: unknown setting; remove it/],
]
for (const [name, env, wanted] of REFUSED) {
  t.test(`rejects ${name}`, async (t) => {
    t.throws(() => readConfig(env), { code: 'config_invalid', message: wanted })
  })
}

/** [name, value, the expected message] */
const USERS_REFUSED: [string, string, RegExp][] = [
  ['a missing colon', 'ann:x,hunter2', /in entry 2 name:password/],
  ['a missing name', ':hunter2', /in entry 1 a name without colons/],
  ['a missing password', 'ann:', /in entry 1 a password/],
  ['a broken hash', 'ann:scrypt:1:hunter2', /in entry 1 a hash as `millrace hash-password` prints it/],
  ['a hash whose cost is too high', `ann:${HASH.replace('32768', '8388608')}`, /in entry 1 a hash/],
  ['a hash whose cost is too low', `ann:${HASH.replace('32768', '2')}`, /in entry 1 a hash/],
  ['a duplicate name', 'ann:hunter2,ann:hunter3', /in entry 2 a unique name/],
  ['broken JSON', '[{"name":"ann","password":"hunter2"', /expected comma-separated name:password pairs/],
  ['an unknown field', '[{"name":"ann","password":"hunter2","role":"x"}]', /in entry 1 .* no other fields/],
  ['an invalid tenant', '[{"name":"ann","password":"hunter2","tenant":"a|b"}]', /in entry 1 a tenant id/],
  ['a name with a colon', '[{"name":"a:b","password":"hunter2"}]', /in entry 1 a name without colons/],
  ['a password with a line break', '[{"name":"a","password":"hunter2\\n"}]', /in entry 1 a password without/],
  ['an entry that is null', '[null]', /in entry 1/],
]
for (const [name, value, wanted] of USERS_REFUSED) {
  t.test(`rejects users with ${name} and shows no secret`, async (t) => {
    t.throws(() => readConfig({ MILLRACE_USERS: value }), { message: wanted })
    try {
      readConfig({ MILLRACE_USERS: value })
    } catch (error) {
      t.notMatch(String(error), /hunter|AAAA/)
    }
  })
}

t.test('reports all faults together', async (t) => {
  const env = { MILLRACE_PORT: 'abc', MILLRACE_HOME: 'cloud', MILLRACE_LOG_LEVLE: 'info' }
  t.throws(() => readConfig(env), { message: /^3 settings are invalid:\n.*HOME.*\n.*PORT.*\n.*LOG_LEVEL\?$/ })
})

t.test('any text in any variable gives a config or config_invalid', async (t) => {
  const variables = listSettings().map((setting) => setting.variable)
  const property = fc.property(fc.constantFrom(...variables), fc.string({ unit: 'binary' }), (variable, text) => {
    try {
      readConfig({ [variable]: text })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
})
