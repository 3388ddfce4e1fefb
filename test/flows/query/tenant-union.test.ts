import fc from 'fast-check'
import t, { type Test } from 'tap'
import { timeRange } from '../../../src/domain/entries/block.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { formatLabels } from '../../../src/domain/labels.ts'
import { QUERY_LIMITS } from '../../../src/domain/limits.ts'
import { joinTenants } from '../../../src/domain/tenant.ts'
import { runLogQuery } from '../../../src/flows/query/run-log-query.ts'
import { runMetricQuery } from '../../../src/flows/query/run-metric-query.ts'
import { uniteTenants } from '../../../src/flows/query/tenant-union.ts'
import { parseExpr, parseSelector } from '../../../src/logql/parse/parse.ts'
import type { LogStore, ReadBlock, ReadRequest } from '../../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore, type PlainStream, readAll } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const TENANTS = ['a', 'b', '__proto__']
const BOTH = joinTenants(['a', 'b'])
const SECOND = 1_000_000_000n

function stream(labels: Record<string, string>, clock: FixedClock, ...lines: string[]): PlainStream {
  return { labels, entries: lines.map((line, i) => ({ ns: clock.nowNs + BigInt(i), line })) }
}

async function open(t: Test, streams: Readonly<Record<string, readonly PlainStream[]>>) {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  for (const [tenant, own] of Object.entries(streams)) {
    await store.append(makeBatch(own, openAdmission(clock, tenant)))
  }
  return { clock, store, united: uniteTenants(store) }
}

async function keysOf(store: LogStore, tenant: string, selector: string): Promise<string[]> {
  const matchers = parseSelector(selector, { allowEmpty: true })
  const listed = (await store.streams({ tenant, matchers, start: 0n, end: 2n ** 62n })).map(formatLabels)
  const read = new Set((await readAll(store, { tenant, matchers })).map(({ key }) => key))
  t.strictSame([...read].sort(), listed, 'entries come from the streams that are listed')
  return listed
}

const SELECTED: readonly (readonly [name: string, tenant: string, selector: string, keys: readonly string[]])[] = [
  ['one tenant as it is', 'a', '{}', ['{app="x"}', '{app="y"}']],
  [
    'several, each stream with its tenant',
    BOTH,
    '{}',
    [
      '{__tenant_id__="a", app="x"}',
      '{__tenant_id__="a", app="y"}',
      '{__tenant_id__="b", app="x", original___tenant_id__="own"}',
      '{__tenant_id__="b", app="x"}',
    ],
  ],
  [
    'streams of all tenants',
    BOTH,
    '{app="x", original___tenant_id__=""}',
    ['{__tenant_id__="a", app="x"}', '{__tenant_id__="b", app="x"}'],
  ],
  ['one of the tenants', BOTH, '{__tenant_id__="a"}', ['{__tenant_id__="a", app="x"}', '{__tenant_id__="a", app="y"}']],
  ['all but one of the tenants', BOTH, '{__tenant_id__!="b", app="y"}', ['{__tenant_id__="a", app="y"}']],
  [
    'tenants by a regular expression',
    BOTH,
    '{__tenant_id__=~"b|c", original___tenant_id__=""}',
    ['{__tenant_id__="b", app="x"}'],
  ],
  [
    'a label of the tenant’s own of that name',
    BOTH,
    '{original___tenant_id__="own"}',
    ['{__tenant_id__="b", app="x", original___tenant_id__="own"}'],
  ],
  ['no tenant that was not named', BOTH, '{__tenant_id__="c"}', []],
]

t.test('selects', async (t) => {
  const clock = new FixedClock()
  const { united } = await open(t, {
    a: [stream({ app: 'x' }, clock, '1'), stream({ app: 'y' }, clock, '2')],
    b: [stream({ app: 'x' }, clock, '3'), stream({ app: 'x', __tenant_id__: 'own' }, clock, '4')],
    c: [stream({ app: 'x' }, clock, 'not theirs')],
  })
  for (const [name, tenant, selector, keys] of SELECTED) {
    t.strictSame(await keysOf(united, tenant, selector), [...keys].sort(), name)
  }
})

const plainStreams = fc.array(
  fc.record({
    labels: fc.constantFrom<Record<string, string>>({ app: 'x' }, { app: 'y' }, { app: 'y', pod: '1' }),
    entries: fc.array(
      fc.record({
        ns: fc
          .integer({ min: 0, max: 20 })
          .map((second) => BigInt(Date.UTC(2026, 10, 21)) * 1_000_000n + BigInt(second) * SECOND),
        line: fc.constantFrom('one', 'two', 'three', 'long '.repeat(60)),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  }),
  { minLength: 1, maxLength: 3 },
)
const pushes = fc.array(fc.record({ tenant: fc.constantFrom(...TENANTS), streams: plainStreams }), { maxLength: 12 })

const LOG_QUERIES = ['{app=~".+"}', '{app="y"} |= "o"', '{__tenant_id__="b"}', '{app=~".+"} | __tenant_id__ != "a"']
const METRIC_QUERIES = [
  'sum by (app) (count_over_time({app=~".+"}[5s]))',
  'sum by (__tenant_id__) (bytes_over_time({app=~".+"} |= "o" [3s]))',
  'last_over_time({app="y"} | label_format n=`{{len __line__}}` | unwrap n [4s])',
]

t.test('a read of several tenants equals a read of one tenant with all their labelled streams', async (t) => {
  const clock = new FixedClock()
  const start = BigInt(Date.UTC(2026, 10, 21)) * 1_000_000n
  const end = start + 30n * SECOND
  let round = 0
  const property = fc.asyncProperty(pushes, fc.integer({ min: 1, max: 12 }), async (sent, limit) => {
    const store = openStore(t, clock, { dataDir: `${testFolder(t)}/${round++}`, blockBytes: 150 })
    const united = uniteTenants(store)
    for (const { tenant, streams } of sent) {
      const labelled = streams.map((each) => ({ ...each, labels: { ...each.labels, __tenant_id__: tenant } }))
      await store.append(makeBatch(streams, openAdmission(clock, tenant)))
      await store.append(makeBatch(labelled, openAdmission(clock, 'one')))
    }
    const several = joinTenants(TENANTS.toSorted())
    const same = async (ask: (tenant: string) => Promise<unknown>): Promise<void> => {
      const [found, wanted] = [await ask(several), await ask('one')].map((answer) =>
        JSON.stringify(answer, (name, value) => {
          // Points are created on access.
          if (name === 'points') return [...value]
          return typeof value === 'bigint' ? `${value}` : value
        }),
      )
      if (found !== wanted) throw new Error(`found ${found}\nwanted ${wanted}`)
    }
    for (const query of LOG_QUERIES) {
      const expr = parseExpr(query)
      if (expr.kind !== 'log') throw new Error('no log query')
      for (const direction of ['forward', 'backward'] as const) {
        const request = { expr, start, end, limit, direction, intervalNs: 0n }
        await same(async (tenant) => (await runLogQuery(united, clock, QUERY_LIMITS, { ...request, tenant })).streams)
      }
    }
    for (const query of METRIC_QUERIES) {
      const expr = parseExpr(query)
      if (expr.kind === 'log') throw new Error('no metric query')
      const time = { kind: 'range', start, end, step: 2n * SECOND } as const
      await same(async (tenant) => (await runMetricQuery(united, clock, QUERY_LIMITS, { tenant, expr, time })).result)
    }
    await same((tenant) => united.streams({ tenant, matchers: [], start, end }))
    await store.close()
  })
  await fc.assert(property, { numRuns: 25 })
  t.pass()
})

/** A store that records its reads, and returns `blocks` of each tenant and then, for some, an error. */
function scriptedStore(real: LogStore, errors: ReadonlyMap<string, unknown>) {
  const closed: string[] = []
  async function* read(request: ReadRequest): AsyncGenerator<ReadBlock> {
    try {
      yield* real.read(request)
      if (errors.has(request.tenant)) throw errors.get(request.tenant)
    } finally {
      closed.push(request.tenant)
    }
  }
  return { store: { ...uniteTenants(real), read }, closed }
}

async function openScripted(t: Test, errors: ReadonlyMap<string, unknown>) {
  const clock = new FixedClock()
  const { store } = await open(t, {
    a: [stream({ app: 'x' }, clock, '1')],
    b: [stream({ app: 'x' }, clock, '2')],
  })
  const scripted = scriptedStore(store, errors)
  return { ...scripted, united: uniteTenants(scripted.store) }
}

t.test('a damaged block of a tenant is reported after the blocks of the others', async (t) => {
  const damage = new GatewayError('store_damaged', 'a block cannot be read')
  const { united } = await openScripted(t, new Map([['a', damage]]))
  const found: string[] = []
  const request = { tenant: BOTH, matchers: [], start: 0n, end: 2n ** 62n, direction: 'forward' as const }
  await t.rejects(async () => {
    for await (const { runs } of united.read(request)) found.push(...runs.map(({ key }) => key))
  }, damage)
  t.strictSame(found.sort(), ['{__tenant_id__="a", app="x"}', '{__tenant_id__="b", app="x"}'])
})

t.test('any other failure ends the read immediately, and closes the reads of all tenants', async (t) => {
  const failure = new GatewayError('store_unavailable', 'the disk is away')
  const { united, closed } = await openScripted(t, new Map([['b', failure]]))
  await t.rejects(readAll(united, { tenant: BOTH }), failure)
  t.strictSame(closed.sort(), ['a', 'b'])
})

t.test('a reader that stops closes the reads of all tenants', async (t) => {
  const { united, closed } = await openScripted(t, new Map())
  const request = { tenant: BOTH, matchers: [], start: 0n, end: 2n ** 62n, direction: 'forward' as const }
  for await (const _ of united.read(request)) break
  t.strictSame(closed.sort(), ['a', 'b'])
})

t.test('blocks are in the order of a read, and unneeded ones are skipped', async (t) => {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  const united = uniteTenants(store)
  for (let i = 0; i < 12; i++) {
    const own = { labels: { app: 'x' }, entries: [{ ns: clock.nowNs + BigInt((i * 7) % 12), line: `${i}` }] }
    await store.append(makeBatch([own], openAdmission(clock, i % 3 === 0 ? 'a' : 'b')))
  }
  const request = { tenant: BOTH, matchers: [], start: 0n, end: 2n ** 62n }
  for (const [direction, sign] of [
    ['forward', 1n],
    ['backward', -1n],
  ] as const) {
    const times: bigint[] = []
    const wants = (): boolean => times.length < 7
    for await (const { block } of united.read({ ...request, direction, wants })) {
      times.push(timeRange(block).oldest - clock.nowNs)
    }
    const wanted = Array.from({ length: 7 }, (_, i) => (sign > 0n ? BigInt(i) : 11n - BigInt(i)))
    t.strictSame(times, wanted, direction)
  }
})
