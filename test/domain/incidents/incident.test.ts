import fc from 'fast-check'
import t from 'tap'
import { EventWindow, EventWindows, WINDOW_EVENTS_MAX, windowOf } from '../../../src/domain/incidents/event-window.ts'
import {
  acknowledge,
  applyReport,
  close,
  closeQuiet,
  type Incident,
  type IncidentReport,
  incidentIdOf,
  SAMPLE_CHARS_MAX,
  SAMPLES_MAX,
} from '../../../src/domain/incidents/incident.ts'
import { murmur128 } from '../../../src/kit/murmur3.ts'

const SEEN: IncidentReport = {
  tenant: 'fake',
  kind: 'line',
  key: 'k',
  title: 'a failure',
  labels: [],
  severity: 'error',
  events: [],
  closesAfterMs: 100,
}
const all = (): boolean => true
const tell = (found: Incident | undefined, ms: number, nowMs: number, more: Partial<IncidentReport> = {}) =>
  applyReport(found, { ...SEEN, events: [{ id: String(ms), ms, line: `line ${ms}` }], ...more }, all, nowMs)

t.test('MurmurHash3 gives what the reference gives', async (t) => {
  for (const [text, hash] of [
    ['', '00000000000000000000000000000000'],
    ['The quick brown fox jumps over the lazy dog', '2f1583c3ecee2c675d7bf66ce5e91d2c'],
  ] as const) {
    t.equal(murmur128(new TextEncoder().encode(text)), hash)
  }
  const hashes = Array.from({ length: 40 }, (_, i) => murmur128(new Uint8Array(i)))
  t.equal(new Set(hashes).size, 40, 'zeros of another number are something else')
  const shifted = new Uint8Array([9, 1, 2, 3]).subarray(1)
  t.equal(murmur128(shifted), murmur128(new Uint8Array([1, 2, 3])), 'a view is what it shows')
})

t.test('an id follows from tenant, kind and key, and nothing else', async (t) => {
  const id = incidentIdOf(SEEN)
  t.match(id, /^[0-9a-f]{32}$/)
  t.equal(incidentIdOf({ ...SEEN, title: 'other' } as IncidentReport), id)
  for (const other of [{ tenant: 'b' }, { kind: 'rule' as const }, { key: 'j' }])
    t.not(incidentIdOf({ ...SEEN, ...other }), id)
})

t.test('a late line does not wake what is over, one of now does', async (t) => {
  const opened = tell(undefined, 1000, 5000)?.incident as Incident
  const closed = close(opened, 'ann', 5001)?.incident as Incident
  const late = tell(closed, 999, 5002)
  t.match(late, {
    incident: { state: 'closed', count: 2, firstSeenMs: 999, quietAtMs: undefined },
    transition: undefined,
  })
  t.match(tell(closed, 1000, 5002), { incident: { state: 'open', closedMs: undefined }, transition: 'reopened' })
})

t.test('a time ahead of the clock does not keep it closed', async (t) => {
  const ahead = tell(undefined, 9_000, 5_000)?.incident as Incident
  const closed = close(ahead, 'ann', 5_001)?.incident as Incident
  t.equal(tell(closed, 5_000, 5_002)?.transition, undefined)
  t.equal(tell(closed, 5_002, 5_002)?.transition, 'reopened')
})

for (const [name, title, shown] of [
  ['ends of lines', 'down\r\nBcc: all@example.com', 'down Bcc: all@example.com'],
  ['commands of terminals', '\u001b[2Jdown\u0007', '[2Jdown'],
  ['text that is turned', 'cod\u202efdp.exe\u2066', 'cod fdp.exe'],
  ['separators of lines', 'a\u2028b\u0085c', 'a b c'],
] as const) {
  t.test(`a title is without ${name}`, async (t) => {
    const opened = tell(undefined, 1, 1, { title })?.incident as Incident
    t.equal(opened.title, shown)
    t.equal(tell(opened, 2, 2, { title })?.incident.title, shown)
  })
}

t.test('severity is the worst since it was opened', async (t) => {
  const opened = tell(undefined, 1, 1, { severity: 'fatal' })?.incident as Incident
  const worse = tell(opened, 2, 2)?.incident as Incident
  t.equal(worse.severity, 'fatal')
  const again = tell(close(worse, undefined, 3)?.incident, 4, 4)?.incident as Incident
  t.equal(again.severity, 'error')
})

t.test('samples are bounded: some of the first, the rest the newest', async (t) => {
  let incident: Incident | undefined
  for (let i = 0; i < 50; i++) {
    incident = tell(incident, i, i, {
      events: [{ id: String(i), ms: i, line: `${i} ${'\u{1f511}'.repeat(5000)}` }],
    })?.incident
  }
  const samples = incident?.samples ?? []
  t.equal(samples.length, SAMPLES_MAX)
  t.same(
    samples.map(({ ms }) => ms),
    [0, 1, 2, 43, 44, 45, 46, 47, 48, 49],
  )
  for (const { line } of samples) t.ok(line.length <= SAMPLE_CHARS_MAX && line.isWellFormed())
})

t.test('whatever happens in whatever order, the rules hold', async (t) => {
  const step = fc.record({
    what: fc.constantFrom('see', 'see', 'acknowledge', 'close', 'resolve', 'quiet'),
    ms: fc.integer({ min: 0, max: 50 }),
    passes: fc.integer({ min: 0, max: 80 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let found: Incident | undefined
      let nowMs = 0
      let counted = 0
      const told: string[] = []
      for (const { what, ms, passes } of steps) {
        nowMs += passes
        const before = found
        if (what !== 'see' && found === undefined) continue
        if (what === 'acknowledge' && found?.state === 'closed') continue
        const change =
          what === 'see'
            ? tell(found, ms, nowMs)
            : what === 'acknowledge'
              ? acknowledge(found as Incident, 'ann', nowMs)
              : what === 'quiet'
                ? closeQuiet(found as Incident, nowMs)
                : close(found as Incident, what === 'close' ? 'ann' : undefined, nowMs)
        if (change === undefined) continue
        if (what === 'see') counted++
        found = change.incident
        if (change.transition !== undefined) told.push(change.transition)
        if ((found.state === 'closed') !== (found.closedMs !== undefined)) return false
        if (found.state === 'closed' && found.quietAtMs !== undefined) return false
        if (before !== undefined && found.transitions < before.transitions) return false
        if (found.count !== counted || found.firstSeenMs > found.lastSeenMs) return false
      }
      // Openings and ends take turns.
      return told.every((each, i) => (i % 2 === 0) === (each === 'opened' || each === 'reopened'))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('windows know the events that were taken, and no others', async (t) => {
  const event = fc.record({ id: fc.string(), ms: fc.integer({ min: -50_000, max: 50_000 }) })
  fc.assert(
    fc.property(fc.array(event), fc.array(event), (first, second) => {
      const stored = new Map(new EventWindows([], () => undefined).take(first))
      const windows = new EventWindows(second, (number) => stored.get(number))
      const known = new Set(first.map(({ id, ms }) => `${windowOf(ms)} ${id}`))
      return second.every((each) => windows.isFresh(each) !== known.has(`${windowOf(each.ms)} ${each.id}`))
    }),
    { numRuns: 300 },
  )
  const full = new EventWindow(undefined, 3)
  full.add(['a', 'b', 'c', 'd'])
  t.equal(full.bytes.length, 24)
  t.notOk(full.has('d'))
  t.ok(WINDOW_EVENTS_MAX > 3)
})
