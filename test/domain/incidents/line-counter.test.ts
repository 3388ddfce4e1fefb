import fc from 'fast-check'
import t from 'tap'
import { type CountedLine, LineCounter } from '../../../src/domain/incidents/line-counter.ts'
import { KINDS_OF_SERVICE_MAX, KINDS_OF_TENANT_MAX } from '../../../src/domain/incidents/line-kinds.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream } from '../../support/helper.ts'

const RULES = { levelMin: 6, identityLabels: ['service_name'], closesAfterMs: 60_000 }
const clock = new FixedClock()
const letters = (i: number): string => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('')

function count(counter: LineCounter, streams: readonly PlainStream[], tenant = 'fake'): void {
  counter.countBatch(makeBatch(streams, { ...openAdmission(clock, tenant), discoverLevels: true }))
}

const stream = (service: string, lines: readonly string[]): PlainStream => ({
  labels: { service_name: service },
  entries: lines.map((line, i) => ({ ns: clock.nowNs + BigInt(i) * 1_000_000n, line })),
})

const taken = (counter: LineCounter) =>
  Object.fromEntries(counter.take(clock.ms).counts.map(({ tenant, title, count }) => [`${tenant} ${title}`, count]))

t.test('lines are counted by service and kind, with their times, severity and some of them', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  t.ok(counter.isEmpty)
  count(counter, [
    stream('shop', ['ERROR no 1', 'info fine', 'ERROR no 2', 'FATAL no']),
    stream('mail', ['ERROR no 3']),
  ])
  t.notOk(counter.isEmpty)
  const { counts } = counter.take(clock.ms)
  t.match(counts, [
    {
      title: 'shop: ERROR no <n>',
      count: 2,
      severity: 'error',
      firstMs: clock.ms,
      lastMs: clock.ms + 2,
      query: '{service_name="shop"} |= "ERROR no"',
      samples: [{ line: 'ERROR no 1' }, { line: 'ERROR no 2' }],
    },
    { title: 'shop: FATAL no', severity: 'fatal', count: 1 },
    { title: 'mail: ERROR no <n>', count: 1 },
  ])
  t.ok(counter.isEmpty)
  count(counter, [stream('shop', ['ERROR no 7', 'ERROR no 8'])])
  t.match(counter.take(clock.ms).counts, [{ count: 2, samples: [{ line: 'ERROR no 7' }] }], 'one line of what is known')
})

t.test('counts that are put back are added to newer ones', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  count(counter, [stream('shop', ['FATAL no 1', 'ERROR yes'])])
  const first = counter.take(clock.ms)
  count(counter, [stream('shop', ['FATAL no 2', 'FATAL no 3'])])
  first.putBack()
  t.match(
    counter.take(clock.ms).counts.toSorted((a, b) => b.count - a.count),
    [
      {
        title: 'shop: FATAL no <n>',
        count: 3,
        severity: 'fatal',
        samples: [{ line: 'FATAL no 1' }, { line: 'FATAL no 2' }],
      },
      { title: 'shop: ERROR yes', count: 1, severity: 'error' },
    ],
  )
})

t.test('new kinds of a service are bounded, and existing ones are kept', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  const kinds = Array.from({ length: KINDS_OF_SERVICE_MAX + 50 }, (_, i) => `ERROR ${letters(i)} is down`)
  count(counter, [stream('shop', kinds)])
  const counts = taken(counter)
  t.equal(Object.keys(counts).length, KINDS_OF_SERVICE_MAX + 1)
  t.equal(counts['fake shop: various lines'], 50)
  count(counter, [stream('shop', ['ERROR a is down', 'ERROR never seen before'])])
  t.same(taken(counter), { 'fake shop: ERROR a is down': 1, 'fake shop: various lines': 1 })
  t.same(taken(counter), {})
})

t.test('new kinds of a tenant are bounded; further services count as various lines', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  const kinds = Array.from({ length: KINDS_OF_SERVICE_MAX }, (_, i) => `ERROR ${letters(i)} is down`)
  const services = Array.from({ length: KINDS_OF_TENANT_MAX / KINDS_OF_SERVICE_MAX }, (_, i) => `s${i}`)
  count(
    counter,
    services.map((service) => stream(service, kinds)),
  )
  counter.take(clock.ms)
  count(counter, [stream('new', ['ERROR one']), stream('newer', ['ERROR two']), stream('s0', ['ERROR three'])])
  count(counter, [stream('new', ['ERROR one'])], 'other')
  t.same(taken(counter), { 'fake various lines': 2, 'fake s0: various lines': 1, 'other new: ERROR one': 1 })
})

t.test('after a while kinds are forgotten', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  const kinds = Array.from({ length: KINDS_OF_SERVICE_MAX }, (_, i) => `ERROR ${letters(i)} is down`)
  count(counter, [stream('shop', kinds)])
  counter.take(clock.ms + 600_000)
  count(counter, [stream('shop', ['ERROR new'])])
  t.same(taken(counter), { 'fake shop: ERROR new': 1 })
})

t.test('streams without a label that identifies a service are distinguished by all labels', async (t) => {
  const counter = new LineCounter(RULES, clock.ms)
  const of = (labels: Record<string, string>): PlainStream => ({
    labels,
    entries: [{ ns: clock.nowNs, line: 'ERROR connection is lost' }],
  })
  count(counter, [of({ pod: 'a' }), of({ pod: 'b' }), of({ service_name: 'unknown_service', pod: 'a' })])
  const { counts } = counter.take(clock.ms)
  t.same(
    counts.map(({ query }) => query),
    [
      '{pod="a"} |= "ERROR connection is lost"',
      '{pod="b"} |= "ERROR connection is lost"',
      '{pod="a", service_name="unknown_service"} |= "ERROR connection is lost"',
    ],
  )
})

t.test('onLine gets each line, with the facts of its incident', async (t) => {
  const lines: [CountedLine, string][] = []
  const accepts = ({ line }: CountedLine): boolean => !line.includes('quiet')
  const counter = new LineCounter(RULES, clock.ms, { accepts, onLine: (line, { title }) => lines.push([line, title]) })
  count(counter, [stream('shop', ['ERROR one 1', 'ERROR quiet 2', 'ERROR one 3', 'info'])])
  t.match(lines, [
    [{ line: 'ERROR one 1', level: 6, metadata: [['detected_level', 'error']] }, 'shop: ERROR one <n>'],
    [{ line: 'ERROR one 3' }, 'shop: ERROR one <n>'],
  ])
  t.same(taken(counter), { 'fake shop: ERROR one <n>': 2 })
})

t.test('each error line is counted once, in any batches', async (t) => {
  const word = fc.constantFrom('disk', 'net', '17', '"a b"', '10.0.0.1', 'msg="x y"', '{"msg":"z"}', '\u{1f511}', '')
  const line = fc.tuple(fc.constantFrom('ERROR', 'info', 'FATAL', '{"error":null}', '{"err":"x"}'), fc.array(word))
  const part = fc.record({
    service: fc.constantFrom('a', 'b'),
    lines: fc.array(line.map(([level, words]) => [level, ...words].join(' '))),
  })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const counter = new LineCounter(RULES, clock.ms)
      let counted = 0
      let handed = 0
      const each = new LineCounter(RULES, clock.ms, { onLine: () => void handed++ })
      for (const { service, lines } of parts) {
        count(counter, [stream(service, lines)])
        count(each, [stream(service, lines)])
        for (const { count: more } of counter.take(clock.ms).counts) counted += more
      }
      return counted === handed
    }),
    { numRuns: 300, interruptAfterTimeLimit: 4000 },
  )
  t.pass()
})
