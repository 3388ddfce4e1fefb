import { setImmediate } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { StreamIndex } from '../../../src/adapters/aws/stream-index.ts'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { formatLabels } from '../../../src/domain/labels.ts'
import { equalityMatcher, type Matcher } from '../../../src/domain/selector.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream } from '../../support/helper.ts'
import { Random } from '../../support/random.ts'
import { MemoryItems } from './memory-clients.ts'

const HOUR_NS = 3_600_000_000_000n
/** 2026-11-21T12:00:00Z, in nanoseconds. */
const NOON = new FixedClock().nowNs

class Announcer {
  readonly items = new MemoryItems()
  readonly clock = new FixedClock()
  readonly index = this.another()

  /** An index of another process, without remembered announcements. */
  another(retentionMs?: number): StreamIndex {
    return new StreamIndex(async () => this.items, { table: 'table', retentionMs })
  }

  batch(streams: readonly PlainStream[], tenant = 'fake'): Batch {
    return makeBatch(streams, openAdmission(this.clock, tenant))
  }

  announce(streams: readonly PlainStream[], tenant = 'fake'): Promise<void> {
    return this.index.announce(this.batch(streams, tenant), this.clock.nowMs())
  }

  async streams(start: bigint, end: bigint, matchers: readonly Matcher[] = [], tenant = 'fake'): Promise<string[]> {
    return (await this.another().streams({ tenant, matchers, start, end })).map(formatLabels)
  }
}

const one = (labels: Record<string, string>, ...times: bigint[]): PlainStream => ({
  labels,
  entries: times.map((ns) => ({ ns, line: 'x' })),
})

t.test('streams are listed for the hours of their entries, by name, tenant and matcher', async (t) => {
  const announcer = new Announcer()
  await announcer.announce([one({ z: '1' }, NOON), one({ a: 'ü"\\' }, NOON), one({ a: '2' }, NOON - 5n * HOUR_NS)])
  await announcer.announce([one({ other: '1' }, NOON)], '__proto__')
  t.same(await announcer.streams(NOON, NOON + 1n), ['{a="ü\\"\\\\"}', '{z="1"}'])
  t.same(await announcer.streams(NOON - 5n * HOUR_NS, NOON - 4n * HOUR_NS), ['{a="2"}'])
  t.same(await announcer.streams(NOON, NOON + 1n, [equalityMatcher('z', '=', '1')]), ['{z="1"}'])
  t.same(await announcer.streams(NS_MIN, NS_MAX, [], '__proto__'), ['{other="1"}'])
  t.same(
    await announcer.streams(NOON + 2n * HOUR_NS, NS_MAX),
    ['{a="2"}', '{a="ü\\"\\\\"}', '{z="1"}'],
    'a long range lists whole days',
  )
  t.same(await announcer.streams(NOON + 30n * HOUR_NS, NS_MAX), [])
  t.same(await announcer.streams(NOON, NOON), [])
})

t.test('a repeated announcement costs nothing', async (t) => {
  const announcer = new Announcer()
  await announcer.announce([one({ a: '1' }, NOON), one({ b: '1' }, NOON)])
  t.equal(announcer.items.puts, 2, 'the hour and the day')
  await announcer.announce([one({ b: '1' }, NOON + 1n), one({ a: '1' }, NOON + 2n)])
  t.equal(announcer.items.puts, 2)
  await announcer.announce([one({ a: '1' }, NOON + HOUR_NS)])
  t.equal(announcer.items.puts, 3, 'another hour of the same day')
  await announcer.another().announce(announcer.batch([one({ b: '1' }, NOON), one({ a: '1' }, NOON)]), 0)
  t.equal(
    [...announcer.items.items.values()].reduce((sum, items) => sum + items.size, 0),
    3,
    'the same items again',
  )
})

t.test('concurrent announcements share an item, and fail together', async (t) => {
  const announcer = new Announcer()
  let isDown = true
  announcer.items.beforePut = async () => {
    if (isDown) throw Object.assign(new Error('slow down'), { name: 'ProvisionedThroughputExceededException' })
  }
  const both = [0, 1].map(() => announcer.announce([one({ a: '1' }, NOON)]))
  for (const outcome of await Promise.allSettled(both)) {
    t.match(outcome, { status: 'rejected', reason: { code: 'overloaded' } })
  }
  t.ok(announcer.items.puts <= 2, 'one attempt for both, at the hour and the day')
  t.same(await announcer.streams(NS_MIN, NS_MAX), [])
  isDown = false
  await announcer.announce([one({ a: '1' }, NOON)])
  t.same(await announcer.streams(NS_MIN, NS_MAX), ['{a="1"}'], 'a failed announcement is repeated')
})

t.test('very many streams are split into items, and read in pages', async (t) => {
  const announcer = new Announcer()
  announcer.items.pageSize = 1
  const streams = Array.from({ length: 300 }, (_, i) => one({ app: `${i}`, long: 'x'.repeat(2000) }, NOON))
  await announcer.announce(streams)
  t.ok(announcer.items.puts > 4, `${announcer.items.puts} items`)
  t.equal((await announcer.streams(NOON, NOON + 1n)).length, 300)
})

t.test('items expire with the retention', async (t) => {
  const announcer = new Announcer()
  await announcer.another(86_400_000).announce(announcer.batch([one({ a: '1' }, NOON)]), announcer.clock.nowMs())
  const [item] = announcer.items.items.get('streams#fake#hour')?.values() ?? []
  t.equal(item?.['expiresAt'], announcer.clock.nowMs() / 1000 + 86_400)
})

t.test('an aborted query rejects with its reason', async (t) => {
  const announcer = new Announcer()
  const reason = new Error('the client went away')
  const range = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }
  await t.rejects(announcer.index.streams(range, AbortSignal.abort(reason)), reason)
})

t.test('an invalid item is damage', async (t) => {
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
    const announcer = new Announcer()
    await announcer.items.put({ TableName: '', Item: { pk: 'streams#fake#day', sk: '2026-11-21#x', labels: bytes } })
    await announcer.streams(NS_MIN, NS_MAX).then(
      () => t.fail('it was believed'),
      (error) => t.match(error, { code: 'store_damaged' }),
    )
  })
  await fc.assert(property, { numRuns: 50 })
})

t.test('an announced stream is listed for every range that has one of its entries', async (t) => {
  const time = fc.oneof(
    fc.bigInt({ min: NS_MIN + 2_000_000_000n, max: NS_MAX - 2_000_000_000n }),
    fc
      .tuple(fc.bigInt({ min: -30n, max: 30n }), fc.bigInt({ min: -2n, max: 2n }))
      .map(([hour, ns]) => NOON + hour * HOUR_NS + ns),
    fc.bigInt({ min: -3n, max: 3n }),
  )
  const entries = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), time), { minLength: 1, maxLength: 8 })
  const property = fc.asyncProperty(entries, fc.bigInt({ min: 1n, max: 50n * HOUR_NS }), async (all, length) => {
    const announcer = new Announcer()
    await announcer.announce(all.map(([app, ns]) => one({ app }, ns)))
    for (const [app, ns] of all) {
      const found = await announcer.streams(ns, ns + length > NS_MAX ? NS_MAX : ns + length)
      if (!found.includes(`{app="${app}"}`)) throw new Error(`${app} at ${ns} is not listed: ${found}`)
    }
  })
  await fc.assert(property, { numRuns: 100 })
  t.pass()
})

t.test("items stay below DynamoDB's limit, whatever script the labels are in", async (t) => {
  const announcer = new Announcer()
  const random = new Random(8)
  const han = (): string => String.fromCharCode(...Array.from({ length: 680 }, () => 0x4e00 + random.integer(20_000)))
  const streams = Array.from({ length: 40 }, (_, i) =>
    one({ i: `${i}`, ...Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`l${k}`, han()])) }, NOON),
  )
  await announcer.announce(streams)
  const sizes = [...announcer.items.items.values()].flatMap((items) =>
    [...items.values()].map(({ labels }) => (labels as Uint8Array).length),
  )
  t.ok(Math.max(...sizes) < 390_000, `${Math.max(...sizes)} bytes`)
  t.equal((await announcer.streams(NOON, NOON + 1n)).length, 40)
})

t.test('the memory of announcements is bounded: the least recently used are announced again', async (t) => {
  const announcer = new Announcer()
  const large = (hour: number) =>
    announcer.batch(
      Array.from({ length: 60 }, (_, i) =>
        one(
          Object.fromEntries(Array.from({ length: 14 }, (_, k) => [`l${k}`, `${i} `.padEnd(2000, 'x')])),
          NOON + BigInt(hour) * HOUR_NS,
        ),
      ),
    )
  for (let hour = 0; hour < 24; hour++) await announcer.index.announce(large(hour), 0)
  const { puts } = announcer.items
  await announcer.index.announce(large(23), 0)
  t.equal(announcer.items.puts, puts, 'the newest is remembered')
  await announcer.index.announce(large(0), 0)
  t.ok(announcer.items.puts > puts, 'the oldest is not')
})

t.test('more streams than the limit of a result are rejected', async (t) => {
  const announcer = new Announcer()
  for (let i = 0; i < 68; i++) {
    const labels = zstdCompressSync(JSON.stringify([['name', `${i} `.padEnd(2 ** 20, 'x')]]))
    const Item = { pk: 'streams#fake#hour', sk: `2026-11-21T12#${i}`, labels }
    await announcer.items.put({ TableName: 'table', Item })
  }
  await t.rejects(announcer.streams(NOON, NOON + 1n), { code: 'query_refused', message: /narrow the time range/ })
})

t.test('a backfill of many hours writes a few items at a time', async (t) => {
  const announcer = new Announcer()
  let running = 0
  let most = 0
  announcer.items.beforePut = async () => {
    most = Math.max(most, ++running)
    await setImmediate()
    running--
  }
  await announcer.announce(Array.from({ length: 500 }, (_, i) => one({ a: 'b' }, NOON - BigInt(i) * HOUR_NS)))
  t.ok(most <= 40, `${most} at once`)
  t.ok(announcer.items.puts >= 500)
})
