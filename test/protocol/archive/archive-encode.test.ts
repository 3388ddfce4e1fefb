import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { encodeArchive } from '../../../src/protocol/archive/archive-encode.ts'
import { FixedClock, makeBatch, openAdmission } from '../../support/helper.ts'
import { Random } from '../../support/random.ts'
import { allEntries, decodeToBatches, plainStreams, textsOf } from './archive-batches.ts'

const clock = new FixedClock()

/** Lines of random digits, which compress to half of their size at best. */
function noisy(lines: number, length: number): Batch {
  const random = new Random(7)
  const entries = Array.from({ length: lines }, (_, i) => ({ ns: BigInt(1000 - i), line: random.hex(length) }))
  return makeBatch([{ labels: { app: 'a' }, entries }], openAdmission(clock))
}

function decodeMembers(members: readonly { bytes: Uint8Array }[]): Batch {
  const text = Buffer.concat(members.map(({ bytes }) => gunzipSync(bytes)))
  return decodeToBatches(text).batches.get('fake') as Batch
}

t.test('members stay within their limit, and have the number and times of their entries', async (t) => {
  const batch = noisy(1000, 200)
  const members = await encodeArchive(batch, allEntries(batch), { memberBytesMax: 20_000 })
  t.ok(members.length > 5)
  for (const { bytes, entries, oldest, newest } of members) {
    t.ok(bytes.length <= 20_000)
    const part = decodeMembers([{ bytes }])
    const times = [...part.timestamps.values.subarray(0, part.count)].sort((a, b) => Number(a - b))
    t.same([part.count, times[0], times.at(-1)], [entries, oldest, newest])
  }
  t.same(textsOf(decodeMembers(members)), textsOf(batch))
})

t.test('a member ends where its text is long enough', async (t) => {
  const batch = noisy(100, 200)
  const members = await encodeArchive(batch, allEntries(batch), { memberBytesMax: 1_000_000, textBytesMax: 5000 })
  t.ok(members.length > 5)
  for (const { textBytes } of members) t.ok(textBytes < 5000 + 500)
})

t.test('an entry that exceeds the limit is a separate member', async (t) => {
  const batch = noisy(3, 10_000)
  const members = await encodeArchive(batch, allEntries(batch), { memberBytesMax: 1000 })
  t.same(
    members.map(({ entries, bytes }) => [entries, bytes.length > 1000]),
    [
      [1, true],
      [1, true],
      [1, true],
    ],
  )
})

t.test('only the requested entries are encoded, in that order', async (t) => {
  const batch = noisy(10, 20)
  const [member] = await encodeArchive(batch, Uint32Array.of(7, 2), { memberBytesMax: 1_000_000 })
  const lines = gunzipSync(member?.bytes ?? '')
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).line)
  const lineOf = (i: number) => Buffer.from(batch.text.subarray(batch.starts[i], batch.ends[i])).toString()
  t.same(lines, [lineOf(7), lineOf(2)])
})

t.test('no entries make no members', async (t) => {
  t.same(await encodeArchive(noisy(1, 5), new Uint32Array(0), { memberBytesMax: 10 }), [])
})

t.test('concurrent encodings do not affect each other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plainStreams, { minLength: 2, maxLength: 6 }), async (pushes) => {
      const batches = pushes.map((streams) => makeBatch(streams, openAdmission(clock)))
      const all = await Promise.all(
        batches.map((batch) => encodeArchive(batch, allEntries(batch), { memberBytesMax: 300, textBytesMax: 500 })),
      )
      for (const [i, members] of all.entries()) t.same(textsOf(decodeMembers(members)), textsOf(batches[i] as Batch))
    }),
    { numRuns: 50 },
  )
})
