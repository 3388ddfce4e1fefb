import fc from 'fast-check'
import t from 'tap'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import {
  contentHash,
  hourFolder,
  hourOfNs,
  objectKey,
  rangeOfName,
} from '../../../src/protocol/archive/archive-names.ts'

const TIMING = { lateAfterMs: 3600_000, bufferMsMax: 900_000 }
const ms = (text: string) => BigInt(Date.parse(text)) * 1_000_000n
const hash = contentHash(Buffer.from('content'))

t.test('the name of an object has the hour and the times of its entries', async (t) => {
  const range = { oldest: ms('2026-11-21T09:59:59.999Z') + 999_999n, newest: ms('2026-11-21T09:59:59.999Z') + 999_999n }
  const key = objectKey('logs/', 'late', range, hash)
  t.equal(key, `logs/2026/11/21/09/late_1795255199999999999_1795255199999999999_${hash}.gz`)
  t.same(rangeOfName(key, TIMING), range)
})

t.test('the range of our own names is exact, also before 1970', async (t) => {
  const ns = fc.bigInt({ min: NS_MIN, max: NS_MAX })
  fc.assert(
    fc.property(ns, ns, fc.constantFrom('late' as const, 'queue' as const), (a, b, kind) => {
      const range = a < b ? { oldest: a, newest: b } : { oldest: b, newest: a }
      t.same(rangeOfName(objectKey('a/b/', kind, range, hash), TIMING), range)
    }),
  )
})

const HOUR_ROWS: [ns: bigint, hour: number, folder: string][] = [
  [0n, 0, '1970/01/01/00/'],
  [-1n, -1, '1969/12/31/23/'],
  [-3_600_000_000_000n, -1, '1969/12/31/23/'],
  [-3_600_000_000_001n, -2, '1969/12/31/22/'],
  [3_599_999_999_999n, 0, '1970/01/01/00/'],
  [3_600_000_000_000n, 1, '1970/01/01/01/'],
  [ms('2028-02-29T23:30:00Z'), 509_855, '2028/02/29/23/'],
]
for (const [ns, hour, folder] of HOUR_ROWS) {
  t.test(`${ns} ns belongs to ${folder}`, async (t) => {
    t.equal(hourOfNs(ns), hour)
    t.equal(hourFolder(hour * 3600_000), folder)
  })
}

t.test("Firehose's name promises what could arrive while its buffer filled", async (t) => {
  const uuid = '7f53f355-0bef-4324-8ef7-27daad3e3662'
  for (const ending of ['', '.gz', '.parquet']) {
    const key = `logs/2026/11/21/14/my-stream-2-1-2026-11-21-14-46-39-${uuid}${ending}`
    t.same(rangeOfName(key, TIMING), {
      oldest: ms('2026-11-21T13:44:39Z'),
      newest: ms('2026-11-21T15:13:39Z'),
    })
  }
})

const FOREIGN_ROWS = [
  'logs/2026/11/21/14/',
  'logs/readme.txt',
  `logs/2026/11/21/14/late_5_${hash}.gz`,
  `logs/2026/11/21/14/late_9_5_${hash}.gz`,
  `logs/2026/11/21/14/soon_5_9_${hash}.gz`,
  `logs/2026/11/21/14/late_5_9_${hash.slice(1)}.gz`,
  'logs/2026/11/21/14/s-1-2026-13-41-14-46-39-7f53f355-0bef-4324-8ef7-27daad3e3662',
  'logs/2026/11/21/14/s-1-2026-11-21-14-46-39',
]
for (const key of FOREIGN_ROWS) {
  t.test(`${key} is not a name of the archive`, async (t) => t.equal(rangeOfName(key, TIMING), undefined))
}
