import fc from 'fast-check'
import t from 'tap'
import { listSettings } from '../../src/config/read-config.ts'
import { parseTenantLimits } from '../../src/config/tenant-limits.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { type Limits, PUSH_LIMITS, QUERY_LIMITS } from '../../src/domain/limits.ts'

const BASE: Limits = { push: PUSH_LIMITS, query: QUERY_LIMITS }
const HOUR_MS = 3600_000

const ACCEPTED: readonly (readonly [name: string, value: unknown, group: 'push' | 'query', limits: object])[] = [
  ['lineBytesMax', '64KiB', 'push', { lineBytesMax: 65536 }],
  ['lineBytesMax', 1000, 'push', { lineBytesMax: 1000 }],
  ['lineTruncated', true, 'push', { lineTruncated: true }],
  ['ageMax', '1h', 'push', { ageMsMax: HOUR_MS }],
  ['ageMax', 'off', 'push', { ageMsMax: undefined }],
  ['tenantRate', '4MiB', 'push', { tenantRate: { bytesPerSecond: 2 ** 22, burstBytes: 2 ** 22 } }],
  ['streamRate', ' 1KB:2KB ', 'push', { streamRate: { bytesPerSecond: 1000, burstBytes: 2000 } }],
  ['labelsRequired', 'app, env', 'push', { labelsRequired: ['app', 'env'] }],
  ['labelsRequired', ['app', 'env'], 'push', { labelsRequired: ['app', 'env'] }],
  ['otlpLabelCountMax', 5, 'push', { otlpLabelCountMax: 5 }],
  ['queryEntriesMax', 1000, 'query', { entriesMax: 1000 }],
  ['queryRangeMax', '1h', 'query', { rangeMsMax: HOUR_MS }],
  ['queryTimeout', '10s', 'query', { timeoutMs: 10_000 }],
]
for (const [name, value, group, limits] of ACCEPTED) {
  t.test(`accepts ${name}: ${JSON.stringify(value)}`, async (t) => {
    const read = parseTenantLimits(JSON.stringify({ a: { [name]: value } }), BASE)
    t.strictSame(read.get('a'), { ...BASE, [group]: { ...BASE[group], ...limits } })
  })
}

t.test('each tenant has its own limits, and the others from the base', async (t) => {
  const text = '{"a": {"queryEntriesMax": 7}, "b": {}, "__proto__": {"queryEntriesMax": 8}}'
  const limits = parseTenantLimits(text, BASE)
  t.strictSame([...limits.keys()], ['a', 'b', '__proto__'])
  t.strictSame(
    [...limits.values()].map(({ query }) => query.entriesMax),
    [7, QUERY_LIMITS.entriesMax, 8],
  )
  t.strictSame(limits.get('b'), BASE)
})

t.test('the age limit of a tenant is at most the retention', async (t) => {
  const text = '{"none": {}, "off": {"ageMax": "off"}, "longer": {"ageMax": "2h"}, "shorter": {"ageMax": "30m"}}'
  t.strictSame(
    [...parseTenantLimits(text, BASE, HOUR_MS).values()].map(({ push }) => push.ageMsMax),
    [HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS / 2],
  )
})

const REFUSED: readonly (readonly [name: string, text: string, fault: RegExp])[] = [
  ['broken JSON', '{"a": ', /the file is not valid JSON/],
  ['an empty file', '', /the file is not valid JSON/],
  ['a list', '[]', /the file is not a JSON object; expected/],
  ['null', 'null', /the file is not a JSON object/],
  ['an invalid tenant', '{"a|b": {}}', /"a\|b": not a valid tenant id/],
  ['limits that are not an object', '{"a": [1]}', /a: got \[1\]; expected an object/],
  ['a limit that does not exist', '{"a": {"x": 1}}', /a\."x": unknown limit; remove it/],
  ['a limit that is misspelt', '{"a": {"lineByteMax": 1}}', /did you mean lineBytesMax\?/],
  ['a limit by its internal name', '{"a": {"entriesMax": 1}}', /a\."entriesMax": unknown limit/],
  ['a process-wide limit', '{"a": {"bodyBytesMax": 1}}', /a\."bodyBytesMax": this limit applies to all tenants/],
  ['an invalid value', '{"a": {"lineBytesMax": "long"}}', /a\.lineBytesMax: got "long"; expected bytes/],
  ['a value that is null', '{"a": {"lineBytesMax": null}}', /a\.lineBytesMax: got null; expected bytes/],
  ['a value that is an object', '{"a": {"lineBytesMax": {}}}', /a\.lineBytesMax: got \{\}; expected bytes/],
  ['a value below its bounds', '{"a": {"queryEntriesMax": 0}}', /a\.queryEntriesMax: got 0; expected a whole number/],
  [
    'a query longer than the global one',
    '{"a": {"queryBytesMax": "1MiB"}}',
    /a\.queryBytesMax: larger than MILLRACE_QUERY_BYTES_MAX, 128KiB/,
  ],
  [
    'a timeout longer than the global one',
    '{"a": {"queryTimeout": "2m"}}',
    /a\.queryTimeout: longer than MILLRACE_QUERY_TIMEOUT, 1m/,
  ],
]
for (const [name, text, fault] of REFUSED) {
  t.test(`rejects ${name}`, async (t) => {
    t.throws(() => parseTenantLimits(text, BASE), { code: 'config_invalid', message: fault })
  })
}

t.test('reports all faults together, up to fifty', async (t) => {
  t.throws(() => parseTenantLimits('{"a": {"x": 1, "lineBytesMax": "?"}, "b": 3}', BASE), {
    message: /a\."x".*\n.*a\.lineBytesMax.*\n.*b: got 3/,
  })
  const many = JSON.stringify({ a: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x${i}`, 1])) })
  t.throws(() => parseTenantLimits(many, BASE), { message: /x49.*\n {2}… and 10 more$/ })
})

t.test('every limit except the process-wide ones can be set', async (t) => {
  const variables = listSettings().map(({ variable }) => variable)
  t.ok(variables.includes('MILLRACE_QUERY_SERIES_MAX') && variables.includes('MILLRACE_METADATA_COUNT_MAX'))
  t.doesNotThrow(() => parseTenantLimits('{"a": {"querySeriesMax": 1, "metadataCountMax": 0}}', BASE))
})

t.test('any text gives limits or config_invalid', async (t) => {
  const names = fc.constantFrom(
    'lineBytesMax',
    'ageMax',
    'tenantRate',
    'labelsRequired',
    'queryTimeout',
    '__proto__',
    'x',
  )
  const file = fc.dictionary(fc.string(), fc.oneof(fc.dictionary(names, fc.jsonValue()), fc.jsonValue()))
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    file.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, (text) => {
      try {
        return parseTenantLimits(text, BASE) instanceof Map
      } catch (error) {
        return error instanceof GatewayError && error.code === 'config_invalid' && error.message.length < 20_000
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
