import fc from 'fast-check'
import t from 'tap'
import { type Batch, metadataWithLevel } from '../../../src/domain/entries/batch.ts'
import { type Admission, BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import { startOf } from '../../../src/domain/entries/block.ts'
import { prometheusName } from '../../../src/domain/entries/entry-metadata.ts'
import { REFUSAL_STATUS, type RefusalReason } from '../../../src/domain/entries/refusals.ts'
import { LEVELS } from '../../../src/domain/levels/level.ts'
import { PUSH_LIMITS, type PushLimits } from '../../../src/domain/limits.ts'
import { equalityMatcher } from '../../../src/domain/selector.ts'
import { FixedClock, feed, openAdmission, type PlainStream } from '../../support/helper.ts'

const CLOCK = new FixedClock()
const NOW = CLOCK.nowNs
const SECOND = 1_000_000_000n

type Overrides = Partial<Omit<Admission, 'limits'>> & { limits?: Partial<PushLimits> }

/** A builder with Loki's default limits, unless overridden. */
function builderWith({ limits, ...overrides }: Overrides = {}): BatchBuilder {
  return new BatchBuilder({
    ...openAdmission(CLOCK),
    limits: { ...PUSH_LIMITS, ageMsMax: 7 * 86_400_000, ...limits },
    ...overrides,
  })
}

function built(streams: readonly PlainStream[], overrides: Overrides = {}): { builder: BatchBuilder; batch: Batch } {
  const builder = builderWith(overrides)
  feed(builder, streams)
  return { builder, batch: builder.build() }
}

function one(
  line: string,
  ns = NOW,
  metadata: Record<string, string> = {},
  labels: Record<string, string> = { app: 'a' },
): PlainStream {
  return { labels, entries: [{ ns, line, metadata }] }
}

function linesOf(batch: Batch): string[] {
  const ends = [...batch.ends.subarray(0, batch.count)]
  return ends.map((end, i) => Buffer.from(batch.text.subarray(batch.starts[i], end)).toString())
}

function metadataOf(batch: Batch, entry = 0): Record<string, string> {
  const start = startOf(batch.metadataEnds, entry)
  const pairs = metadataWithLevel(
    batch.metadata,
    start,
    batch.metadataEnds[entry] as number,
    batch.levels[entry] as number,
  )
  const names = pairs.map(([name]) => name)
  t.same(names, [...new Set(names)].sort(), 'metadata is sorted, no name twice')
  return Object.fromEntries(pairs)
}

function labels(count: number, value = 'v'): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, value]))
}

interface Row {
  readonly name: string
  readonly overrides?: Overrides
  /** Accepted, at the limit. */
  readonly accepted: PlainStream
  /** Refused, just above the limit. */
  readonly refused: PlainStream
  readonly reason: RefusalReason
  readonly text: string
}

const A = '{app="a"}'
const ROWS: readonly Row[] = [
  {
    name: 'a line beyond max_line_size',
    accepted: one('x'.repeat(256 * 1024)),
    refused: one('x'.repeat(256 * 1024 + 1)),
    reason: 'line_too_long',
    text: `max entry size '262144' bytes exceeded for stream '${A}' while adding an entry with length '262145' bytes`,
  },
  {
    name: 'a line older than seven days',
    accepted: one('x', NOW - 7n * 86400n * SECOND),
    refused: one('x', NOW - 7n * 86400n * SECOND - 1n),
    reason: 'greater_than_max_sample_age',
    text: `entry for stream '${A}' has timestamp too old: 2026-11-14T11:59:59.999999999Z, oldest acceptable timestamp is: 2026-11-14T12:00:00Z`,
  },
  {
    name: 'a line more than ten minutes ahead',
    accepted: one('x', NOW + 600n * SECOND),
    refused: one('x', NOW + 600n * SECOND + 1n),
    reason: 'too_far_in_future',
    text: `entry for stream '${A}' has timestamp too new: 2026-11-21T12:10:00.000000001Z`,
  },
  {
    name: 'a time that fits no nanoseconds',
    overrides: { limits: { ageMsMax: undefined, futureMsMax: 2 ** 45 } },
    accepted: one('x', -9_223_372_035n * SECOND),
    refused: one('x', 9_223_372_037n * SECOND),
    reason: 'invalid_timestamp',
    text: `entry for stream '${A}' has a timestamp outside the years 1677 to 2262`,
  },
  {
    name: 'a time in milliseconds',
    overrides: { limits: { ageMsMax: undefined } },
    accepted: one('x', 315_532_800n * SECOND),
    refused: one('x', NOW / 1_000_000n),
    reason: 'invalid_timestamp',
    text: `entry for stream '${A}' has a timestamp before 2000 that looks like milliseconds; send nanoseconds since 1970`,
  },
  {
    name: 'a time with milliseconds for seconds',
    accepted: one('x'),
    refused: one('x', (NOW / 1_000_000n) * SECOND),
    reason: 'invalid_timestamp',
    text: `entry for stream '${A}' has a timestamp that looks like milliseconds; send seconds`,
  },
  {
    name: 'a stream without labels',
    accepted: one('x', NOW, {}, labels(1)),
    refused: one('x', NOW, {}, labels(16, '')),
    reason: 'missing_labels',
    text: 'error at least one label pair is required per stream',
  },
  {
    name: 'a label name beyond 1024 bytes',
    accepted: one('x', NOW, {}, { ['a'.repeat(1024)]: 'v' }),
    refused: one('x', NOW, {}, { [`${'é'.repeat(512)}a`]: 'v' }),
    reason: 'label_name_too_long',
    text: `stream '{"${'é'.repeat(510)}…' has label name too long: '${'é'.repeat(512)}…'`,
  },
  {
    name: 'a label value beyond 2048 bytes',
    accepted: one('x', NOW, {}, { a: 'é'.repeat(1024) }),
    refused: one('x', NOW, {}, { a: `${'é'.repeat(1024)}x` }),
    reason: 'label_value_too_long',
    text: `stream '{a="${'é'.repeat(508)}…' has label value too long: '${'é'.repeat(512)}…'`,
  },
  {
    name: 'structured metadata where it is not allowed',
    overrides: { limits: { metadataAllowed: false } },
    accepted: one('x', NOW, { detected_level: 'info' }),
    refused: one('x', NOW, { k: 'v' }),
    reason: 'structured_metadata_disallowed',
    text: `stream '${A}' includes structured metadata, but this feature is disallowed. Set MILLRACE_METADATA_ALLOWED=true to accept it, or send lines without it.`,
  },
  {
    name: 'structured metadata beyond 64 KiB',
    accepted: one('x', NOW, { k: 'v'.repeat(65535), detected_level: 'info' }),
    refused: one('x', NOW, { k: 'v'.repeat(65536) }),
    reason: 'structured_metadata_too_large',
    text: `stream '${A}' has structured metadata too large: '65537' bytes, limit: '65536' bytes. Send less of it, or raise MILLRACE_METADATA_BYTES_MAX.`,
  },
  {
    name: 'more than 128 pairs of structured metadata',
    accepted: one('x', NOW, { ...labels(128), detected_level: 'info' }),
    refused: one('x', NOW, labels(129)),
    reason: 'structured_metadata_too_many',
    text: `stream '${A}' has too many structured metadata labels: '129', limit: '128'. Send fewer of them, or raise MILLRACE_METADATA_COUNT_MAX.`,
  },
  {
    name: 'a stream without the labels that every stream must carry',
    overrides: { limits: { labelsRequired: ['team', 'service_name', 'app'] }, discoverServiceName: true },
    accepted: one('x', NOW, {}, { app: 'a', team: 't' }),
    refused: one('x'),
    reason: 'missing_enforced_labels',
    text: `missing required labels 'team' for user 'fake' for stream '{app="a", service_name="a"}' (policy: '')`,
  },
]
for (const { name, overrides, accepted, refused, reason, text } of ROWS) {
  t.test(`refuses ${name}, and accepts a value at the limit`, async (t) => {
    const { builder, batch } = built([accepted], overrides)
    t.equal(batch.count, 1)
    t.ok(builder.refusals.isEmpty, builder.refusals.text)
    const mixed = built([accepted, refused, accepted], overrides)
    t.equal(mixed.batch.count, 2, 'the valid lines of the push stay')
    t.equal(mixed.builder.refusals.text, text)
    t.same([...mixed.builder.refusals.byReason], [[reason, 1]])
    t.equal(mixed.builder.refusals.status, REFUSAL_STATUS[reason])
  })
}

t.test('counts labels without service_name, sent or discovered', async (t) => {
  const text = (count: number): RegExp => new RegExp(`^entry for stream '.*' has ${count} label names; limit 15$`)
  t.equal(built([one('x', NOW, {}, { ...labels(15), service_name: 's' })]).batch.count, 1)
  t.equal(built([one('x', NOW, {}, labels(15))], { discoverServiceName: true }).batch.count, 1)
  const refused = built([one('x', NOW, {}, { ...labels(16), service_name: 's' })])
  t.match(refused.builder.refusals.text, text(16))
  t.same([...refused.builder.refusals.byReason], [['max_label_names_per_series', 1]])
  t.equal(built([one('x', NOW, {}, labels(30))], { labelCountMax: 30 }).batch.count, 1)
})

t.test('refuses a duplicate label name', async (t) => {
  const builder = builderWith()
  builder.useText(Buffer.from('x'))
  builder.beginStream([
    { name: 'b', value: '1' },
    { name: 'a', value: '1' },
    { name: 'b', value: '2' },
  ])
  builder.addEntry(Number(NOW / SECOND), 0, 0, 1)
  t.equal(builder.refusals.text, `stream '{a="1", b="1", b="2"}' has duplicate label name: 'b'`)
  t.same([...builder.refusals.byReason], [['duplicate_label_names', 1]])
  t.equal(builder.build().count, 0)
})

t.test('refuses only the lines of a stream whose labels cannot be parsed', async (t) => {
  const builder = builderWith()
  builder.useText(Buffer.from('xyz'))
  const seconds = Number(NOW / SECOND)
  builder.beginUnreadableStream('{a=', '1:4: parse error')
  builder.addEntry(seconds, 0, 0, 1)
  builder.addEntry(seconds, 1, 1, 2)
  builder.beginStream([{ name: 'a', value: 'b' }])
  builder.addEntry(seconds, 2, 2, 3)
  t.equal(builder.refusals.text, `error parsing labels '{a=' with error: 1:4: parse error`)
  t.same([...builder.refusals.byReason], [['invalid_labels', 2]])
  t.same(linesOf(builder.build()), ['z'])
})

t.test('a refused stream without lines refuses nothing', async (t) => {
  const { builder, batch } = built([
    { labels: labels(16), entries: [] },
    { labels: {}, entries: [] },
  ])
  t.ok(builder.refusals.isEmpty)
  t.equal(batch.count, 0)
})

t.test('a stream whose lines are all refused has one error text, and a count of its lines', async (t) => {
  const entries = Array.from({ length: 5 }, () => ({ ns: NOW, line: 'x' }))
  const { builder } = built([
    { labels: labels(16), entries },
    { labels: labels(16), entries },
  ])
  t.match(builder.refusals.text, /^entry for stream '.*' has 16 label names; limit 15$/)
  t.equal(builder.refusals.entries, 10)
})

t.test('a backfill accepts lines of any age, but none from the future', async (t) => {
  const streams = [one('old', -SECOND), one('new', NOW + 601n * SECOND)]
  const { builder, batch } = built(streams, { acceptsAnyAge: true })
  t.same(linesOf(batch), ['old'])
  t.same([...builder.refusals.byReason], [['too_far_in_future', 1]])
})

t.test('truncates long lines if configured, at a character boundary', async (t) => {
  const rows: [line: string, cut: string][] = [
    ['1234567', '12345'],
    ['12345', '12345'],
    ['1234é', '1234'],
    ['123é5', '123é'],
    ['12😀x', '12'],
    ['1😀x', '1😀'],
    ['', ''],
  ]
  for (const [line, cut] of rows) {
    const { batch } = built([one(line)], { limits: { lineBytesMax: 5, lineTruncated: true } })
    t.same(linesOf(batch), [cut])
    t.equal(batch.lineBytes, Buffer.byteLength(cut))
  }
})

t.test('lines dropped by the operator are neither stored nor refused', async (t) => {
  const dropped = [
    [equalityMatcher('app', '=', 'noise')],
    [equalityMatcher('app', '=', 'a'), equalityMatcher('env', '=', 'dev')],
    [equalityMatcher('service_name', '=', 'found')],
  ]
  const rows: [Record<string, string>, number][] = [
    [{ app: 'noise', x: 'y' }, 1],
    [{ app: 'a' }, 0],
    [{ app: 'a', env: 'dev' }, 1],
    [{ container: 'found' }, 1],
  ]
  for (const [given, count] of rows) {
    const { builder, batch } = built([one('x', 1n, {}, given), one('x', NOW, {}, { app: 'kept' })], {
      dropped,
      discoverServiceName: true,
      acceptsAnyAge: true,
    })
    t.equal(builder.droppedEntries, count, JSON.stringify(given))
    t.equal(batch.count, 2 - count)
    t.ok(builder.refusals.isEmpty)
  }
})

t.test('derives the service name from the labels, in order of precedence', async (t) => {
  const names = [
    'service',
    'app',
    'application',
    'app_name',
    'name',
    'app_kubernetes_io_name',
    'container',
    'container_name',
    'k8s_container_name',
    'component',
    'workload',
    'job',
    'k8s_job_name',
  ]
  const rows: [Record<string, string>, string][] = [
    ...names.map((name, i): [Record<string, string>, string] => [
      Object.fromEntries(names.slice(i).map((each) => [each, each])),
      name,
    ]),
    [{ other: 'x' }, 'unknown_service'],
    [{}, 'unknown_service'],
    [{ app: 'a', service_name: 'mine' }, 'mine'],
    [{ app: 'a', service_name: '' }, 'a'],
    [{ app: '', job: 'j' }, 'j'],
  ]
  for (const [given, service] of rows) {
    const { batch } = built([one('x', NOW, {}, given)], { discoverServiceName: true })
    const found = batch.streams[0]?.labels.find(({ name }) => name === 'service_name')
    t.equal(found?.value, service)
    t.match(batch.streams[0]?.key, `service_name="${service}"`)
  }
  for (const name of ['__aggregated_metric__', '__pattern__']) {
    t.equal(
      built([one('x', NOW, {}, { [name]: 'x', app: 'a' })], { discoverServiceName: true }).batch.streams[0]?.labels
        .length,
      2,
    )
  }
  t.equal(built([one('x')]).batch.streams[0]?.key, A, 'only where it is wanted')
})

t.test('a stream in several parts, or with its labels in another order, is one stream', async (t) => {
  const { batch } = built([
    one('1', NOW, {}, { a: '1', b: '2' }),
    one('2', NOW, {}, { c: '3' }),
    one('3', NOW, {}, { b: '2', a: '1', d: '' }),
  ])
  t.same(
    batch.streams.map(({ key }) => key),
    ['{a="1", b="2"}', '{c="3"}'],
  )
  t.same([...batch.streamIndexes.subarray(0, 3)], [0, 1, 0])
})

const METADATA: [name: string, given: Record<string, string>, kept: Record<string, string>][] = [
  ['sorted', { b: '2', a: '1' }, { a: '1', b: '2' }],
  [
    'names made Prometheus names',
    { 'a.b': '1', '9x': '2', 'é-😀': '3', '': '4' },
    { a_b: '1', _9x: '2', ___: '3', _: '4' },
  ],
  ['of names that become the same the last value', { 'a.b': '1', a_c: '2', 'a-b': '3' }, { a_b: '3', a_c: '2' }],
  ['replacement characters, and half surrogate pairs, as spaces', { a: 'x\ufffdy\ud800' }, { a: 'x y ' }],
  ['empty values', { a: '' }, { a: '' }],
  [
    'names of objects',
    JSON.parse('{"__proto__":"1","constructor":"2"}'),
    JSON.parse('{"__proto__":"1","constructor":"2"}'),
  ],
  ['long values', { a: 'é'.repeat(1000) }, { a: 'é'.repeat(1000) }],
]
for (const [name, given, kept] of METADATA) {
  t.test(`keeps metadata: ${name}`, async (t) => t.same(metadataOf(built([one('x', NOW, given)]).batch), kept))
}

t.test('a refused line leaves no metadata to the next one', async (t) => {
  const streams = [
    one('1', NOW, { a: '1' }),
    one('x'.repeat(300_000), NOW, { z: '1', b: '2', level: 'error' }),
    one('3', NOW, { c: '3' }),
  ]
  const { batch } = built(streams, { discoverLevels: true })
  t.same(
    [metadataOf(batch, 0), metadataOf(batch, 1)],
    [
      { a: '1', detected_level: 'unknown' },
      { c: '3', detected_level: 'unknown' },
    ],
  )
})

interface LevelRow {
  readonly name: string
  readonly labels?: Record<string, string>
  readonly metadata?: Record<string, string>
  readonly line: string
  readonly level: string
}

/** The order of evidence. */
const LEVEL_ROWS: readonly LevelRow[] = [
  {
    name: 'a detected_level that came',
    labels: { level: 'warn' },
    metadata: { detected_level: 'ERR', level: 'info' },
    line: 'fatal',
    level: 'error',
  },
  {
    name: 'a detected_level that is no known word',
    metadata: { detected_level: 'Notice' },
    line: 'fatal',
    level: 'Notice',
  },
  {
    name: 'a label before metadata',
    labels: { level: 'warning' },
    metadata: { level: 'info' },
    line: 'fatal',
    level: 'warn',
  },
  { name: 'a label with a word of its own', labels: { level: 'notice' }, line: 'fatal', level: 'notice' },
  { name: 'metadata before the line', metadata: { severity: 'Information' }, line: 'level=fatal', level: 'info' },
  {
    name: 'the most trusted metadata',
    metadata: { lvl: 'info', severity: 'warn', Level: 'error' },
    line: 'x',
    level: 'error',
  },
  { name: 'metadata by a name with a dot', metadata: { 'log.level': 'debug' }, line: 'x', level: 'debug' },
  { name: 'metadata with a word of its own', metadata: { level: 'notice', z: '1' }, line: 'fatal', level: 'notice' },
  {
    name: 'a level field before a severity number',
    metadata: { severity_number: '17', level: 'info' },
    line: 'x',
    level: 'info',
  },
  {
    name: 'a severity number before the line',
    metadata: { severity_number: '17' },
    line: 'level=info',
    level: 'error',
  },
  { name: 'a severity number 0', metadata: { severity_number: '0' }, line: 'level=info', level: 'unknown' },
  { name: 'an empty level field is none', metadata: { level: '' }, line: 'level=warn', level: 'warn' },
  { name: 'an empty detected_level is none', metadata: { detected_level: '' }, line: 'level=warn', level: 'warn' },
  { name: 'an empty severity number is none', metadata: { severity_number: '' }, line: 'level=warn', level: 'warn' },
  { name: 'the line', metadata: { other: 'error' }, line: 'level=warn', level: 'warn' },
  { name: 'nothing', line: 'x', level: 'unknown' },
]
for (const { name, labels: given = { app: 'a' }, metadata = {}, line, level } of LEVEL_ROWS) {
  t.test(`the level comes from ${name}: ${level}`, async (t) => {
    const { batch } = built([one(line, NOW, metadata, given)], { discoverLevels: true })
    const kept = metadataOf(batch)
    t.equal(kept['detected_level'], level)
    const code = batch.levels[0] as number
    t.equal(code === 0 ? '' : LEVELS[code], LEVELS.includes(level as 'info') ? level : '')
  })
}

t.test('without discovery a level is unchanged, and none is added', async (t) => {
  for (const detected_level of ['info', 'INFO', 'notice']) {
    t.same(metadataOf(built([one('error', NOW, { detected_level, a: '1' })]).batch), { a: '1', detected_level })
  }
  t.same(metadataOf(built([one('error', NOW, { detected_level: '' })]).batch), {}, 'an empty one is none')
  t.same(metadataOf(built([one('error')]).batch), {})
})

t.test('an unknown level is kept in addition to the maximum of metadata', async (t) => {
  const { batch, builder } = built([one('x', NOW, { ...labels(128), detected_level: 'notice' })])
  t.ok(builder.refusals.isEmpty, builder.refusals.text)
  t.equal(metadataOf(batch)['detected_level'], 'notice')
})

t.test('bytes and strings of metadata give the same', async () => {
  const pair = fc.tuple(
    fc.oneof(
      fc.constantFrom('level', 'a.b', 'x', 'trace_id', 'detected_level', '9'),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
    fc.oneof(fc.constantFrom('', 'info', 'notice', '\ufffd'), fc.string({ unit: 'binary', maxLength: 200 })),
  )
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 6 }), fc.boolean(), (pairs, discoverLevels) => {
      const text = builderWith({ discoverLevels })
      const bytes = builderWith({ discoverLevels })
      for (const builder of [text, bytes]) {
        builder.useText(Buffer.from('line'))
        builder.beginStream([{ name: 'app', value: 'a' }])
      }
      for (const [name, value] of pairs) {
        text.addMetadata(name.toWellFormed(), value.toWellFormed())
        const both = Buffer.concat([Buffer.from('?'), Buffer.from(name), Buffer.from(value)])
        const nameEnd = 1 + Buffer.byteLength(name)
        bytes.addMetadataBytes(both, 1, nameEnd, nameEnd, both.length)
      }
      const batches = [text, bytes].map((builder) => {
        builder.addEntry(Number(NOW / SECOND), 0, 0, 4)
        return builder.build()
      }) as [Batch, Batch]
      t.same(metadataOf(batches[0]), metadataOf(batches[1]))
    }),
    { numRuns: 500 },
  )
})

t.test('any name becomes a Prometheus name, which is then unchanged', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const made = prometheusName(name)
      return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(made) && prometheusName(made) === made
    }),
  )
})

t.test('asks the gate once per stream, and for the bytes of every kept line', async (t) => {
  const asked: string[] = []
  const streams = {
    admitStream: (tenant: string, key: string) => {
      asked.push(`${tenant} ${key}`)
      return key.includes('full') ? ('streams' as const) : true
    },
    admitBytes: (tenant: string, key: string, bytes: number) =>
      asked.push(`${tenant} ${key} ${bytes}`) > 0 && bytes < 10,
  }
  const entries = ['one', 'a line of many bytes', 'three'].map((line, i) => ({ ns: NOW + BigInt(i), line }))
  const limits = { streamRate: { bytesPerSecond: 10, burstBytes: 10 }, activeStreamsMax: 7 }
  const { builder, batch } = built([{ labels: { app: 'a' }, entries }, one('x', NOW, {}, { app: 'full' })], {
    streams,
    limits,
  })
  t.same(asked, [`fake ${A}`, `fake ${A} 3`, `fake ${A} 20`, `fake ${A} 5`, 'fake {app="full"}'])
  t.same(linesOf(batch), ['one', 'three'])
  t.same(
    batch.streams.map(({ key }) => key),
    [A],
    'a stream without a line is not in the batch',
  )
  t.equal(builder.refusals.status, 429)
  t.same(
    [...builder.refusals.byReason],
    [
      ['per_stream_rate_limit', 1],
      ['stream_limit', 1],
    ],
  )
  const [rate, total, full] = builder.refusals.text.split('; ')
  t.match(
    rate,
    `1 errors like: entry with timestamp 2026-11-21T12:00:00.000000001Z ignored, reason: 'Per stream rate limit exceeded (limit: 10B/sec) while attempting to ingest for stream '${A}' totaling 20B, `,
  )
  t.equal(total, `1 errors like: user 'fake', total ignored: 1 out of 3 for stream: ${A}`)
  t.equal(
    full,
    `1 errors like: maximum active stream limit exceeded when trying to create stream {app="full"}, limit: 7 streams, user: 'fake'`,
  )
})

t.test('labels in an array that comes again give the same stream, under the limits of each push', async (t) => {
  const labels = [
    { name: 'level', value: 'warn' },
    { name: 'app', value: 'a' },
    { name: 'none', value: '' },
  ]
  const push = (isReused: boolean, overrides: Overrides): unknown => {
    const builder = builderWith(overrides)
    builder.useText(Buffer.from('line'))
    builder.beginStream(labels, isReused)
    builder.addEntry(Number(NOW / SECOND), 0, 0, 4)
    const { streams, levels, count } = builder.build()
    return { streams, level: levels[0], count, refusals: [...builder.refusals.byReason] }
  }
  const rows: [name: string, overrides: Overrides][] = [
    ['the defaults', {}],
    ['without a derived service name', { discoverServiceName: false }],
    ['with one', { discoverServiceName: true }],
    ['fewer labels than it has', { labelCountMax: 1 }],
    ['the defaults, again', {}],
    ['a required label', { limits: { labelsRequired: ['team'] } }],
    ['a dropped stream', { dropped: [[equalityMatcher('app', '=', 'a')]] }],
  ]
  for (const [name, changes] of rows) t.same(push(true, changes), push(false, changes), name)
})

t.test('ids belong to the last kept entry', async (t) => {
  const { batch } = built([
    {
      labels: { app: 'a' },
      entries: [
        { ns: NOW, line: 'x' },
        { ns: NOW, line: 'y', id: 'i' },
      ],
    },
  ])
  t.same(batch.ids, [{ entry: 1, id: 'i' }])
})

t.test('many entries are kept unchanged', async (t) => {
  const entries = Array.from({ length: 5000 }, (_, i) => ({
    ns: NOW + BigInt((i * 7919) % 1000),
    line: `${i}`,
    metadata: { i: `${i}`, a: 'x' },
  }))
  const { batch } = built([{ labels: { app: 'a' }, entries }])
  t.same(
    linesOf(batch),
    entries.map(({ line }) => line),
  )
  t.same(
    [...batch.timestamps.values.subarray(0, 5000)],
    entries.map(({ ns }) => ns),
  )
  t.equal(
    batch.lineBytes,
    entries.reduce((sum, { line }) => sum + line.length, 0),
  )
  t.same(
    [0, 32, 33, 4999].map((i) => metadataOf(batch, i)),
    [0, 32, 33, 4999].map((i) => ({ i: `${i}`, a: 'x' })),
  )
})

t.test('a push with more label text than a push may have is too large, however small each stream is', async (t) => {
  const limits = { pushLabelBytesMax: 100 }
  const streams = ['a', 'b', 'c'].map((app) => one('x', NOW, {}, { app: app.repeat(30) }))
  t.match(built([streams[0], streams[1], streams[0]] as PlainStream[], { limits }).batch, { count: 3 })
  t.throws(() => built(streams, { limits }), { code: 'body_too_large', message: /MILLRACE_PUSH_LABEL_BYTES_MAX/ })
  const builder = new BatchBuilder({ ...openAdmission(new FixedClock()), limits: { ...PUSH_LIMITS, ...limits } })
  t.throws(() => builder.beginUnreadableStream('x'.repeat(101), 'no label'), { code: 'body_too_large' })
})
