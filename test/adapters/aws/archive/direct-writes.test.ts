import t from 'tap'
import type { ArrivedRow } from '../../../../src/adapters/aws/archive/arrived-rows.ts'
import { DirectWrites, INLINE_BYTES_MAX } from '../../../../src/adapters/aws/archive/direct-writes.ts'
import { raisedAt, type ShardRaise } from '../../../../src/adapters/aws/archive/row-shards.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { SPAN_MS, spanOf } from '../../../../src/protocol/archive/archive-place.ts'
import { FixedClock, makeBatch, openAdmission } from '../../../support/helper.ts'
import { Random } from '../../../support/random.ts'

const HOUR_MS = 3600_000

interface PutRow extends ArrivedRow {
  readonly arrivedMs: number
  readonly shards: number
}

function open() {
  const clock = new FixedClock()
  const random = new Random(3)
  const calls: string[] = []
  const rows: PutRow[] = []
  const objects = new Map<string, Uint8Array>()
  let raises: readonly ShardRaise[] = []
  const services = {
    calls,
    rows,
    objects,
    /** Called before a row is stored; may throw. */
    beforeRow: async (_row: PutRow): Promise<void> => undefined,
  }
  const writes = new DirectWrites(
    {
      clock,
      bucket: {
        put: async (key, body) => {
          calls.push('object')
          objects.set(key, body)
        },
      },
      rows: {
        put: async (row, place, arrivedMs) => {
          const put = { ...row, arrivedMs, shards: place.shards }
          await services.beforeRow(put)
          calls.push('row')
          rows.push(put)
        },
      },
      manifest: {
        ensureBuckets: async () => 1,
        ensureState: async () => ({ sealed: 0, raises }),
        raiseShards: async (_bucket, span) => (raises = raisedAt(raises, { span, sealed: span - 2 })),
      },
    },
    'logs/',
  )
  const push = async (bytes: number, count = 1): Promise<void> => {
    const entries = Array.from({ length: count }, (_, i) => ({ ns: clock.nowNs + BigInt(i), line: random.hex(bytes) }))
    const batch = makeBatch([{ labels: { app: 'a' }, entries }], openAdmission(clock))
    await writes.write(writes.plan(batch, new Set()), 'push', clock.ms)
  }
  return { clock, services, push }
}

t.test('a small push is one row with its block, a large one an object and then its row', async (t) => {
  const { services, push, clock } = open()
  await push(100)
  t.same(services.calls, ['row'])
  t.match(services.rows[0], { tenant: 'fake', entries: 1, oldest: clock.nowNs, newest: clock.nowNs, shards: 1 })
  t.ok('block' in (services.rows[0]?.content ?? {}))
  await push(2 * INLINE_BYTES_MAX, 2)
  t.same(services.calls, ['row', 'object', 'row'])
  const [[key, body] = ['', new Uint8Array(0)]] = services.objects
  t.match(key, new RegExp(`^logs/l0/${spanOf(clock.ms)}/0/fake/\\d+_\\d+_[0-9a-f]{32}\\.ndjson\\.zst$`))
  t.match(services.rows[1], { entries: 2, content: { key, bytes: body.length }, newest: clock.nowNs + 1n })
})

t.test('a push of many megabytes is several objects, each with a row', async (t) => {
  const { services, push } = open()
  await push(200_000, 60)
  t.equal(services.objects.size, 2)
  t.equal(
    services.rows.reduce((sum, { entries }) => sum + entries, 0),
    60,
  )
})

t.test('a row that became durable after its ten minutes were over is stored again in the present', async (t) => {
  const { services, push, clock } = open()
  const first = spanOf(clock.ms)
  services.beforeRow = async ({ arrivedMs }) => {
    if (spanOf(arrivedMs) === first) clock.ms += SPAN_MS + 120_000
  }
  await push(10)
  t.equal(services.rows.length, 2)
  t.ok(spanOf(services.rows[1]?.arrivedMs ?? 0) > first)
  t.equal(services.rows[0]?.hash, services.rows[1]?.hash)
})

t.test('a throttled row is spread over more partitions, and later ones too, until it has been quiet', async (t) => {
  const { services, push, clock } = open()
  const shards = () => services.rows.map((row) => row.shards)
  services.beforeRow = async ({ shards }) => {
    if (shards < 32) throw new GatewayError('overloaded', 'throttled')
  }
  await push(10)
  await push(11)
  t.same(shards(), [32, 32])
  services.beforeRow = async () => undefined
  clock.ms += HOUR_MS
  await push(10)
  clock.ms += HOUR_MS
  await push(10)
  t.same(shards(), [32, 32, 8, 1], 'a step fewer for each hour without a throttle')
  services.beforeRow = async () => {
    throw new GatewayError('overloaded', 'throttled')
  }
  await t.rejects(push(12), { code: 'overloaded' }, 'in the end the client is asked to wait')
})

t.test('a failed object leaves no row, and a failed row rejects the push', async (t) => {
  const { services, push } = open()
  services.objects.set = () => {
    throw new GatewayError('store_unavailable', 'no')
  }
  await t.rejects(push(2 * INLINE_BYTES_MAX), { code: 'store_unavailable' })
  t.equal(services.rows.length, 0)
  services.beforeRow = async () => {
    throw new GatewayError('store_unavailable', 'no')
  }
  await t.rejects(push(10), { code: 'store_unavailable' })
})
