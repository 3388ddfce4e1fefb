import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  PACKED_BYTES_MAX,
  packRecentBlock,
  packRecentBlocks,
  unpackRecentBlock,
} from '../../../src/adapters/aws/recent-block.ts'
import {
  BUCKET_MS,
  type ItemClient,
  type RecentItem,
  RecentItems,
  SHARDS,
  sortKeyAt,
} from '../../../src/adapters/aws/recent-items.ts'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { type Block, timeRange } from '../../../src/domain/entries/block.ts'
import { batchOfBlock, buildBlocks } from '../../../src/domain/entries/block-builder.ts'
import { orderEntries } from '../../../src/domain/entries/entry-order.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { contentHash } from '../../../src/protocol/archive/archive-names.ts'
import { plainStreams, textsOf } from '../../protocol/archive/archive-batches.ts'
import { FixedClock, makeBatch, openAdmission } from '../../support/helper.ts'
import { Random } from '../../support/random.ts'
import { openTable, TABLE } from './items.ts'
import { awsError } from './stepped-pacing.ts'

const HOUR_MS = 3600_000
const clock = new FixedClock()

const batchOf = (...lines: string[]): Batch =>
  makeBatch(
    [{ labels: { app: 'a' }, entries: lines.map((line, i) => ({ ns: BigInt(i), line })) }],
    openAdmission(clock),
  )

function blockOf(batch: Batch): Block {
  return buildBlocks(orderEntries([batch]), 2 ** 20)[0] as Block
}

async function open(t: Test) {
  const table = await openTable(t)
  const items = new RecentItems(async () => table, TABLE, HOUR_MS)
  const put = async (lines: string[], arrivedMs: number, tenant = 'fake', part = 0) => {
    const block = blockOf(batchOf(...lines))
    return items.put({ tenant, part, packed: await packRecentBlock(block), ...timeRange(block) }, arrivedMs)
  }
  /** All shards of a bucket, by sort key. */
  const read = async (bucketMs: number, after?: string, tenant = 'fake', nowMs = clock.ms) => {
    const found: RecentItem[] = []
    for (let shard = 0; shard < SHARDS; shard++) {
      const query = { tenant, bucketMs, shard, ...(after !== undefined && { after }) }
      for await (const item of items.query(query, nowMs)) found.push(item)
    }
    return found.sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1))
  }
  const linesOf = (found: readonly RecentItem[]) => found.map((item) => Buffer.from(item.decode().text).toString())
  return { items, put, read, linesOf }
}

t.test('an item is found in the bucket of its arrival, with its times', async (t) => {
  const { put, read, linesOf } = await open(t)
  const bucketMs = Math.floor(clock.ms / BUCKET_MS) * BUCKET_MS
  await put(['a', 'b'], bucketMs)
  await put(['c'], bucketMs + BUCKET_MS - 1)
  await put(['d'], bucketMs + BUCKET_MS)
  const found = await read(bucketMs + 5)
  t.same(linesOf(found), ['ab', 'c'])
  t.match(found, [
    { arrivedMs: bucketMs, oldest: 0n, newest: 1n },
    { arrivedMs: bucketMs + BUCKET_MS - 1, oldest: 0n, newest: 0n },
  ])
  t.same(linesOf(await read(bucketMs + BUCKET_MS)), ['d'])
  t.same(await read(bucketMs, undefined, 'other'), [])
})

t.test('a query can start after a sort key, or at a time', async (t) => {
  const { put, read, linesOf } = await open(t)
  for (const [i, line] of ['a', 'b', 'c'].entries()) await put([line], clock.ms + i)
  const [first] = await read(clock.ms)
  t.same(linesOf(await read(clock.ms, first?.sortKey)), ['b', 'c'])
  t.same(linesOf(await read(clock.ms, sortKeyAt(clock.ms + 1))), ['b', 'c'])
  t.same(linesOf(await read(clock.ms, sortKeyAt(clock.ms + 3))), [])
})

t.test('the same block at the same time is one item', async (t) => {
  const { put, read } = await open(t)
  await put(['a'], clock.ms)
  await put(['a'], clock.ms)
  t.equal((await read(clock.ms)).length, 1)
})

t.test('the parts of one append keep their order', async (t) => {
  const { put, read, linesOf } = await open(t)
  const lines = Array.from({ length: 12 }, (_, i) => `part ${i}`)
  for (const [part, line] of lines.entries()) await put([line], clock.ms, 'fake', part)
  t.same(linesOf(await read(clock.ms)), lines)
})

t.test('expired items are skipped, even if they still exist', async (t) => {
  const { put, read } = await open(t)
  await put(['a'], clock.ms)
  t.equal((await read(clock.ms, undefined, 'fake', clock.ms + HOUR_MS - 1)).length, 1)
  t.equal((await read(clock.ms, undefined, 'fake', clock.ms + HOUR_MS)).length, 0)
})

t.test('more than a page of items is read', async (t) => {
  const { items, read } = await open(t)
  const random = new Random(1)
  const blocks = Array.from({ length: 24 }, () => blockOf(batchOf(random.hex(600_000))))
  for (const [i, block] of blocks.entries()) {
    const packed = await packRecentBlock(block)
    t.ok(packed.length > 200_000 && packed.length <= PACKED_BYTES_MAX)
    await items.put({ tenant: 'fake', part: 0, packed, ...timeRange(block) }, clock.ms + i)
  }
  const textOf = ({ text }: Block) => contentHash(text)
  t.same(
    (await read(clock.ms)).map((item) => textOf(item.decode())),
    blocks.map(textOf),
  )
})

t.test('errors of the table are overloaded or store_unavailable', async (t) => {
  const open = (error: Error) => {
    const refuse = () => Promise.reject(error)
    const client: ItemClient = { put: refuse, query: refuse }
    return new RecentItems(async () => client, TABLE, HOUR_MS)
  }
  const block = { tenant: 'fake', part: 0, packed: new Uint8Array(1), oldest: 0n, newest: 0n }
  const throttled = open(awsError('ProvisionedThroughputExceededException'))
  await t.rejects(throttled.put(block, 0), { code: 'overloaded' })
  const missing = open(awsError('ResourceNotFoundException'))
  await t.rejects(missing.put(block, 0), { code: 'store_unavailable' })
  await t.rejects(missing.query({ tenant: 'fake', bucketMs: 0, shard: 0 }, 0).next(), { code: 'store_unavailable' })
})

t.test('unpacking gives back what was packed', async () => {
  await fc.assert(
    fc.asyncProperty(plainStreams, async (streams) => {
      const batch = makeBatch(streams, openAdmission(clock))
      const packs = await packRecentBlocks(orderEntries([batch]), 200)
      const found = packs.map(({ packed }) => batchOfBlock('fake', unpackRecentBlock(packed)))
      t.same(textsOf(...found), textsOf(batch))
    }),
    { numRuns: 200 },
  )
})

t.test('any bytes unpack to a block or give store_damaged', async () => {
  const packed = await packRecentBlock(blockOf(batchOf('a line', 'another one')))
  const edited = fc
    .tuple(fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { maxLength: 3 }), fc.nat(packed.length))
    .map(([edits, length]) => {
      const bytes = Uint8Array.from(packed)
      for (const [at, byte] of edits) bytes[at] = byte
      return bytes.subarray(0, length)
    })
  fc.assert(
    fc.property(fc.oneof(edited, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        t.ok(unpackRecentBlock(bytes).count >= 0)
      } catch (error) {
        t.match(error, { code: 'store_damaged' })
        t.type(error, GatewayError)
      }
    }),
    { numRuns: 1000 },
  )
})
