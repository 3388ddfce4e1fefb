/** Compaction of the direct path: whatever is killed and whoever reads meanwhile, each line is there once. */

import t, { type Test } from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { type CompactionWork, compactArrivals, mergeFiles } from '../../src/flows/archive/compact-archive.ts'
import { type AwsSettings, BUCKET, openAwsStore, Services, withSteps } from '../adapters/aws/opened-store.ts'
import { Killed, killable } from '../aws/killable.ts'
import {
  asSorted,
  asStored,
  FixedClock,
  makeBatch,
  openAdmission,
  type PlainStream,
  readAll,
} from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { CONTRACT_SETTINGS } from './opened-store.ts'

const services = await Services.start(t)
const MINUTE = 60_000
const SPAN = 10 * MINUTE

/** A store with lines in rows, objects and files, and what was pushed to it so far. */
function open(t: Test, steps: Pick<AwsSettings, 'beforeRead' | 'beforeRow'> = {}) {
  const clock = new FixedClock()
  const opened = openAwsStore(services, t, clock, {
    ...CONTRACT_SETTINGS,
    path: 'direct',
    ...steps,
  })
  const random = new Random(7)
  const pushed: PlainStream[] = []
  let lines = 0
  const push = async (bytes: number, tenant = 'fake'): Promise<void> => {
    const entries = [0n, 1n].map((ns) => ({ ns: clock.nowNs + ns, line: `${lines++} ${random.hex(bytes)}` }))
    const streams = [{ labels: { app: `a${lines % 3}` }, entries }]
    await opened.store.append(makeBatch(streams, openAdmission(clock, tenant)))
    if (tenant === 'fake') pushed.push(...streams)
  }
  return { ...opened, clock, push, pushed }
}

/** A small push, which is a row alone, and a large one, which is an object; then the time at which they are compacted. */
async function pushBoth({ push, clock }: ReturnType<typeof open>): Promise<void> {
  await push(10)
  await push(20_000)
  await push(10, 'other')
  clock.ms += SPAN + 4 * MINUTE
}

const everything = async (work: CompactionWork): Promise<void> => {
  await compactArrivals(work)
  await mergeFiles(work)
}

t.test('killed at any step, with a reader at every step: each line is there once', async (t) => {
  const opened = open(t)
  const { compaction, pushed, clock } = opened
  const check = async (): Promise<void> => {
    t.same(asSorted(await readAll(opened.store)), asStored(pushed))
  }
  let [at, isDone] = [1, false]
  for (;;) {
    await pushBoth(opened)
    const { work, counted } = killable(compaction, at, isDone, check)
    let isKilled = false
    try {
      await everything(work)
    } catch (cause) {
      if (!(cause instanceof Killed)) throw cause
      isKilled = true
    }
    await check()
    clock.ms += 20 * MINUTE
    await everything(compaction)
    await check()
    if (!isKilled) break
    if (isDone) at = counted.calls + 1
    isDone = !isDone
  }
  t.ok(at > 12, `${at} steps`)
  t.same(asSorted(await readAll(await opened.reopen())), asStored(pushed), 'from files alone')
})

t.test('a compaction between any two calls of a reader neither hides a line nor doubles it', async (t) => {
  for (const killer of ['buckets', 'state', 'days', 'query', 'getRange', 'get']) {
    let before = async (_call: string): Promise<void> => undefined
    const opened = open(t, { beforeRead: (call) => before(call) })
    const { compaction, pushed } = opened
    await pushBoth(opened)
    await everything(compaction)
    await pushBoth(opened)
    let calls = 0
    before = async (call) => {
      if (call !== killer || calls++ > 2) return
      await everything(compaction)
    }
    t.same(asSorted(await readAll(opened.store)), asStored(pushed), `before ${killer}`)
    t.ok(calls > 0, `${killer} is called`)
    before = async () => undefined
    t.same(asSorted(await readAll(await opened.reopen())), asStored(pushed), 'afterwards')
  }
})

t.test('of two compactors that seal the same, one wins', async (t) => {
  const opened = open(t)
  const { compaction, pushed } = opened
  for (let i = 0; i < 3; i++) await pushBoth(opened)
  let arrived = 0
  let open2: () => void = () => undefined
  const both = new Promise<void>((resolve) => {
    open2 = resolve
  })
  // Both have built their files before either commits.
  const atCommit = withSteps(compaction.manifest, async (call) => {
    if (call !== 'commit') return
    if (++arrived === 2) open2()
    await both
  })
  const work = { ...compaction, manifest: atCommit }
  await Promise.all([compactArrivals(work), compactArrivals(work)])
  t.same(asSorted(await readAll(opened.store)), asStored(pushed))
  const { Contents = [] } = await services.s3.listObjectsV2({ Bucket: BUCKET, Prefix: `${opened.prefix}parquet/` })
  const days = (await Promise.all([0, 1, 2].map((bucket) => compaction.manifest.days(bucket)))).flat()
  t.same(Contents.map(({ Key }) => Key).sort(), days.flatMap(({ files }) => files.map(({ key }) => key)).sort())
})

t.test('an object that cannot be read costs only its own lines, and is kept', async (t) => {
  const opened = open(t)
  const { compaction, pushed, prefix, push } = opened
  await push(20_000)
  const { Contents = [] } = await services.s3.listObjectsV2({ Bucket: BUCKET, Prefix: `${prefix}l0/` })
  t.equal(Contents.length, 1)
  await services.s3.putObject({ Bucket: BUCKET, Key: Contents[0]?.Key, Body: Buffer.from('broken') })
  pushed.splice(0)
  await pushBoth(opened)
  await everything(compaction)
  t.same(asSorted(await readAll(opened.store)), asStored(pushed))
  const bad = await services.s3.listObjectsV2({ Bucket: BUCKET, Prefix: `${prefix}bad/fake/` })
  t.equal(bad.Contents?.length, 1)
})

t.test(
  'files of an hour and of a day become one, and what they replace is deleted after the longest query',
  async (t) => {
    const opened = open(t)
    const { compaction, clock, pushed } = opened
    const filesOf = async () =>
      (await Promise.all([0, 1, 2].map((bucket) => compaction.manifest.days(bucket))))
        .flat()
        .map(({ files }) => files.length)
    for (let i = 0; i < 4; i++) {
      await pushBoth(opened)
      await everything(compaction)
    }
    t.ok((await filesOf()).some((count) => count > 1))
    for (let i = 0; i < 30; i++) {
      clock.ms += 60 * MINUTE
      await everything(compaction)
    }
    t.ok(
      (await filesOf()).every((count) => count <= 1),
      (await filesOf()).join(),
    )
    const { Contents = [] } = await services.s3.listObjectsV2({ Bucket: BUCKET, Prefix: `${opened.prefix}parquet/` })
    t.equal(
      Contents.length,
      (await filesOf()).reduce((a, b) => a + b),
      'nothing else is left',
    )
    t.same(asSorted(await readAll(await opened.reopen())), asStored(pushed))
  },
)

t.test('days beyond the retention go, and no others', async (t) => {
  const opened = open(t)
  const { compaction, clock, pushed } = opened
  await pushBoth(opened)
  await everything(compaction)
  clock.ms += 5 * 86_400_000
  const old = pushed.splice(0).length
  t.ok(old > 0)
  await pushBoth(opened)
  await everything({ ...compaction, retentionMs: 3 * 86_400_000 })
  t.same(asSorted(await readAll(await opened.reopen())), asStored(pushed))
  clock.ms += 20 * MINUTE
  await everything({ ...compaction, retentionMs: 3 * 86_400_000 })
  const { Contents = [] } = await services.s3.listObjectsV2({ Bucket: BUCKET, Prefix: `${opened.prefix}parquet/` })
  t.equal(Contents.length, 2, 'of two tenants in two buckets')
})

t.test('a bucket whose arrivals cannot be sealed holds up no other, and shows how far behind it is', async (t) => {
  const clock = new FixedClock()
  const opened = openAwsStore(services, t, clock, { ...CONTRACT_SETTINGS, path: 'direct' })
  const tenants = Array.from({ length: 12 }, (_, i) => `tenant-${i}`)
  for (const tenant of tenants) {
    const streams = [{ labels: { app: tenant }, entries: [{ ns: clock.nowNs, line: tenant }] }]
    await opened.store.append(makeBatch(streams, openAdmission(clock, tenant)))
  }
  clock.ms += SPAN + 4 * MINUTE
  const work = opened.compaction
  const sealed: number[] = []
  let behind = 0
  const failing: CompactionWork = {
    ...work,
    arrivals: {
      gather: async (bucket, range) => {
        if (bucket === 0) throw new Error('DynamoDB does not answer')
        return work.arrivals.gather(bucket, range)
      },
    },
    reports: {
      ...work.reports,
      sealed: ({ bucket }) => void sealed.push(bucket),
      behind: (ms) => {
        behind = ms
      },
    },
  }
  await t.rejects(compactArrivals(failing), /does not answer/)
  t.strictSame([...new Set(sealed)].sort(), [1, 2])
  t.ok(behind > SPAN)
  await compactArrivals({ ...failing, arrivals: work.arrivals })
  t.ok(behind < SPAN, 'nothing is behind but the ten minutes that are not over')
})

t.test('a trace is found by the filters of files, and an absent one loads no lines', async (t) => {
  const calls: string[] = []
  const clock = new FixedClock()
  const opened = openAwsStore(services, t, clock, {
    ...CONTRACT_SETTINGS,
    path: 'direct',
    beforeRead: async (call) => void calls.push(call),
  })
  const random = new Random(3)
  const pushed: PlainStream[] = []
  for (let day = 0; day < 3; day++) {
    const entries = Array.from({ length: 200 }, (_, i) => ({
      ns: clock.nowNs + BigInt(i),
      line: `${day} ${i}`,
      metadata: i % 3 === 0 ? {} : { trace_id: i % 50 === 1 ? 'shared' : random.hex(32) },
    }))
    const streams = [{ labels: { app: 'a' }, entries }]
    pushed.push(...streams)
    await opened.store.append(makeBatch(streams, openAdmission(clock)))
    clock.ms += 86_400_000
    await everything(opened.compaction)
  }
  const linesOf = async (traceId: string) => {
    calls.length = 0
    const store = await opened.reopen()
    return (await readAll(store, { traceId })).map(({ line }) => line)
  }
  for (const { entries } of pushed) {
    for (const { line, metadata } of entries.slice(0, 20)) {
      const id = (metadata as { trace_id?: string }).trace_id
      if (id !== undefined) t.ok((await linesOf(id)).includes(line), `${id}: ${line}`)
    }
  }
  t.strictSame(await linesOf('absent'), [])
  t.equal(calls.filter((call) => call === 'getRange').length, 6, 'an index and its filters for each of three files')
  const labelled = [{ labels: { app: 'b', trace_id: 'label' }, entries: [{ ns: clock.nowNs, line: 'of a label' }] }]
  const reopened = await opened.reopen()
  await reopened.append(makeBatch(labelled, openAdmission(clock)))
  clock.ms += SPAN + 4 * MINUTE
  await everything(opened.compaction)
  t.ok((await linesOf('label')).includes('of a label'), 'a label of the stream has no filter')
})

t.test(
  'rows spread by throttles are read and compacted whole, and later rows are on one partition again',
  async (t) => {
    let queries = 0
    let isThrottled = true
    const opened = open(t, {
      beforeRead: async (call) => {
        if (call === 'query') queries++
      },
      beforeRow: async (shards) => {
        if (isThrottled && shards === 1) throw new GatewayError('overloaded', 'throttled')
      },
    })
    const { clock, push, pushed, compaction } = opened
    const begin = Math.ceil(clock.ms / SPAN) * SPAN
    for (clock.ms = begin; clock.ms < begin + SPAN; clock.ms += MINUTE) await push(10)
    isThrottled = false
    const queriesOfRead = async (): Promise<number> => {
      queries = 0
      t.same(asSorted(await readAll(opened.store)), asStored(pushed))
      return queries
    }
    const spread = await queriesOfRead()
    t.ok(spread >= 8, `${spread} queries`)
    clock.ms = begin + 70 * MINUTE
    await push(10)
    clock.ms += 4 * MINUTE
    await everything(compaction)
    const quiet = await queriesOfRead()
    t.ok(quiet <= 3, `${quiet} queries an hour later`)
    clock.ms += SPAN
    await everything(compaction)
    t.same(asSorted(await readAll(await opened.reopen())), asStored(pushed), 'compacted')
  },
)
