import t from 'tap'
import { PUSH_LIMITS, type PushLimits } from '../../src/domain/limits.ts'
import { StreamGateKeeper } from '../../src/flows/stream-gate.ts'
import { FixedClock } from '../helper.ts'

const HOUR_MS = 3600_000

function gateWith(limits: Partial<PushLimits>): { gate: StreamGateKeeper; clock: FixedClock } {
  const clock = new FixedClock()
  return { gate: new StreamGateKeeper({ ...PUSH_LIMITS, ...limits }, clock), clock }
}

t.test('a tenant has so many active streams, and known ones go on', async (t) => {
  const { gate } = gateWith({ activeStreamsMax: 2 })
  t.ok(gate.admitStream('fake', 'a'))
  t.ok(gate.admitStream('fake', 'b'))
  t.notOk(gate.admitStream('fake', 'c'))
  t.ok(gate.admitStream('fake', 'a'))
  t.ok(gate.admitStream('__proto__', 'c'), 'another tenant has its own')
  t.equal(gate.activeStreams, 3)
})

t.test('a stream without a line for an hour makes room for another', async (t) => {
  const { gate, clock } = gateWith({ activeStreamsMax: 2 })
  gate.admitStream('fake', 'a')
  gate.admitStream('fake', 'b')
  clock.ms += HOUR_MS
  t.notOk(gate.admitStream('fake', 'c'))
  t.ok(gate.admitStream('fake', 'b'), 'b took a line')
  clock.ms += 60_000
  t.ok(gate.admitStream('fake', 'c'))
  t.notOk(gate.admitStream('fake', 'a'))
  t.equal(gate.activeStreams, 2)
})

t.test('idle streams are looked for once a minute, however many are refused', async (t) => {
  const { gate, clock } = gateWith({ activeStreamsMax: 1 })
  gate.admitStream('fake', 'a')
  clock.ms += HOUR_MS
  t.notOk(gate.admitStream('fake', 'b'), 'not idle yet, by a millisecond')
  clock.ms += 1
  t.notOk(gate.admitStream('fake', 'b'), 'looked for just now')
  clock.ms += 59_999
  t.ok(gate.admitStream('fake', 'b'))
})

t.test('a stream has its rate, for itself', async (t) => {
  const { gate, clock } = gateWith({ streamRate: { bytesPerSecond: 100, burstBytes: 200 } })
  for (const key of ['a', 'b']) gate.admitStream('fake', key)
  t.ok(gate.admitBytes('fake', 'a', 200))
  t.notOk(gate.admitBytes('fake', 'a', 1))
  t.ok(gate.admitBytes('fake', 'b', 200))
  clock.ms += 1000
  t.ok(gate.admitBytes('fake', 'a', 100))
  t.notOk(gate.admitBytes('fake', 'a', 1))
})

t.test('a tenant has its rate, for itself', async (t) => {
  const { gate, clock } = gateWith({ tenantRate: { bytesPerSecond: 100, burstBytes: 200 } })
  t.ok(gate.admitPush('fake', 150))
  t.notOk(gate.admitPush('fake', 51))
  t.ok(gate.admitPush('fake', 50))
  t.ok(gate.admitPush('other', 200))
  clock.ms += 500
  t.ok(gate.admitPush('fake', 50))
  t.notOk(gate.admitPush('fake', 1))
})

t.test('without rates everything passes', async (t) => {
  const { gate } = gateWith({})
  t.ok(gate.admitBytes('fake', 'a', 1e12))
  t.ok(gate.admitPush('fake', 1e12))
})
