import fc from 'fast-check'
import t from 'tap'
import { metadataWithLevel } from '../../../src/domain/entries/batch.ts'
import { BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import { PUSH_LIMITS } from '../../../src/domain/limits.ts'
import {
  entryToLogItem,
  formatDatetime,
  formatShownLog,
  logsToSink,
  type StoredLog,
} from '../../../src/protocol/logs/logs-entries.ts'
import { decodeLogs, isLogProblem, type LogItem, SEVERITIES } from '../../../src/protocol/logs/logs-json.ts'

const NOW_MS = 1_763_724_815_123
const FIRST_NS = BigInt(NOW_MS) * 1_000_000n

function itemsOf(logs: unknown): LogItem[] {
  const { results } = decodeLogs(new TextEncoder().encode(JSON.stringify(logs)), 'json')
  return results.filter((result): result is LogItem => !isLogProblem(result))
}

/** Stores items in a real batch and returns its entries. */
function store(items: readonly LogItem[], lineBytesMax = PUSH_LIMITS.lineBytesMax): StoredLog[] {
  const builder = new BatchBuilder({
    tenant: 'a',
    limits: { ...PUSH_LIMITS, lineBytesMax },
    nowMs: NOW_MS,
    discoverServiceName: true,
    discoverLevels: true,
    labelCountMax: 15,
    acceptsAnyAge: false,
    dropped: [],
    streams: { admitStream: () => true, admitBytes: () => true },
  })
  logsToSink(items, { firstNs: FIRST_NS }, builder)
  const batch = builder.build()
  return Array.from({ length: batch.count }, (_, i) => ({
    ns: batch.timestamps.values[i] as bigint,
    line: new TextDecoder().decode(batch.text.subarray(batch.starts[i], batch.ends[i])),
    labels: batch.streams[batch.streamIndexes[i] as number]?.labels ?? [],
    metadata: metadataWithLevel(
      batch.metadata,
      i === 0 ? 0 : (batch.metadataEnds[i - 1] as number),
      batch.metadataEnds[i] as number,
      batch.levels[i] as number,
    ),
  }))
}

t.test('gives each item its stream, its own nanosecond and its id', async (t) => {
  const long = 'x'.repeat(129)
  const rows: [log: object, severity: string, service: string][] = [
    [{}, 'info', 'logs'],
    [{ severity: 'WARN', service_name: 'shop', app: 'other' }, 'warning', 'shop'],
    [{ severity: 'fatal', service: 'cart' }, 'fatal', 'cart'],
    [{ app: 'till' }, 'info', 'till'],
    [{ service_name: 5, service: '', app: 'till' }, 'info', 'till'],
    [{ service_name: long }, 'info', 'logs'],
  ]
  const entries = store(itemsOf(rows.map(([log]) => log)))
  t.strictSame(
    entries.map(({ labels }) => labels.map(({ name, value }) => `${name}=${value}`)),
    rows.map(([, severity, service]) => [`service_name=${service}`, `severity=${severity}`, 'source=logs']),
  )
  t.strictSame(
    entries.map(({ ns }) => ns),
    rows.map((_, i) => FIRST_NS + BigInt(i)),
  )
  t.strictSame(store(itemsOf({ id: 'x1', severity: 'error' }))[0]?.metadata, [
    ['detected_level', 'error'],
    ['id', 'x1'],
  ])
})

t.test('calls afterEntry for each item, even if the sink refused it', async (t) => {
  const items = itemsOf([{ id: 'a' }, { id: 'b', message: 'long'.repeat(20) }, { id: 'c' }])
  const reported: [id: string | undefined, ns: bigint][] = []
  const calls: string[] = []
  const sink = {
    useText: () => calls.push('text'),
    beginStream: () => calls.push('stream'),
    beginUnreadableStream: () => calls.push('unreadable'),
    addMetadata: () => calls.push('metadata'),
    addMetadataBytes: () => calls.push('metadata'),
    addEntry: () => calls.push('entry'),
    refuseEntry: () => calls.push('refused'),
  }
  logsToSink(items, { firstNs: 5n, afterEntry: (item, ns) => reported.push([item.id, ns]) }, sink)
  t.strictSame(reported, [
    ['a', 5n],
    ['b', 6n],
    ['c', 7n],
  ])
  t.strictSame(calls.slice(0, 4), ['text', 'stream', 'metadata', 'entry'])
  t.strictSame(
    store(items, 40).map((entry) => entryToLogItem(entry).id),
    ['a', 'c'],
  )
})

t.test('shows what was posted', async (t) => {
  const shown = (log: object) => store(itemsOf(log)).map((entry) => formatShownLog(entryToLogItem(entry)))[0]
  const head = '{"id":"1","datetime":"2025-11-21T11:33:35.123Z","severity":"info"'
  t.equal(shown({ id: '1', message: 'hé', n: 1.5, o: { k: [] } }), `${head},"message":"hé","n":1.5,"o":{"k":[]}}`)
  t.equal(shown({ id: '1', datetime: 'own' }), `${head},"message":"","line.datetime":"own"}`)
  t.equal(
    shown({ id: '1', datetime: 'own', 'line.datetime': 2 }),
    `${head},"message":"","line.datetime":2,"line.line.datetime":"own"}`,
  )
  t.match(shown({}), /^{"id":null,/)
})

t.test('shows lines that were pushed into the stream by other means', async (t) => {
  const shown = (line: string, labels: StoredLog['labels'] = []) =>
    formatShownLog(entryToLogItem({ ns: -1n, line, labels, metadata: [] }))
  const head = '{"id":null,"datetime":"1969-12-31T23:59:59.999Z"'
  const rows: [name: string, line: string, rest: string][] = [
    ['text', 'plain "text"', '"message":"plain \\"text\\""}'],
    ['nothing', '', '"message":""}'],
    ['an object without a message', '{"a":1}', '"message":"{\\"a\\":1}"}'],
    [
      'an object with reserved keys',
      '{"message":"m","id":1,"severity":{}}',
      '"message":"m","line.id":1,"line.severity":{}}',
    ],
    ['keys that objects have', '{"message":"m","__proto__":{"a":1}}', '"message":"m","__proto__":{"a":1}}'],
    ['a number beyond a double', '{"message":"m","n":1e999}', '"message":"m","n":1e999}'],
    [
      'nesting beyond the bound',
      `{"message":"m","n":${'['.repeat(300)}`,
      `"message":"{\\"message\\":\\"m\\",\\"n\\":${'['.repeat(300)}"}`,
    ],
  ]
  for (const [name, line, rest] of rows) t.equal(shown(line), `${head},"severity":"info",${rest}`, name)
  t.match(shown('x', [{ name: 'severity', value: 'odd' }]), /"severity":"odd"/)
})

t.test('loses nothing in the store', async (t) => {
  const names = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'a', 'service'))
  const log = fc.record({
    id: fc.stringMatching(/^[\x20-\x7eäöü]{1,64}$/),
    severity: fc.constantFrom(...SEVERITIES),
    message: fc.string({ unit: 'binary' }),
    fields: fc.array(fc.tuple(names, fc.json({ maxDepth: 4 })), { maxLength: 6 }),
  })
  fc.assert(
    fc.property(fc.array(log, { minLength: 1, maxLength: 5 }), (logs) => {
      const own = ['id', 'datetime', 'severity', 'message']
      const texts = logs.map(({ id, severity, message, fields }) => {
        const members = fields
          .filter(([name]) => !own.includes(name))
          .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
        return `{${[JSON.stringify({ id, severity, message }).slice(1, -1), ...members].join(',')}}`
      })
      const { results } = decodeLogs(new TextEncoder().encode(`[${texts.join(',')}]`), 'json')
      const shown = store(results as LogItem[]).map((entry) => JSON.parse(formatShownLog(entryToLogItem(entry))))
      for (const item of shown) delete item.datetime
      return JSON.stringify(shown) === JSON.stringify(texts.map((text) => JSON.parse(text)))
    }),
  )
  t.pass('every log came back')
})

t.test('formats times of the whole range', async (t) => {
  t.equal(formatDatetime(2n ** 63n - 1n), '2262-04-11T23:47:16.854Z')
  t.equal(formatDatetime(-(2n ** 63n)), '1677-09-21T00:12:43.145Z')
  t.equal(formatDatetime(999_999n), '1970-01-01T00:00:00.000Z')
})
