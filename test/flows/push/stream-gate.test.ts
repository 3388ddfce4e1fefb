import t from 'tap'
import { PUSH_LIMITS, type PushLimits } from '../../../src/domain/limits.ts'
import { StreamGateKeeper } from '../../../src/flows/push/stream-gate.ts'
import { FixedClock } from '../../support/helper.ts'

const HOUR_MS = 3600_000

function gateWith(limits: Partial<PushLimits>, bytesMax?: number): { gate: StreamGateKeeper; clock: FixedClock } {
  const clock = new FixedClock()
  return { gate: new StreamGateKeeper({ ...PUSH_LIMITS, ...limits }, clock, bytesMax), clock }
}

t.test('the number of active streams of a tenant is limited, and known ones are accepted', async (t) => {
  const { gate } = gateWith({ activeStreamsMax: 2 })
  t.equal(gate.admitStream('fake', 'a'), true)
  t.equal(gate.admitStream('fake', 'b'), true)
  t.equal(gate.admitStream('fake', 'c'), 'streams')
  t.equal(gate.admitStream('fake', 'a'), true)
  t.equal(gate.admitStream('__proto__', 'c'), true, 'another tenant has its own')
  t.equal(gate.activeStreams, 3)
})

t.test('a stream without a line for an hour no longer counts', async (t) => {
  const { gate, clock } = gateWith({ activeStreamsMax: 2 })
  gate.admitStream('fake', 'a')
  gate.admitStream('fake', 'b')
  clock.ms += HOUR_MS
  t.equal(gate.admitStream('fake', 'c'), 'streams')
  t.equal(gate.admitStream('fake', 'b'), true, 'b took a line')
  clock.ms += 60_000
  t.equal(gate.admitStream('fake', 'c'), true)
  t.equal(gate.admitStream('fake', 'a'), 'streams')
  t.equal(gate.activeStreams, 2)
})

t.test('idle streams are removed at most once a minute, however many are rejected', async (t) => {
  const { gate, clock } = gateWith({ activeStreamsMax: 1 })
  gate.admitStream('fake', 'a')
  clock.ms += HOUR_MS
  t.equal(gate.admitStream('fake', 'b'), 'streams', 'not idle yet, by a millisecond')
  clock.ms += 1
  t.equal(gate.admitStream('fake', 'b'), 'streams', 'looked for just now')
  clock.ms += 59_999
  t.equal(gate.admitStream('fake', 'b'), true)
})

t.test('each stream has its own rate', async (t) => {
  const { gate, clock } = gateWith({ streamRate: { bytesPerSecond: 100, burstBytes: 200 } })
  for (const key of ['a', 'b']) gate.admitStream('fake', key)
  t.ok(gate.admitBytes('fake', 'a', 200))
  t.notOk(gate.admitBytes('fake', 'a', 1))
  t.ok(gate.admitBytes('fake', 'b', 200))
  clock.ms += 1000
  t.ok(gate.admitBytes('fake', 'a', 100))
  t.notOk(gate.admitBytes('fake', 'a', 1))
})

t.test('each tenant has its own rate', async (t) => {
  const { gate, clock } = gateWith({ tenantRate: { bytesPerSecond: 100, burstBytes: 200 } })
  t.ok(gate.admitPush('fake', 150))
  t.notOk(gate.admitPush('fake', 51))
  t.ok(gate.admitPush('fake', 50))
  t.ok(gate.admitPush('other', 200))
  clock.ms += 500
  t.ok(gate.admitPush('fake', 50))
  t.notOk(gate.admitPush('fake', 1))
})

t.test('without rates everything is accepted', async (t) => {
  const { gate } = gateWith({})
  t.ok(gate.admitBytes('fake', 'a', 1e12))
  t.ok(gate.admitPush('fake', 1e12))
})

t.test('a clock that is set back by years keeps no stream active for years', async (t) => {
  const { gate, clock } = gateWith({ activeStreamsMax: 1 })
  gate.admitStream('fake', 'a')
  clock.ms -= 1000 * 24 * HOUR_MS
  t.equal(gate.admitStream('fake', 'b'), 'streams')
  clock.ms += HOUR_MS + 1
  t.equal(gate.admitStream('fake', 'b'), true)
  t.equal(gate.activeStreams, 1)
})

t.test('a tenant with its own limits is limited by those, and they can change', async (t) => {
  const { gate } = gateWith({ activeStreamsMax: 1, tenantRate: { bytesPerSecond: 100, burstBytes: 200 } })
  const own = { ...PUSH_LIMITS, activeStreamsMax: 2, streamRate: { bytesPerSecond: 1, burstBytes: 10 } }
  const bound = gate.withLimits(own)
  for (const key of ['a', 'b']) t.equal(bound.admitStream('own', key), true)
  t.equal(bound.admitStream('own', 'c'), 'streams')
  t.ok(bound.admitBytes('own', 'a', 10))
  t.notOk(bound.admitBytes('own', 'a', 1))
  t.ok(gate.admitPush('own', 1e9, own), 'no rate of the tenant’s own')
  t.notOk(gate.admitPush('fake', 201))
  const raised = { ...own, activeStreamsMax: 3, streamRate: { bytesPerSecond: 1, burstBytes: 50 } }
  t.equal(gate.withLimits(raised).admitStream('own', 'c'), true)
  t.ok(gate.withLimits(raised).admitBytes('own', 'b', 50))
  t.equal(gate.withLimits(own).admitStream('own', 'd'), 'streams')
})

t.test('a changed rate keeps the used tokens', async (t) => {
  const { gate, clock } = gateWith({})
  const withRate = (bytesPerSecond: number): PushLimits => {
    return { ...PUSH_LIMITS, tenantRate: { bytesPerSecond, burstBytes: 100 } }
  }
  t.ok(gate.admitPush('fake', 100, withRate(10)))
  t.notOk(gate.admitPush('fake', 1, withRate(20)))
  clock.ms += 1000
  t.ok(gate.admitPush('fake', 20, withRate(20)))
  t.notOk(gate.admitPush('fake', 1, withRate(20)))
})

t.test('the labels of the active streams of a tenant are limited', async (t) => {
  const { gate } = gateWith({ activeLabelBytesMax: 100 })
  t.equal(gate.admitStream('fake', 'a'.repeat(60)), true)
  t.equal(gate.admitStream('fake', 'b'.repeat(41)), 'label_bytes')
  t.equal(gate.admitStream('fake', 'b'.repeat(40)), true)
  t.equal(gate.admitStream('other', 'b'.repeat(41)), true)
})

t.test('one user with many tenants fills the memory, and others still begin streams', async (t) => {
  const { gate } = gateWith({}, 100 * 300)
  const key = (i: number): string => `${i}`.padEnd(100, '.')
  for (let i = 0; i < 90; i++) t.equal(gate.admitStream('large', key(i)), true)
  for (let i = 0; i < 10; i++) t.equal(gate.admitStream(`small-${i}`, key(0)), true)
  t.equal(gate.admitStream('large', key(90)), 'total_label_bytes', 'who has most gets no more')
  for (let i = 0; i < 5; i++) t.equal(gate.admitStream('new', key(i)), true)
  t.ok(gate.activeBytes <= 100 * 300, `${gate.activeBytes} bytes`)
  for (let i = 0; i < 10; i++) t.equal(gate.admitStream(`small-${i}`, key(0)), true, 'known or taken again')
  t.equal(gate.admitStream('large', key(89)), true, 'what was seen last is still known')
  for (let i = 0; i < 20_000; i++) gate.admitStream(`tenant-${i}`, key(0))
  t.equal(gate.admitStream('quiet', key(0)), true)
  t.ok(gate.activeBytes <= 100 * 300, `${gate.activeBytes} bytes`)
})
