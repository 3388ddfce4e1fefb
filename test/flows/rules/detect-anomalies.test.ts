import t, { type Test } from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { IncidentReport } from '../../../src/domain/incidents/incident.ts'
import { QUERY_LIMITS } from '../../../src/domain/limits.ts'
import { AnomalyDetector, type AnomalyParts } from '../../../src/flows/rules/detect-anomalies.ts'
import type { IncidentSink } from '../../../src/ports/incidents.ts'
import type { LogStore } from '../../../src/ports/log-store.ts'
import type { StateStore } from '../../../src/ports/rules.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../../support/helper.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

class MemoryStates implements StateStore {
  readonly texts = new Map<string, string>()

  async readCursor(name: string): Promise<string | undefined> {
    return this.texts.get(name)
  }

  async writeCursor(name: string, text: string): Promise<void> {
    this.texts.set(name, text)
  }
}

class RecordedIncidents implements IncidentSink {
  readonly raised: IncidentReport[] = []
  readonly resolved: string[] = []
  isDown = false

  async raise(report: IncidentReport): ReturnType<IncidentSink['raise']> {
    if (this.isDown) throw new GatewayError('store_unavailable', 'down')
    this.raised.push(report)
    return { tenant: report.tenant, id: '', counted: 1, transition: undefined }
  }

  async resolve({ key }: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>): Promise<void> {
    this.resolved.push(key)
  }
}

interface Bench {
  readonly clock: FixedClock
  readonly store: LogStore
  readonly states: MemoryStates
  readonly incidents: RecordedIncidents
  readonly failures: unknown[]
  detector: AnomalyDetector
  restart(changes?: Partial<AnomalyParts>): void
  /** Stores lines of a service in the current minute. */
  push(lines: Readonly<Record<string, number>>, level?: string): Promise<void>
  /** Advances by one and a half minutes, counts, and returns to the full minute. */
  minute(): Promise<void>
}

async function openBench(t: Test, changes: Partial<AnomalyParts> = {}): Promise<Bench> {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  const states = new MemoryStates()
  const incidents = new RecordedIncidents()
  const failures: unknown[] = []
  let lines = 0n
  const make = (more: Partial<AnomalyParts>): AnomalyDetector =>
    new AnomalyDetector({
      store,
      clock,
      states,
      incidents,
      limitsOf: () => QUERY_LIMITS,
      tenants: ['fake'],
      settings: { warmUpHours: 2, factor: 2, countMin: 30, seriesMax: 10 },
      catchUpMinutes: 2,
      signalAfter: () => new AbortController().signal,
      onFailure: (_tenant, cause) => failures.push(cause),
      ...changes,
      ...more,
    })
  const bench: Bench = {
    clock,
    store,
    states,
    incidents,
    failures,
    detector: make({}),
    restart: (more = {}) => {
      bench.detector = make(more)
    },
    push: async (counts, level = 'info') => {
      const streams = Object.entries(counts).map(([service, count]) => ({
        labels: { service_name: service },
        entries: Array.from({ length: count }, () => {
          lines++
          return { ns: clock.nowNs + 1000n + lines, line: `${lines}`, metadata: { detected_level: level } }
        }),
      }))
      await store.append(makeBatch(streams, openAdmission(clock)))
    },
    minute: async () => {
      clock.ms += MINUTE + MINUTE / 2
      await bench.detector.evaluateDue(clock.nowMs())
      clock.ms -= MINUTE / 2
    },
  }
  return bench
}

/** Three normal hours of two services. */
async function learn(bench: Bench): Promise<void> {
  for (let at = 0; at < 3 * HOUR; at += MINUTE) {
    await bench.push({ shop: 30, cart: 40 })
    await bench.minute()
  }
}

t.test('a burst opens one incident, and closes it when it ends', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  t.strictSame([bench.incidents.raised, bench.failures], [[], []])
  for (let minute = 0; minute < 10; minute++) {
    await bench.push({ shop: 300, cart: 40 })
    await bench.minute()
  }
  t.match(bench.incidents.raised, [
    {
      kind: 'anomaly',
      title: /^shop: more info lines than usual, 1\d{3} in 5 minutes instead of 15\d$/,
      severity: 'warn',
      query: '{service_name="shop"} | detected_level="info"',
      closesAfterMs: 25 * HOUR,
    },
  ])
  t.equal(bench.detector.figures.anomalies, 1)
  for (let minute = 0; minute < 20; minute++) {
    await bench.push({ shop: 30, cart: 40 })
    await bench.minute()
  }
  t.equal(bench.incidents.raised.length, 1)
  t.strictSame(bench.incidents.resolved, [bench.incidents.raised[0]?.key])
})

t.test('a clock that was a year ahead for a while does not stop the counting for a year', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  for (const restarts of [false, true]) {
    bench.clock.ms += 365 * 24 * HOUR
    await bench.minute()
    bench.clock.ms -= 365 * 24 * HOUR
    if (restarts) bench.restart()
    for (let minute = 0; minute < 8; minute++) {
      await bench.push({ shop: restarts ? 30 : 300, cart: 40 })
      await bench.minute()
    }
    t.equal(bench.incidents.raised.length, 1)
  }
  t.strictSame(bench.failures, [])
})

t.test('missing lines open an incident too', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  for (let minute = 0; minute < 5; minute++) {
    await bench.push({ cart: 40 })
    await bench.minute()
  }
  t.match(bench.incidents.raised, [{ title: /^shop: fewer info lines than usual, 0 in/ }])
})

t.test('the first errors of a known service are reported, the first lines of a new one are not', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  for (let minute = 0; minute < 5; minute++) {
    await bench.push({ shop: 30, cart: 40 })
    await bench.push({ shop: 50, fresh: 500 }, 'error')
    await bench.minute()
  }
  t.match(bench.incidents.raised, [{ title: /^shop: more error lines/, severity: 'error' }])
})

t.test('a restart, even during an anomaly, repeats and loses no report', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  bench.restart()
  for (let minute = 0; minute < 10; minute++) {
    await bench.push({ shop: 300, cart: 40 })
    await bench.minute()
    bench.restart()
  }
  t.equal(bench.incidents.raised.length, 1)
})

t.test('a failed report is retried in the next minute', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  bench.incidents.isDown = true
  for (let minute = 0; minute < 6; minute++) {
    await bench.push({ shop: 300, cart: 40 })
    await bench.minute()
  }
  t.ok(bench.failures.length > 0)
  bench.incidents.isDown = false
  bench.restart()
  await bench.push({ shop: 300, cart: 40 })
  await bench.minute()
  t.equal(bench.incidents.raised.length, 1)
})

t.test('a pause of the gateway does not count as silence of services', async (t) => {
  const bench = await openBench(t)
  await learn(bench)
  bench.clock.ms += 20 * MINUTE
  bench.restart()
  for (let minute = 0; minute < 10; minute++) {
    await bench.push({ shop: 30, cart: 40 })
    await bench.minute()
  }
  t.strictSame(bench.incidents.raised, [])
})

t.test('services beyond the limit are ignored, and counted', async (t) => {
  const bench = await openBench(t, { settings: { warmUpHours: 2, factor: 2, countMin: 30, seriesMax: 3 } })
  await bench.push(Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, 1])))
  await bench.minute()
  t.strictSame(bench.detector.figures, { series: 3, ignored: 2, anomalies: 0 })
})

t.test('a store failure is reported, and the next round continues', async (t) => {
  const bench = await openBench(t)
  const broken: Pick<LogStore, 'read'> = {
    // biome-ignore lint/correctness/useYield: it fails before the first result
    async *read() {
      throw new GatewayError('store_damaged', 'no')
    },
  }
  bench.restart({ store: broken as LogStore })
  await bench.minute()
  t.match(bench.failures, [{ code: 'store_damaged' }])
  bench.restart()
  await bench.push({ shop: 1 })
  await bench.minute()
  t.equal(bench.detector.figures.series, 1)
})

t.test('a missing state, or one of another version, is learned again', async (t) => {
  const bench = await openBench(t)
  bench.states.texts.set('anomalies/fake', '{"minute":1,"texts":3}')
  bench.states.texts.set('anomalies/fake/0', 'nonsense')
  bench.states.texts.set('anomalies/fake/1', '{"version":1,"minute":"x","series":[1,{"service":"a","level":"b"}]}')
  await bench.push({ shop: 1 })
  await bench.minute()
  t.strictSame([bench.failures, bench.detector.figures.series], [[], 1])
})
