import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type ArchiveReads, AwsLogStore, type AwsStoreSettings } from '../../../src/adapters/aws/aws-log-store.ts'
import { EntryIds } from '../../../src/adapters/aws/ids/entry-ids.ts'
import { PACKED_BYTES_MAX, unpackRecentBlock } from '../../../src/adapters/aws/recent-block.ts'
import type { RecentBlock } from '../../../src/adapters/aws/recent-items.ts'
import { HOURS_MAX } from '../../../src/adapters/aws/write/append-plan.ts'
import { RECORD_BYTES_MAX } from '../../../src/adapters/aws/write/firehose-records.ts'
import { type FirehoseSettings, FirehoseWrites } from '../../../src/adapters/aws/write/firehose-writes.ts'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { batchOfBlock } from '../../../src/domain/entries/block-builder.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { BatchOrigin } from '../../../src/ports/log-store.ts'
import type { ArchiveMember } from '../../../src/protocol/archive/archive-encode.ts'
import { AHEAD_MS_MAX, rangeOfName } from '../../../src/protocol/archive/archive-names.ts'
import { decodeToBatches, textsOf } from '../../protocol/archive/archive-batches.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream, RecordedEvents } from '../../support/helper.ts'
import { Random } from '../../support/random.ts'
import { Breaker, openTable, TABLE } from './items.ts'
import { SteppedPacing } from './stepped-pacing.ts'

const HOUR_MS = 3600_000
const SETTINGS: AwsStoreSettings & FirehoseSettings = {
  prefix: 'logs/',
  lateAfterMs: HOUR_MS,
  keepsRecentPushes: true,
  queueBytesMax: 64 * 2 ** 20,
}

/** Records what was sent to the services. */
class FakeServices {
  readonly members: Uint8Array[] = []
  readonly messages: ArchiveMember[] = []
  readonly items: RecentBlock[] = []
  readonly objects = new Map<string, Uint8Array>()
  announced = 0
  /** Thrown by every call while set. */
  failure: Error | undefined
  /** Awaited by every call. */
  gate: Promise<void> | undefined

  async #pass(): Promise<void> {
    await this.gate
    if (this.failure !== undefined) throw this.failure
  }

  records = {
    put: async (members: readonly Uint8Array[]) => {
      await this.#pass()
      this.members.push(...members)
    },
  }
  queue = {
    send: async (members: readonly ArchiveMember[]) => {
      await this.#pass()
      this.messages.push(...members)
    },
  }
  recent = {
    put: async (item: RecentBlock) => {
      await this.#pass()
      this.items.push(item)
    },
  }
  bucket = {
    put: async (key: string, body: Uint8Array) => {
      await this.#pass()
      this.objects.set(key, body)
    },
  }
  index = {
    announce: async () => {
      await this.#pass()
      this.announced++
    },
  }

  recentTexts(): string[] {
    return textsOf(...this.items.map(({ tenant, packed }) => batchOfBlock(tenant, unpackRecentBlock(packed))))
  }

  /** Everything that will be in the archive: records, messages and objects. */
  archiveTexts(): string[] {
    return textsOf(
      ...decodeAll([...this.members, ...this.messages.map(({ bytes }) => bytes), ...this.objects.values()]),
    )
  }
}

function decodeAll(contents: readonly Uint8Array[]): Batch[] {
  return contents.flatMap((bytes) => [...decodeToBatches(gunzipSync(bytes)).batches.values()])
}

const NO_READS: ArchiveReads = {
  cacheBytes: 0,
  read: () => {
    throw new Error('BUG: nothing is read here')
  },
  streams: async () => [],
  close: async () => {},
}

function open(settings: Partial<AwsStoreSettings & FirehoseSettings> = {}, ids?: EntryIds) {
  const clock = new FixedClock()
  const services = new FakeServices()
  const events = new RecordedEvents()
  const unused = new EntryIds(
    () => Promise.reject(new Error('BUG: no ids here')),
    { table: '', windowMs: 1 },
    clock,
    new SteppedPacing(),
  )
  const path = new FirehoseWrites(services, { ...SETTINGS, ...settings })
  const store = new AwsLogStore(
    { path, index: services.index, ids: ids ?? unused },
    NO_READS,
    { ...SETTINGS, ...settings },
    clock,
    events,
  )
  const batch = (streams: readonly PlainStream[]) => makeBatch(streams, openAdmission(clock))
  const push = (streams: readonly PlainStream[], origin?: BatchOrigin) => store.append(batch(streams), origin)
  return { clock, services, events, store, batch, push }
}

/** Entries this long before the current time. */
const ago = (clock: FixedClock, ...ms: number[]): PlainStream[] => [
  {
    labels: { app: 'a' },
    entries: ms.map((each) => ({ ns: clock.nowNs - BigInt(each) * 1_000_000n, line: `${each}` })),
  },
]

t.test('a push goes to Firehose and to a recent item', async (t) => {
  const { push, services, clock, batch } = open()
  t.same(await push(ago(clock, 0, 5)), { stored: 2, duplicates: 0, takenIds: new Map() })
  t.same([services.members.length, services.messages.length, services.objects.size], [1, 0, 0])
  t.same(services.archiveTexts(), textsOf(batch(ago(clock, 0, 5))))
  t.same(services.recentTexts(), services.archiveTexts())
  t.match(services.items[0], { oldest: clock.nowNs - 5_000_000n, newest: clock.nowNs })
  t.equal(services.announced, 1)
})

t.test('a push creates no recent item if they are switched off; logs always do', async (t) => {
  const { push, services, clock } = open({ keepsRecentPushes: false })
  await push(ago(clock, 0))
  t.equal(services.items.length, 0)
  await push(ago(clock, 1), 'logs')
  t.equal(services.items.length, 1)
})

t.test('logs go to the queue and to a recent item', async (t) => {
  const { push, services, clock } = open()
  await push(ago(clock, 0, 5), 'logs')
  t.same([services.members.length, services.messages.length, services.objects.size], [0, 1, 0])
  t.match(services.messages[0], { entries: 2, oldest: clock.nowNs - 5_000_000n, newest: clock.nowNs })
  t.same(services.recentTexts(), services.archiveTexts())
})

for (const origin of ['push', 'logs'] as const) {
  t.test(`late entries of ${origin} are written as objects of their own hours, without recent items`, async (t) => {
    const { push, services, clock, batch } = open()
    const streams = ago(clock, 0, HOUR_MS, HOUR_MS + 1, 3 * HOUR_MS + 5, 3 * HOUR_MS + 7)
    t.match(await push(streams, origin), { stored: 5 })
    const keys = [...services.objects.keys()].sort()
    t.match(keys, [/^logs\/2026\/11\/21\/08\/late_/, /^logs\/2026\/11\/21\/10\/late_/])
    for (const key of keys) {
      const [found] = decodeAll([services.objects.get(key) as Uint8Array])
      const times = found?.timestamps.values.slice(0, found.count).sort() ?? []
      const timing = { lateAfterMs: 0, bufferMsMax: 0 }
      t.same(rangeOfName(key, timing), { oldest: times[0], newest: times.at(-1) })
    }
    t.same(services.archiveTexts(), textsOf(batch(streams)))
    t.same(services.recentTexts(), textsOf(batch(ago(clock, 0, HOUR_MS))))
  })
}

t.test(
  'entries far in the future are written as objects of their own hours, whatever the limits of the tenant',
  async (t) => {
    const { push, services, clock } = open()
    await push(ago(clock, -AHEAD_MS_MAX, -AHEAD_MS_MAX - 1, -40 * HOUR_MS))
    t.match(services.items, [{ oldest: clock.nowNs + BigInt(AHEAD_MS_MAX) * 1_000_000n }], 'the first is fresh')
    t.equal(services.items.length, 1)
    const timing = { lateAfterMs: HOUR_MS, bufferMsMax: 900_000 }
    t.same(
      [...services.objects.keys()].map((key) => rangeOfName(key, timing)?.oldest).sort(),
      [AHEAD_MS_MAX + 1, 40 * HOUR_MS].map((ms) => clock.nowNs + BigInt(ms) * 1_000_000n),
    )
  },
)

t.test('a push of too many hours is rejected, and nothing is written', async (t) => {
  const { push, services, clock, store } = open()
  const hours = Array.from({ length: HOURS_MAX + 1 }, (_, i) => (i + 2) * HOUR_MS)
  for (let i = 0; i < 3; i++) await t.rejects(push(ago(clock, ...hours)), { code: 'body_too_large', message: /1001/ })
  t.same([services.objects.size, services.announced], [0, 0])
  t.equal(store.trouble(), undefined, 'the client must fix it')
  await push(ago(clock, ...hours.slice(1)))
  t.equal(services.objects.size, HOURS_MAX)
})

t.test('an entry whose labels do not fit in an item is written as an object', async (t) => {
  const { services, store, clock } = open()
  const random = new Random(2)
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`label_${i}`, random.hex(4000)]))
  const streams = [{ labels, entries: [{ ns: clock.nowNs, line: random.hex(500_000) }] }]
  const admission = openAdmission(clock)
  const limits = { ...admission.limits, labelValueBytesMax: 8000, lineBytesMax: 2 ** 20 }
  const batch = makeBatch(streams, { ...admission, limits, labelCountMax: 200 })
  await store.append(batch)
  t.same([services.items.length, services.objects.size], [0, 1])
})

t.test('retried late entries overwrite their object', async (t) => {
  const { push, services, clock } = open()
  await push(ago(clock, 2 * HOUR_MS))
  await push(ago(clock, 2 * HOUR_MS))
  t.equal(services.objects.size, 1)
})

t.test('a push of only late entries does not call Firehose', async (t) => {
  const { push, services, clock } = open()
  await push(ago(clock, 2 * HOUR_MS))
  t.same([services.members.length, services.items.length, services.announced], [0, 0, 1])
})

t.test('equal entries of a batch are stored once, and counted', async (t) => {
  const { push, services, clock } = open()
  t.same(await push([...ago(clock, 0, 1, 0), ...ago(clock, 1)]), { stored: 2, duplicates: 2, takenIds: new Map() })
  t.equal(services.archiveTexts().length, 2)
})

t.test('a large push is split into records and items that fit', async (t) => {
  const { push, services, clock, batch } = open()
  const random = new Random(3)
  const entries = Array.from({ length: 6000 }, (_, i) => ({ ns: clock.nowNs - BigInt(i), line: random.hex(900) }))
  const streams = [{ labels: { app: 'a' }, entries }]
  t.match(await push(streams), { stored: 6000 })
  t.ok(services.members.length > 1 && services.items.length > 1)
  for (const { length } of services.members) t.ok(length <= RECORD_BYTES_MAX)
  for (const { packed } of services.items) t.ok(packed.length <= PACKED_BYTES_MAX)
  t.same(services.archiveTexts(), textsOf(batch(streams)))
  t.same(services.recentTexts(), services.archiveTexts())
})

t.test('lines too long for an item are written as objects immediately', async (t) => {
  const { push, services, clock } = open()
  const random = new Random(4)
  const lines = [random.hex(1_500_000), random.hex(299_000), 'short']
  await push([{ labels: { app: 'a' }, entries: lines.map((line, i) => ({ ns: clock.nowNs + BigInt(i), line })) }])
  t.equal(services.objects.size, 1)
  t.equal(services.recentTexts().length, 2)
  t.equal(services.archiveTexts().length, 3)
})

t.test('the longest line of the worst bytes fits in a record and an item', async (t) => {
  const { store, services, clock, batch } = open()
  const random = new Random(5)
  for (const bytes of [random.bytes(299_900), random.bytes(299_900).map((byte) => byte & 0x1f)]) {
    const plain = batch(ago(clock, services.items.length))
    await store.append({ ...plain, text: bytes, starts: Uint32Array.of(0), ends: Uint32Array.of(bytes.length) })
  }
  t.same([services.members.length, services.items.length, services.objects.size], [2, 2, 0])
  for (const { length } of services.members) t.ok(length <= RECORD_BYTES_MAX, `${length} bytes`)
})

t.test('an append that fails in any service is rejected as a whole, and can be retried', async (t) => {
  const { push, services, clock, events, batch } = open()
  services.failure = new GatewayError('store_unavailable', 'S3 did not')
  const streams = ago(clock, 0, 3 * HOUR_MS)
  await t.rejects(push(streams), { code: 'store_unavailable', message: 'S3 did not' })
  t.equal(events.failures.length, 1)
  services.failure = undefined
  t.match(await push(streams), { stored: 2 })
  t.same(services.archiveTexts(), textsOf(batch(streams)))
})

t.test('a failed append rejects only when nothing reads its batch any more', async (t) => {
  const { services, store, clock, batch } = open()
  services.bucket.put = () => Promise.reject(new GatewayError('store_unavailable', 'S3 did not'))
  const random = new Random(7)
  const one = batch([
    { labels: { app: 'late' }, entries: [{ ns: clock.nowNs - 5n * 3600_000_000_000n, line: 'late' }] },
    { labels: { app: 'a' }, entries: [{ ns: clock.nowNs, line: random.hex(200_000) }] },
  ])
  const texts = textsOf(one).filter((text) => text.includes('app="a"'))
  await t.rejects(store.append(one), { code: 'store_unavailable' })
  // The next push now reuses its columns.
  one.text.fill(0)
  one.timestamps.values.fill(0n)
  one.starts.fill(0)
  t.same(services.archiveTexts(), texts)
  t.same(services.recentTexts(), texts)
})

t.test('trouble is reported after consecutive failures, until a write succeeds or some time has passed', async (t) => {
  const { push, services, clock, store } = open()
  const fail = async (code: 'store_unavailable' | 'overloaded', times: number) => {
    services.failure = new GatewayError(code, 'SQS did not accept a message (x); retry later')
    for (let i = 0; i < times; i++) await t.rejects(push(ago(clock, 0)))
    services.failure = undefined
  }
  await fail('overloaded', 5)
  t.equal(store.trouble(), undefined, 'throttling is not trouble')
  await fail('store_unavailable', 2)
  t.equal(store.trouble(), undefined)
  await fail('store_unavailable', 1)
  t.equal(store.trouble(), 'SQS did not accept a message (x); retry later')
  await push(ago(clock, 0))
  t.equal(store.trouble(), undefined)
  await fail('store_unavailable', 3)
  clock.ms += 29_999
  t.type(store.trouble(), 'string')
  clock.ms += 1
  t.equal(store.trouble(), undefined, 'clients must send again for it to end')
})

t.test('an append beyond the queue limit is overloaded, and others are not affected', async (t) => {
  const { push, services, clock, store } = open({ queueBytesMax: 200 })
  const { promise, resolve } = Promise.withResolvers<void>()
  services.gate = promise
  const first = push(ago(clock, 0, 1))
  t.ok(store.figures().queueBytes > 0)
  await t.rejects(push(ago(clock, 0, 1, 2, 3, 4)), { code: 'overloaded', message: /MILLRACE_QUEUE_BYTES_MAX/ })
  resolve()
  t.match(await first, { stored: 2 })
  t.match(store.figures(), { queueBytes: 0, commits: 1 })
})

t.test('close waits for running appends, and rejects new ones', async (t) => {
  const { push, services, clock, store } = open()
  const { promise, resolve } = Promise.withResolvers<void>()
  services.gate = promise
  const first = push(ago(clock, 0))
  const closing = store.close()
  await t.rejects(push(ago(clock, 1)), { code: 'store_unavailable', message: /shutting down/ })
  t.equal(services.members.length, 0)
  resolve()
  await closing
  t.equal(services.members.length, 1)
  t.match(await first, { stored: 1 })
})

/** A store with ids in a table, with one breaker that counts the calls to all services. */
async function openWithIds(t: Test) {
  const table = await openTable(t)
  const breaker = new Breaker()
  const clock = new FixedClock()
  const opened = open({}, undefined)
  const { services } = opened
  const ids = new EntryIds(
    async () => breaker.around(table),
    { table: TABLE, windowMs: HOUR_MS },
    clock,
    new SteppedPacing(),
  )
  const parts = {
    records: breaker.around(services.records),
    queue: breaker.around(services.queue),
    recent: breaker.around(services.recent),
    bucket: breaker.around(services.bucket),
  }
  const writes = { path: new FirehoseWrites(parts, SETTINGS), index: breaker.around(services.index), ids }
  const store = new AwsLogStore(writes, NO_READS, SETTINGS, clock, opened.events)
  const push = (streams: readonly PlainStream[]) => store.append(makeBatch(streams, openAdmission(clock)), 'logs')
  return { ...opened, clock, breaker, store, push }
}

const withIds = (clock: FixedClock, offset: bigint, ids: readonly string[]): PlainStream[] => [
  { labels: { app: 'a' }, entries: ids.map((id) => ({ ns: clock.nowNs + offset, line: `line of ${id}`, id })) },
]

t.test('an append with ids stores each once, and returns the times of ids that were taken', async (t) => {
  const { push, clock, services } = await openWithIds(t)
  t.same(await push(withIds(clock, 0n, ['a', 'b', 'a'])), {
    stored: 2,
    duplicates: 1,
    takenIds: new Map([['a', clock.nowNs]]),
  })
  t.same(await push(withIds(clock, 7n, ['b', 'c'])), {
    stored: 1,
    duplicates: 1,
    takenIds: new Map([['b', clock.nowNs]]),
  })
  t.same(await push(withIds(clock, 9n, ['b', 'c'])), {
    stored: 0,
    duplicates: 2,
    takenIds: new Map([
      ['b', clock.nowNs],
      ['c', clock.nowNs + 7n],
    ]),
  })
  t.equal(services.archiveTexts().length, 3)
})

for (const isDone of [false, true]) {
  t.test(
    `a crash ${isDone ? 'after' : 'before'} any call of an append neither loses an entry nor stores it twice`,
    async (t) => {
      const { push, clock, services, breaker } = await openWithIds(t)
      await push(withIds(clock, 0n, ['x', 'y']))
      const calls = breaker.calls
      t.ok(calls >= 7, 'two claims, a message, an item, an announcement, two confirmations')
      for (let at = 1; at <= calls; at++) {
        const ids = [`a${at}`, `b${at}`]
        Object.assign(breaker, { calls: 0, at, isDone })
        await t.rejects(push(withIds(clock, 1n, ids)), `call ${at} fails the append`)
        breaker.at = 0
        // In production the retry has a later time.
        const { takenIds } = await push(withIds(clock, 2n, ids))
        for (const stored of [services.archiveTexts(), services.recentTexts()]) {
          for (const id of ids) {
            const found = stored.filter((text) => text.includes(`line of ${id} `))
            t.equal(found.length, 1, `${id} is there once though call ${at} failed`)
            t.match(found[0], `${takenIds.get(id) ?? clock.nowNs + 2n}`, 'with the time that the client received')
          }
        }
      }
    },
  )
}

t.test('archive and recent items contain everything that is pushed', async () => {
  const offset = fc.oneof(fc.nat(10), fc.integer({ min: HOUR_MS - 2, max: HOUR_MS + 2 }), fc.nat(100 * HOUR_MS))
  const streams = fc.array(
    fc.record({ app: fc.constantFrom('a', 'b'), offsets: fc.array(offset, { minLength: 1, maxLength: 6 }) }),
    { minLength: 1, maxLength: 4 },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(streams, { minLength: 1, maxLength: 3 }), async (pushes) => {
      const { push, clock, services, batch } = open()
      const all = pushes.map((push) =>
        push.flatMap(({ app, offsets }) => ago(clock, ...offsets).map((stream) => ({ ...stream, labels: { app } }))),
      )
      await Promise.all(all.map((streams, i) => push(streams, i % 2 === 0 ? 'push' : 'logs')))
      const texts = textsOf(...all.map(batch))
      t.same(services.archiveTexts(), texts)
      const fresh = all.flat().map((stream) => ({
        ...stream,
        entries: stream.entries.filter(({ ns }) => ns >= clock.nowNs - BigInt(HOUR_MS) * 1_000_000n),
      }))
      t.same(services.recentTexts(), textsOf(batch(fresh)))
    }),
    { numRuns: 100 },
  )
})
