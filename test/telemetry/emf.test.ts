import t from 'tap'
import { EmfReporter, gatewayTotals, type Total } from '../../src/telemetry/emf.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { FixedClock } from '../support/helper.ts'

/** A reporter of totals that a test sets, and its written lines. */
function makeReporter(totals: Total[]) {
  const clock = new FixedClock()
  const lines: string[] = []
  const reporter = new EmfReporter({
    namespace: 'Millrace',
    service: 'worker',
    clock,
    readTotals: async () => totals.map((total) => ({ ...total })),
    write: (line) => lines.push(line),
  })
  const written = () => lines.splice(0).map((line) => JSON.parse(line) as Record<string, unknown>)
  return { clock, lines, reporter, written }
}

const count = (name: string, value: number): Total => ({ name, unit: 'Count', value })

t.test('writes one line in the embedded metric format, without dimensions', async (t) => {
  const totals: Total[] = [count('ProcessedLogCount', 3), { name: 'ProcessedBytes', unit: 'Bytes', value: 120 }]
  const { clock, lines, reporter } = makeReporter(totals)
  await reporter.report()
  t.equal(lines.length, 1)
  t.ok(lines[0]?.endsWith('}\n'))
  t.same(JSON.parse(lines[0] ?? ''), {
    _aws: {
      Timestamp: clock.ms,
      CloudWatchMetrics: [
        {
          Namespace: 'Millrace',
          Dimensions: [[]],
          Metrics: [
            { Name: 'ProcessedLogCount', Unit: 'Count' },
            { Name: 'ProcessedBytes', Unit: 'Bytes' },
          ],
        },
      ],
    },
    service: 'worker',
    ProcessedLogCount: 3,
    ProcessedBytes: 120,
  })
})

t.test('reports by how much the totals rose, and nothing if they did not', async (t) => {
  const totals = [count('a', 0), count('b', 1)]
  const { clock, reporter, written } = makeReporter(totals)
  await reporter.report()
  t.match(written(), [{ b: 1 }])
  clock.ms += 60_000
  await reporter.report()
  t.same(written(), [])
  totals[0] = count('a', 4)
  await reporter.report()
  const [line] = written()
  t.match(line, { a: 4 })
  t.notOk(line !== undefined && 'b' in line)
})

t.test('waits for ten seconds or a count of a thousand, and then reports everything', async (t) => {
  const totals = [count('a', 1)]
  const { clock, reporter, written } = makeReporter(totals)
  await reporter.report()
  t.match(written(), [{ a: 1 }])
  totals[0] = count('a', 1000)
  await reporter.report()
  t.same(written(), [], 'too soon')
  totals[0] = count('a', 1001)
  await reporter.report()
  t.match(written(), [{ a: 1000 }])
  totals[0] = count('a', 1002)
  clock.ms += 10_000
  await reporter.report()
  t.match(written(), [{ a: 1 }])
})

t.test('flush reports the rest at any time', async (t) => {
  const totals = [count('a', 1)]
  const { reporter, written } = makeReporter(totals)
  await reporter.report()
  totals[0] = count('a', 2)
  await reporter.flush()
  t.match(written(), [{ a: 1 }, { a: 1 }])
})

t.test('concurrent reports count nothing twice', async (t) => {
  const { reporter, written } = makeReporter([count('a', 5000)])
  await Promise.all([reporter.report(), reporter.flush(), reporter.report()])
  t.match(written(), [{ a: 5000 }])
})

t.test('puts at most a hundred metrics into a line, and the rest into the next', async (t) => {
  const { reporter, written } = makeReporter(Array.from({ length: 150 }, (_, index) => count(`m${index}`, 1)))
  await reporter.flush()
  await reporter.flush()
  t.same(
    written().map((line) => Object.keys(line).length - 2),
    [100, 50],
  )
})

t.test('the totals are the Prometheus counters, with rejected entries by reason', async (t) => {
  const metrics = new Metrics()
  metrics.accepted.inc({ protocol: 'logs' }, 2)
  metrics.accepted.inc({ protocol: 'otlp' }, 3)
  metrics.lineBytes.inc({ protocol: 'otlp' }, 70)
  metrics.refused.inc({ reason: 'line_too_long' }, 4)
  metrics.refused.inc({ reason: 'out_of_order' }, 1)
  metrics.errors.inc({ code: 'entries_refused' })
  const totals = await gatewayTotals(metrics)()
  t.same(Object.fromEntries(totals.map(({ name, value }) => [name, value])), {
    IngestedLogCount: 5,
    IngestedBytes: 70,
    IngestedBodyBytes: 0,
    DuplicateLogCount: 0,
    DroppedLogCount: 0,
    RejectedLogCount: 5,
    ErrorCount: 1,
    StoreFailureCount: 0,
    UserRefreshFailureCount: 0,
    RejectedLogCount_line_too_long: 4,
    RejectedLogCount_out_of_order: 1,
  })
})

t.test('a gauge is written as it is, when it changed', async (t) => {
  const totals: Total[] = [{ name: 'behind', unit: 'Seconds', value: 60, isGauge: true }]
  const { clock, reporter, written } = makeReporter(totals)
  const values: (unknown[] | undefined)[] = []
  for (const value of [60, 60, 30, 0]) {
    totals[0] = { name: 'behind', unit: 'Seconds', value, isGauge: true }
    clock.ms += 60_000
    await reporter.report()
    values.push(written().map(({ behind }) => behind))
  }
  t.strictSame(values, [[60], [], [30], [0]])
})
