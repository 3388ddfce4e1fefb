import t from 'tap'
import { formatLabels } from '../../../src/domain/labels.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import {
  arrivalKey,
  bucketOf,
  dayOfNs,
  fileKey,
  spanOf,
  startOfDay,
  streamIdOf,
} from '../../../src/protocol/archive/archive-place.ts'

t.test('a day is in UTC, also before 1970', async (t) => {
  const rows: [ns: bigint, day: string][] = [
    [0n, '1970-01-01'],
    [-1n, '1969-12-31'],
    [86_400_000_000_000n, '1970-01-02'],
    [86_399_999_999_999n, '1970-01-01'],
    [NS_MIN, '1677-09-21'],
    [NS_MAX, '2262-04-11'],
  ]
  for (const [ns, day] of rows) t.equal(dayOfNs(ns), day)
  t.equal(startOfDay('1970-01-02'), 86_400_000_000_000n)
  t.equal(startOfDay('no day'), undefined)
})

t.test('names contain the place', async (t) => {
  const range = { oldest: -1n, newest: 2n }
  const arrival = { tenant: 'a', bucket: 3, span: spanOf(1_200_001), range, content: 'cafe' }
  t.equal(arrivalKey('logs/', arrival), 'logs/l0/2/3/a/-1_2_cafe.ndjson.zst')
  t.equal(fileKey('logs/', '2026-11-29', 3, 'x'), 'logs/parquet/dt=2026-11-29/tb=3/x.parquet')
})

t.test('tenants are spread over buckets, always the same way', async (t) => {
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 400; i++) (counts[bucketOf(`tenant-${i}`, 4)] as number)++
  t.ok(
    counts.every((count) => count > 60),
    counts.join(),
  )
  t.equal(bucketOf('fake', 16), bucketOf('fake', 16))
  t.equal(bucketOf('fake', 1), 0)
})

t.test('streams of a service are adjacent, and other labels make another stream', async (t) => {
  const idOf = (labels: Record<string, string>) => {
    const list = Object.entries(labels).map(([name, value]) => ({ name, value }))
    return streamIdOf(list, formatLabels(list))
  }
  const [a, b, c] = [
    idOf({ pod: '1', service_name: 'shop' }),
    idOf({ pod: '2', service_name: 'shop' }),
    idOf({ pod: '1', service_name: 'bank' }),
  ]
  t.equal(a >> 48n, b >> 48n)
  t.not(a, b)
  t.not(a >> 48n, c >> 48n)
  t.equal(BigInt.asIntN(64, a), a, 'fits in 64 bits with a sign')
})
