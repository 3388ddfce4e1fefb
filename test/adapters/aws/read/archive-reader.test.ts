import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import type { ArchiveReader } from '../../../../src/adapters/aws/read/archive-reader.ts'
import { SourceQueue } from '../../../../src/adapters/aws/read/source-queue.ts'
import type { Batch } from '../../../../src/domain/entries/batch.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { QUERY_LIMITS } from '../../../../src/domain/limits.ts'
import { NS_MAX, NS_MIN } from '../../../../src/domain/time.ts'
import { runLogQuery } from '../../../../src/flows/query/run-log-query.ts'
import { runMetricQuery } from '../../../../src/flows/query/run-metric-query.ts'
import { parseExpr } from '../../../../src/logql/parse/parse.ts'
import type { LogStore, ReadBlock, ReadRequest } from '../../../../src/ports/log-store.ts'
import { WHOLE } from '../../../contract/opened-store.ts'
import { asSorted, asStored, inOrder, openStore, type PlainStream, readAll } from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'
import { Archive } from '../archive.ts'

const MINUTE = 60_000
const HOUR = 3600_000
const DAY = 24 * HOUR

/** The helpers read a store and use only `read`. */
const asStore = (reader: Pick<ArchiveReader, 'read'>): LogStore => reader as unknown as LogStore

const linesOf = async (reader: ArchiveReader, request: Partial<ReadRequest> = {}): Promise<string[]> =>
  (await readAll(asStore(reader), request)).map(({ line }) => line)

/** One entry, `agoMs` before the current time. */
function entry(archive: Archive, line: string, agoMs: number, app = 'a'): PlainStream {
  return { labels: { app }, entries: [{ ns: archive.clock.nowNs - BigInt(agoMs) * 1_000_000n, line }] }
}

/** One object for each of the last `count` minutes, with one line, its number: 0 is the newest. */
async function deliverMinutes(archive: Archive, count: number): Promise<string[]> {
  const keys: string[] = []
  for (let i = 0; i < count; i++) {
    keys.push(
      await archive.deliver([archive.batch([entry(archive, `${i}`, i * MINUTE)])], archive.clock.ms - i * MINUTE),
    )
  }
  return keys
}

t.test('a read returns recent items and all kinds of objects, without duplicates', async (t) => {
  const archive = new Archive(t)
  const streams = [0, 10 * MINUTE, 3 * HOUR, 50 * HOUR, 70 * HOUR].map((ago) => entry(archive, `${ago}`, ago))
  const [recent, both, delivered, late, queued] = streams.map((each) => archive.batch([each])) as Batch[]
  await archive.accept(recent as Batch)
  await archive.accept(both as Batch)
  await archive.deliver([both as Batch], archive.clock.ms - 10 * MINUTE)
  await archive.deliver([delivered as Batch], archive.clock.ms - 3 * HOUR)
  await archive.write('late', late as Batch)
  await archive.write('queue', queued as Batch)
  const reader = archive.reader()
  for (const direction of ['forward', 'backward'] as const) {
    t.same(asSorted(await readAll(asStore(reader), { direction })), asStored(streams))
  }
  t.same(archive.damages, [])
})

t.test('loaded data is cached, and only new recent items are requested', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 3)
  await archive.accept(archive.batch([entry(archive, 'first', 0)]))
  const reader = archive.reader()
  t.same((await linesOf(reader)).sort(), ['0', '1', '2', 'first'])
  const queries = archive.items.queries
  archive.clock.ms += 5 * MINUTE
  await archive.accept(archive.batch([entry(archive, 'second', 0)]))
  t.same((await linesOf(reader)).sort(), ['0', '1', '2', 'first', 'second'])
  t.equal(archive.objects.gets.length, 3)
  t.ok(archive.items.queries - queries <= 16, `${archive.items.queries - queries} queries`)
})

t.test('recent items in many pages are read completely and in order', async (t) => {
  const archive = new Archive(t)
  archive.items.pageSize = 2
  const lines = Array.from({ length: 60 }, (_, i) => `${i}`)
  for (const line of lines) {
    await archive.accept(
      archive.batch([
        {
          labels: { app: 'a' },
          entries: [{ ns: (archive.clock.nowNs / 3600_000_000_000n) * 3600_000_000_000n, line }],
        },
      ]),
    )
    archive.clock.ms += 20_000
  }
  const read = inOrder(await readAll(asStore(archive.reader())))
  t.same(
    read.map((text) => text.split(' ')[2]),
    lines,
  )
})

t.test('entries with the same time in several objects keep the order of their buffers', async (t) => {
  const archive = new Archive(t)
  for (let i = 5; i >= 0; i--) {
    const batch = archive.batch([entry(archive, `${i}`, 30 * MINUTE)])
    await archive.deliver([batch], archive.clock.ms - 20 * MINUTE + i * MINUTE)
  }
  for (const direction of ['forward', 'backward'] as const) {
    const read = inOrder(await readAll(asStore(archive.reader()), { direction }))
    t.same(
      read.map((text) => text.split(' ')[2]),
      ['0', '1', '2', '3', '4', '5'],
    )
  }
})

t.test('a read of the newest entries loads a bounded number of objects for any range', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 90)
  for (let i = 1; i < 100; i++) {
    await archive.deliver([archive.batch([entry(archive, 'old', i * DAY)])], archive.clock.ms - i * DAY)
  }
  const found: string[] = []
  const wants = (): boolean => found.length < 3
  for await (const { block, runs } of archive.reader().read({ ...WHOLE, direction: 'backward', wants })) {
    for (const { start } of runs) found.push(String(block.timestamps.values[start]))
  }
  t.ok(found.length >= 3)
  t.ok(archive.objects.gets.length < 60, `${archive.objects.gets.length} objects were loaded`)
  t.ok(archive.objects.lists.length < 20, `${archive.objects.lists.length} listings`)
})

t.test('missing hours, days and months are not listed', async (t) => {
  const archive = new Archive(t)
  for (const days of [3, 400, 4000]) {
    await archive.deliver([archive.batch([entry(archive, `${days}`, days * DAY)])], archive.clock.ms - days * DAY)
  }
  archive.objects.objects.set('logs/2026/13/41/99/no-time.gz', Buffer.from('x'))
  archive.objects.objects.set('logs/athena/result.csv', Buffer.from('x'))
  archive.objects.pageSize = 1
  const reader = archive.reader()
  t.same(await linesOf(reader, { direction: 'forward' }), ['4000', '400', '3'])
  t.same(await linesOf(reader, { direction: 'backward' }), ['3', '400', '4000'])
  t.ok(archive.objects.lists.length < 60, `${archive.objects.lists.length} listings`)
})

t.test('unneeded objects are not loaded', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 3)
  const wants = (): boolean => false
  t.same(await linesOf(archive.reader(), { wants }), [])
  t.same(archive.objects.gets, [])
  t.equal(archive.items.queries, 0)
})

t.test('slices are in order', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 200)
  for (const direction of ['forward', 'backward'] as const) {
    const sign = direction === 'forward' ? 1n : -1n
    const firsts: bigint[] = []
    for await (const { block, runs } of archive.reader().read({ ...WHOLE, direction, wants: () => true })) {
      const times = runs.flatMap((run) => [...block.timestamps.values.subarray(run.start, run.end)])
      firsts.push(times.map((ns) => ns * sign).reduce((a, b) => (a < b ? a : b)))
    }
    t.ok(firsts.length > 10, `${firsts.length} blocks`)
    t.same(
      firsts,
      firsts.toSorted((a, b) => (a < b ? -1 : 1)),
    )
  }
})

t.test('a year of small objects is planned in one pass, and too many are rejected', async (t) => {
  const hour = 3600_000_000_000n
  const list = async function* () {
    for (let h = 8760n; h > 0n; h--) {
      const sources = Array.from({ length: 8 }, (_, i) => {
        const newest = h * hour + BigInt(i) * 400_000_000_000n
        return { key: `${h} ${i}`, bytes: 100, etag: '', oldest: newest - hour, newest }
      })
      yield { sources, bound: h * hour + hour }
    }
    yield { sources: [], bound: undefined }
  }
  let looks = 0
  const open = (bytesMax: number) =>
    new SourceQueue(
      { list },
      { ...WHOLE, direction: 'backward', start: 0n, end: 9000n * hour },
      { isLoaded: () => ++looks === 0, recent: { oldest: 0n, newest: 1n }, bytesMax, signal: undefined },
    )
  await open(2 ** 40).checkWhole()
  t.equal(looks, 8 * 8760, 'each object is checked once')
  await t.rejects(open(2 ** 27).checkWhole(), { code: 'query_refused', message: /16392 archive objects/ })
})

t.test('a read of everything is rejected before anything is loaded', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 20)
  const reader = archive.reader({ queryBytesMax: 2000 })
  await t.rejects(linesOf(reader), {
    code: 'query_refused',
    message: /archive objects; the limit is 2000; narrow/,
  })
  t.same(archive.objects.gets, [])
  await t.rejects(linesOf(reader, { wants: () => true, readsAll: true }), { code: 'query_refused' }, 'and says so')
  t.same(await linesOf(reader, { wants: () => false, readsAll: true }), [], 'unneeded objects do not count')
  const wants = (): boolean => true
  await t.rejects(linesOf(reader, { wants }), { code: 'query_refused', message: /MILLRACE_ARCHIVE_QUERY_BYTES_MAX/ })
})

const DAMAGES: readonly (readonly [name: string, damage: (bytes: Uint8Array) => Uint8Array, readable: string[]])[] = [
  ['cut in its second member', (bytes) => bytes.subarray(0, bytes.length - 10), ['one']],
  ['cut in its first member', (bytes) => bytes.subarray(0, 20), []],
  ['with trailing garbage', (bytes) => Buffer.concat([bytes, Buffer.from('no gzip')]), ['one', 'two']],
  ['that is not gzip', () => Buffer.from('{"time":"x"}\n'), []],
  ['with a wrong checksum', (bytes) => flip(bytes, bytes.length - 6), ['one', 'two']],
]

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const other = Uint8Array.from(bytes)
  other[at] = (other[at] as number) ^ 0x10
  return other
}

for (const [name, damage, readable] of DAMAGES) {
  t.test(`an object ${name}: every read returns the readable entries, then reports the damage`, async (t) => {
    const archive = new Archive(t)
    await archive.deliver([archive.batch([entry(archive, 'whole', MINUTE)])])
    const batches = ['one', 'two'].map((line) => archive.batch([entry(archive, line, 0)]))
    const key = await archive.deliver(batches)
    archive.objects.objects.set(key, damage(archive.objects.objects.get(key) as Uint8Array))
    const reader = archive.reader()
    for (let times = 0; times < 2; times++) {
      const lines: string[] = []
      const reading = (async () => {
        for await (const { block, runs } of reader.read(WHOLE)) lines.push(...textOf(block, runs))
      })()
      await t.rejects(reading, { code: 'store_damaged', message: key })
      t.same(lines.sort(), [...readable, 'whole'].sort())
    }
    t.same(archive.damages, [key])
  })
}

function textOf(block: ReadBlock['block'], runs: ReadBlock['runs']): string[] {
  const text = Buffer.from(block.text)
  return runs.flatMap(({ start, end }) =>
    Array.from({ length: end - start }, (_, i) =>
      text.subarray(start + i === 0 ? 0 : block.lineEnds[start + i - 1], block.lineEnds[start + i]).toString(),
    ),
  )
}

t.test('invalid lines are reported, and the others returned', async (t) => {
  const archive = new Archive(t)
  const key = await archive.deliver([archive.batch([entry(archive, 'good', 0)])])
  const { gzipSync } = await import('node:zlib')
  const bytes = archive.objects.objects.get(key) as Uint8Array
  archive.objects.objects.set(key, Buffer.concat([gzipSync('{"tenant":"fake"}\nnonsense\n'), bytes]))
  const reader = archive.reader()
  await t.rejects(linesOf(reader), { code: 'store_damaged', message: /2 of its lines are not valid entries/ })
})

t.test('an unreadable recent item is reported after the others', async (t) => {
  const archive = new Archive(t)
  await archive.accept(archive.batch([entry(archive, 'good', 0)]))
  await archive.accept(archive.batch([entry(archive, 'bad', 1)]))
  const [, item] = [...archive.items.items.values()].flatMap((items) => [...items.values()])
  ;(item as Record<string, unknown>)['block'] = Buffer.from('no block')
  const reader = archive.reader()
  const blocks: ReadBlock[] = []
  const reading = (async () => {
    for await (const block of reader.read(WHOLE)) blocks.push(block)
  })()
  await t.rejects(reading, { code: 'store_damaged' })
  t.equal(blocks.length, 1)
  await t.rejects(linesOf(reader), { code: 'store_damaged' }, 'reported again')
  t.same(archive.damages, ['recent item'])
})

t.test('an object deleted after it was listed is ignored', async (t) => {
  const archive = new Archive(t)
  const keys = await deliverMinutes(archive, 2)
  archive.objects.beforeGet = async () => void archive.objects.objects.delete(keys[0] as string)
  t.same(await linesOf(archive.reader()), ['1'])
})

t.test('a broken connection is retried, and finally reported', async (t) => {
  const archive = new Archive(t)
  await archive.deliver([archive.batch([entry(archive, 'x', 0)])])
  let breaks = 2
  archive.objects.bodyOf = async function* (bytes) {
    yield bytes.subarray(0, 20)
    if (breaks-- > 0) throw new Error('socket hang up')
    yield bytes.subarray(20)
  }
  const reader = archive.reader()
  t.same(await linesOf(reader), ['x'])
  breaks = 99
  await archive.deliver([archive.batch([entry(archive, 'y', 0)])])
  await t.rejects(linesOf(reader), { code: 'store_unavailable' })
  breaks = 0
  t.same((await linesOf(reader)).sort(), ['x', 'y'])
})

t.test('any failed call for recent items fails the read, and the next one is complete', async (t) => {
  const lines = ['0', '1', '2', '3']
  for (let failing = 1; failing <= 60; failing += 7) {
    const archive = new Archive(t)
    for (const line of lines) await archive.accept(archive.batch([entry(archive, line, Number(line) * MINUTE)]))
    archive.items.beforeQuery = async (queries) => {
      if (queries === failing) throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' })
    }
    const reader = archive.reader()
    await t.rejects(linesOf(reader), { code: 'overloaded' }, `call ${failing}`)
    t.same((await linesOf(reader)).sort(), lines)
  }
})

t.test('a failed listing fails the read, and the next one is complete', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 2)
  const list = archive.objects.listObjectsV2
  let lists = 0
  archive.objects.listObjectsV2 = async (input, options) => {
    if (++lists === 5) throw new Error('socket hang up')
    return list(input, options)
  }
  const reader = archive.reader()
  await t.rejects(linesOf(reader), { code: 'store_unavailable' })
  t.same((await linesOf(reader)).sort(), ['0', '1'])
})

t.test('concurrent reads see everything written before each of them', async (t) => {
  const archive = new Archive(t)
  const reader = archive.reader()
  const reads: Promise<string[]>[] = []
  for (let i = 0; i < 8; i++) {
    await archive.accept(archive.batch([entry(archive, `${i}`, i)]))
    reads.push(linesOf(reader))
    if (i % 3 === 0) await setImmediate()
  }
  for (const [i, read] of reads.entries()) {
    const lines = await read
    for (let written = 0; written <= i; written++) t.ok(lines.includes(`${written}`), `read ${i} sees ${written}`)
    t.equal(new Set(lines).size, lines.length)
  }
})

t.test('concurrent reads share a load, which continues if one of them is aborted', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 1)
  let go: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const signals: (AbortSignal | undefined)[] = []
  archive.objects.beforeGet = async (_, signal) => {
    signals.push(signal)
    await gate
  }
  const reader = archive.reader()
  const controller = new AbortController()
  const left = readAll(asStore({ read: (request: ReadRequest) => reader.read(request, controller.signal) }))
  const stays = linesOf(reader)
  while (archive.objects.gets.length === 0) await setImmediate()
  for (let i = 0; i < 50; i++) await setImmediate()
  const reason = new Error('the client went away')
  controller.abort(reason)
  await t.rejects(left, reason)
  t.equal(signals[0]?.aborted, false, 'the other read still waits for it')
  go()
  t.same(await stays, ['0'])
  t.equal(archive.objects.gets.length, 1)
})

t.test('an abort ends a load that no other read waits for', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 1)
  let loadSignal: AbortSignal | undefined
  archive.objects.beforeGet = (_, signal) => {
    loadSignal = signal
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  const reader = archive.reader()
  const controller = new AbortController()
  const reading = readAll(asStore({ read: (request: ReadRequest) => reader.read(request, controller.signal) }))
  while (loadSignal === undefined) await setImmediate()
  const reason = new Error('the client went away')
  controller.abort(reason)
  await t.rejects(reading, reason)
  t.equal(loadSignal.aborted, true)
  archive.objects.beforeGet = async () => undefined
  t.same(await linesOf(reader), ['0'], 'the next read loads it again')
})

t.test('a full scratch store is replaced when its readers are done', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 2)
  const reader = archive.reader({ bytesMax: 1 })
  const reading = reader.read(WHOLE)
  await reading.next()
  t.equal(archive.scratches.length, 1)
  t.same((await linesOf(reader)).sort(), ['0', '1'])
  t.equal(archive.scratches.length, 2)
  t.ok(existsSync(archive.scratches[0] as string), 'it is still in use')
  await reading.return()
  await reader.close()
  t.same(readdirSync(archive.folder), [], 'nothing is left')
  await t.rejects(linesOf(reader), { code: 'store_unavailable' })
  await t.rejects(reader.streams(WHOLE), { code: 'store_unavailable' })
})

t.test('only folders of dead processes are deleted', async (t) => {
  const archive = new Archive(t)
  const uuid = '00000000-0000-4000-8000-000000000000'
  const names = [`999999999-1-${uuid}`, `${process.pid}-1-${uuid}`, `${process.ppid}-1-${uuid}`, 'somebody-elses']
  for (const name of names) mkdirSync(`${archive.folder}/${name}/deep`, { recursive: true })
  await linesOf(archive.reader())
  t.same(
    readdirSync(archive.folder)
      .filter((name) => names.includes(name))
      .sort(),
    names.slice(2).sort(),
  )
})

t.test('a failed scratch store is reported and replaced', async (t) => {
  const archive = new Archive(t)
  await deliverMinutes(archive, 1)
  const { openScratch } = await import('../archive.ts')
  let isFull = true
  const reader = archive.reader({}, (folder) => {
    const store = openScratch(folder, archive.clock)
    const append = store.append.bind(store)
    store.append = (batch) => (isFull ? Promise.reject(new GatewayError('store_unavailable', 'full')) : append(batch))
    return store
  })
  await t.rejects(linesOf(reader), { code: 'store_unavailable', message: /cache.*MILLRACE_CACHE_DIR/ })
  isFull = false
  t.same(await linesOf(reader), ['0'])
  t.equal(archive.scratches.length, 2)
})

t.test('an unusable cache folder is reported', async (t) => {
  const archive = new Archive(t)
  const reader = archive.reader({ cache: { folder: `${testFolder(t, { file: '' })}/file/cache`, bytesMax: 1 } })
  await t.rejects(linesOf(reader), { code: 'store_unavailable', message: /MILLRACE_CACHE_DIR/ })
})

/** A batch, its age, and where it is stored. */
const placed = fc.record({
  kind: fc.constantFrom('recent', 'firehose', 'both', 'late', 'queue'),
  arrivedAgo: fc.integer({ min: 0, max: 55 * MINUTE }),
  entryAgo: fc.integer({ min: 0, max: 50 * MINUTE }),
  oldAgo: fc.integer({ min: HOUR, max: 20 * DAY }),
  app: fc.constantFrom('a', 'b'),
  tenant: fc.constantFrom('fake', 'fake', '__proto__'),
  lines: fc.array(fc.constantFrom('x', 'y', 'zz', ''), { minLength: 1, maxLength: 4 }),
})

t.test('any range reads like from a single store, forward and backward, cold and warm', async (t) => {
  const ranges = fc.array(fc.tuple(fc.integer({ min: 0, max: 21 * DAY }), fc.integer({ min: 0, max: 2 * DAY })), {
    minLength: 1,
    maxLength: 3,
  })
  const property = fc.asyncProperty(fc.array(placed, { minLength: 1, maxLength: 12 }), ranges, async (all, asked) => {
    const archive = new Archive(t)
    const model = openStore(t, archive.clock, {
      dataDir: testFolder(t, {}),
      duplicateWindowMs: Number.MAX_SAFE_INTEGER,
    })
    for (const each of all) await place(archive, model, each)
    const reader = archive.reader()
    for (const [ago, length] of [...asked, ...asked]) {
      const start = archive.clock.nowNs - BigInt(ago) * 1_000_000n
      for (const direction of ['forward', 'backward'] as const) {
        const request = { start, end: start + BigInt(length) * 1_000_000n + 1n, direction }
        const [found, wanted] = await Promise.all([readAll(asStore(reader), request), readAll(model, request)])
        if (asSorted(found).join('\n') !== asSorted(wanted).join('\n')) {
          throw new Error(`found ${asSorted(found)}\nwanted ${asSorted(wanted)}`)
        }
      }
    }
    t.equal(asSorted(await readAll(asStore(reader))).length, asSorted(await readAll(model)).length)
    await reader.close()
    await model.close()
  })
  await fc.assert(property, { numRuns: 25 })
})

async function place(archive: Archive, model: LogStore, each: typeof placed extends fc.Arbitrary<infer T> ? T : never) {
  const { kind, arrivedAgo, entryAgo, oldAgo, app, tenant, lines } = each
  const isOwn = kind === 'late' || kind === 'queue'
  const ago = isOwn ? oldAgo : arrivedAgo + entryAgo
  // Objects of the gateway have one hour: their lines share one time.
  const streams = lines.map((line, i) => entry(archive, line, ago + (isOwn ? 0 : i), app))
  const batch = archive.batch(streams, tenant)
  await model.append(archive.batch(streams, tenant))
  const arrivedMs = archive.clock.ms - arrivedAgo
  if (kind === 'late' || kind === 'queue') await archive.write(kind, batch)
  if (kind === 'recent' || kind === 'both') await archive.accept(batch, arrivedMs)
  if (kind === 'firehose' || kind === 'both') await archive.deliver([batch], arrivedMs)
}

const QUERIES = [
  '{app="a"}',
  '{app=~".+"} |= "z"',
  'sum by (app) (count_over_time({app=~".+"}[1h]))',
  'bytes_over_time({app="b"}[2h])',
  'topk(1, rate({app=~"a|b"} != "x" [30m]))',
]

/** The result as text; for lines with a limit only their times, because any of those with equal times may be omitted. */
async function answer(store: LogStore, archive: Archive, query: string, limit: number): Promise<string> {
  const expr = parseExpr(query)
  const [start, end] = [archive.clock.nowNs - BigInt(30 * HOUR) * 1_000_000n, archive.clock.nowNs + 1n]
  const shown = (value: unknown): string =>
    // Points are created on access.
    JSON.stringify(value, (name, each) => {
      if (name === 'points') return shown([...each])
      return typeof each === 'bigint' ? `${each}` : each
    })
  if (expr.kind === 'log') {
    const request = { tenant: 'fake', expr, start, end, limit, direction: 'backward' as const, intervalNs: 0n }
    const { streams } = await runLogQuery(store, archive.clock, QUERY_LIMITS, request)
    const entries = streams.flatMap((stream) =>
      stream.entries.map(({ ns, line }) => (limit < 100 ? `${ns}` : `${ns} ${line}`)),
    )
    return shown(entries.sort())
  }
  const time = { kind: 'range' as const, start, end, step: 3_600_000_000_000n }
  return shown((await runMetricQuery(store, archive.clock, QUERY_LIMITS, { tenant: 'fake', expr, time })).result)
}

t.test('a query has the same result as over the embedded store', async (t) => {
  const property = fc.asyncProperty(fc.array(placed, { minLength: 1, maxLength: 12 }), async (all) => {
    const archive = new Archive(t)
    const model = openStore(t, archive.clock, {
      dataDir: testFolder(t, {}),
      duplicateWindowMs: Number.MAX_SAFE_INTEGER,
    })
    for (const each of all) await place(archive, model, each)
    const reader = archive.reader()
    for (const query of QUERIES) {
      for (const limit of [2, 1000]) {
        const [found, wanted] = [
          await answer(asStore(reader), archive, query, limit),
          await answer(model, archive, query, limit),
        ]
        if (found !== wanted) throw new Error(`${query} found ${found}\nwanted ${wanted}`)
      }
    }
    await reader.close()
    await model.close()
  })
  await fc.assert(property, { numRuns: 20 })
  t.pass()
})

t.test('the minimum and maximum time are a valid range', async (t) => {
  const archive = new Archive(t)
  const times = [-9_223_372_035_000_000_000n, -1n, 0n, 9_223_372_035_999_999_999n]
  for (const ns of times)
    await archive.write('late', archive.batch([{ labels: { app: 'a' }, entries: [{ ns, line: `${ns}` }] }]))
  const reader = archive.reader()
  t.same(
    (await readAll(asStore(reader), { start: NS_MIN, end: NS_MAX })).map(({ ns }) => ns),
    times,
  )
  t.same(await linesOf(reader, { start: -1n, end: 0n }), ['-1'])
})
