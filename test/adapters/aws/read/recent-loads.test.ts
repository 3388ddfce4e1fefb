import fc from 'fast-check'
import t from 'tap'
import type { ArchiveReader } from '../../../../src/adapters/aws/read/archive-reader.ts'
import { SHARDS } from '../../../../src/adapters/aws/recent-items.ts'
import { msToNs } from '../../../../src/domain/time.ts'
import type { LogStore } from '../../../../src/ports/log-store.ts'
import { readAll } from '../../../support/helper.ts'
import { Random } from '../../../support/random.ts'
import { Archive } from '../archive.ts'

const MINUTE = 60_000
const HOUR = 3600_000

/** Lines of the last `agoMs`, and of the future. */
const linesSince = async (archive: Archive, reader: ArchiveReader, agoMs: number): Promise<string[]> => {
  const start = msToNs(archive.clock.ms - agoMs)
  const end = msToNs(archive.clock.ms + HOUR)
  return (await readAll(reader as unknown as LogStore, { start, end })).map(({ line }) => line).sort()
}

/** An item of one line with the current time, stamped by a clock that is off by `skewMs`. */
const accept = (archive: Archive, line: string, skewMs = 0): Promise<void> =>
  archive.accept(
    archive.batch([{ labels: { app: 'a' }, entries: [{ ns: archive.clock.nowNs, line }] }]),
    archive.clock.ms + skewMs,
  )

t.test('a read of the last minutes requests only these, and a longer one the rest', async (t) => {
  const archive = new Archive(t)
  for (let i = 50; i >= 0; i -= 10) {
    await accept(archive, `${i}`)
    archive.clock.ms += 10 * MINUTE
  }
  const reader = archive.reader()
  // Each line came ten minutes before the next: the newest ten minutes ago.
  t.same(await linesSince(archive, reader, 15 * MINUTE), ['0'])
  t.ok(archive.items.queries <= 5 * SHARDS, `${archive.items.queries} queries`)
  t.same(await linesSince(archive, reader, 55 * MINUTE), ['0', '10', '20', '30', '40'])
  const { queries } = archive.items
  t.same(await linesSince(archive, reader, 55 * MINUTE), ['0', '10', '20', '30', '40'])
  t.ok(archive.items.queries - queries <= 2 * SHARDS, 'only new items are requested')
})

t.test('after a pause a read of the last minutes skips what arrived in between', async (t) => {
  const archive = new Archive(t)
  const reader = archive.reader()
  await accept(archive, 'before')
  t.same(await linesSince(archive, reader, MINUTE), ['before'])
  archive.clock.ms += 25 * MINUTE
  await accept(archive, 'meanwhile')
  archive.clock.ms += 25 * MINUTE
  await accept(archive, 'now')
  const { queries } = archive.items
  t.same(await linesSince(archive, reader, MINUTE), ['now'])
  t.ok(archive.items.queries - queries <= 3 * SHARDS)
  t.same(await linesSince(archive, reader, 55 * MINUTE), ['before', 'meanwhile', 'now'])
})

for (const skewMs of [-2 * MINUTE, 2 * MINUTE]) {
  t.test(`an item is seen immediately, even if its clock is off by ${skewMs} ms`, async (t) => {
    const archive = new Archive(t)
    const reader = archive.reader()
    for (let i = 0; i < 6; i++) {
      await accept(archive, `${i}`, skewMs)
      t.same((await linesSince(archive, reader, HOUR)).length, i + 1)
      archive.clock.ms += 37_000
    }
  })
}

t.test('more than the limit of a query is rejected, and a shorter range is not', async (t) => {
  const archive = new Archive(t)
  const random = new Random(6)
  for (let i = 0; i < 4; i++) {
    await accept(archive, random.hex(20_000))
    archive.clock.ms += 14 * MINUTE
  }
  const reader = archive.reader({ queryBytesMax: 25_000 })
  const refusal = { code: 'query_refused', message: /larger than 25000 bytes.*narrow its time range/ }
  await t.rejects(linesSince(archive, reader, 58 * MINUTE), refusal)
  t.equal((await linesSince(archive, reader, 15 * MINUTE)).length, 1)
  const wideAndNarrow = await Promise.allSettled([
    linesSince(archive, reader, 58 * MINUTE),
    linesSince(archive, reader, 15 * MINUTE),
  ])
  t.match(wideAndNarrow, [{ status: 'rejected', reason: refusal }, { status: 'fulfilled' }], 'nor beside it')
})

t.test('a read sees its complete range, whatever was read before or concurrently', async () => {
  const step = fc.record({
    pauseMs: fc.constantFrom(0, 1000, 5 * MINUTE, 20 * MINUTE),
    reads: fc.array(fc.integer({ min: 1, max: 58 }), { maxLength: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      const archive = new Archive(t)
      const reader = archive.reader()
      const written: { line: string; ms: number }[] = []
      for (const { pauseMs, reads } of steps) {
        archive.clock.ms += pauseMs
        written.push({ line: `${written.length}`, ms: archive.clock.ms })
        await accept(archive, `${written.length - 1}`)
        const found = await Promise.all(reads.map((minutes) => linesSince(archive, reader, minutes * MINUTE)))
        for (const [i, minutes] of reads.entries()) {
          const wanted = written.filter(({ ms }) => ms >= archive.clock.ms - minutes * MINUTE)
          t.same(found[i], wanted.map(({ line }) => line).sort())
        }
      }
      await reader.close()
    }),
    { numRuns: 25 },
  )
})
