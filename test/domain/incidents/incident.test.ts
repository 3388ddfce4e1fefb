import fc from 'fast-check'
import t from 'tap'
import {
  acknowledge,
  applyCount,
  applyReport,
  close,
  closeQuiet,
  HISTORY_MAX,
  type Incident,
  type IncidentReport,
  nameIncident,
  SAMPLE_CHARS_MAX,
  SAMPLES_MAX,
} from '../../../src/domain/incidents/incident.ts'
import { HASH } from '../../contract/incident-store.ts'

const SEEN: IncidentReport = {
  tenant: 'fake',
  kind: 'line',
  key: 'k',
  title: 'a failure',
  labels: [],
  severity: 'error',
  eventId: 'e',
  ms: 0,
  line: '',
  closesAfterMs: 100,
}
let events = 0
const raise = (found: Incident | undefined, ms: number, nowMs: number, more: Partial<IncidentReport> = {}) =>
  applyReport(found, 'f00d', { ...SEEN, eventId: `e${events++}`, ms, line: `line ${ms}`, ...more }, nowMs)

t.test('an id follows from tenant, kind and key, and nothing else', async (t) => {
  const id = nameIncident(HASH, SEEN)
  t.match(id, /^[0-9a-f]{32}$/)
  t.equal(nameIncident(HASH, { ...SEEN, title: 'other' } as IncidentReport), id)
  for (const other of [{ tenant: 'b' }, { kind: 'rule' as const }, { key: 'j' }])
    t.not(nameIncident(HASH, { ...SEEN, ...other }), id)
})

t.test('a report that is repeated counts once, among the newest', async (t) => {
  let incident: Incident | undefined
  for (let i = 0; i < 40; i++) incident = raise(incident, i, i, { eventId: `r${i}` })?.incident
  t.equal(raise(incident, 41, 41, { eventId: 'r39' }), undefined)
  t.equal(raise(incident, 41, 41, { eventId: 'r8' }), undefined)
  t.match(raise(incident, 41, 41, { eventId: 'r7' })?.incident, { count: 41 })
  t.equal(incident?.recentEvents.length, 32, 'few are remembered')
})

t.test('the history has every change of state, of many the first and the newest', async (t) => {
  const opened = raise(undefined, 1, 1)?.incident as Incident
  const acknowledged = acknowledge(opened, 'ann', 2)?.incident as Incident
  const closed = close(acknowledged, 'bob', 3)?.incident as Incident
  const reopened = raise(closed, 4, 4)?.incident as Incident
  t.strictSame(close(reopened, undefined, 5)?.incident.history, [
    { ms: 1, what: 'opened' },
    { ms: 2, what: 'acknowledged', by: 'ann' },
    { ms: 3, what: 'closed', by: 'bob' },
    { ms: 4, what: 'reopened' },
    { ms: 5, what: 'resolved', by: undefined },
  ])
  let incident = opened
  for (let ms = 10; ms < 200; ms += 2) {
    incident = close(incident, 'ann', ms)?.incident as Incident
    incident = raise(incident, ms + 1, ms + 1)?.incident as Incident
  }
  t.equal(incident.history.length, HISTORY_MAX)
  t.match([incident.history[0], incident.history.at(-1)], [{ what: 'opened' }, { ms: 199, what: 'reopened' }])
  t.equal(incident.transitions, 191)
})

t.test('lines that were counted together open, count, and reopen', async (t) => {
  const { eventId: _id, ms: _ms, line: _line, ...facts } = SEEN
  const samples = [{ eventId: '1', ms: 5, line: 'a' }]
  const lines = { ...facts, kind: 'line' as const, count: 7, firstMs: 5, lastMs: 9, samples }
  const opened = applyCount(undefined, 'f00d', lines, 10)
  t.match(opened, { transition: 'opened', incident: { count: 7, firstSeenMs: 5, lastSeenMs: 9, samples } })
  t.match(applyCount(opened.incident, 'f00d', lines, 11), { transition: undefined, incident: { count: 14 } })
  const closed = close(opened.incident, 'ann', 12)?.incident
  t.match(applyCount(closed, 'f00d', { ...lines, lastMs: 13 }, 14), { transition: 'reopened', incident: { count: 14 } })
})

t.test('a late line does not reopen a closed incident, a current one does', async (t) => {
  const opened = raise(undefined, 1000, 5000)?.incident as Incident
  const closed = close(opened, 'ann', 5001)?.incident as Incident
  const late = raise(closed, 999, 5002)
  t.match(late, {
    incident: { state: 'closed', count: 2, firstSeenMs: 999, quietAtMs: undefined },
    transition: undefined,
  })
  t.match(raise(closed, 1000, 5002), { incident: { state: 'open', closedMs: undefined }, transition: 'reopened' })
})

t.test('a time ahead of the clock does not keep it closed', async (t) => {
  const ahead = raise(undefined, 9_000, 5_000)?.incident as Incident
  const closed = close(ahead, 'ann', 5_001)?.incident as Incident
  t.equal(raise(closed, 5_000, 5_002)?.transition, undefined)
  t.equal(raise(closed, 5_002, 5_002)?.transition, 'reopened')
})

for (const [name, title, shown] of [
  ['ends of lines', 'down\r\nBcc: all@example.com', 'down Bcc: all@example.com'],
  ['commands of terminals', '\u001b[2Jdown\u0007', '[2Jdown'],
  ['text that is turned', 'cod\u202efdp.exe\u2066', 'cod fdp.exe'],
  ['separators of lines', 'a\u2028b\u0085c', 'a b c'],
] as const) {
  t.test(`a title is without ${name}`, async (t) => {
    const opened = raise(undefined, 1, 1, { title })?.incident as Incident
    t.equal(opened.title, shown)
    t.equal(raise(opened, 2, 2, { title })?.incident.title, shown)
  })
}

t.test('severity is the worst since it was opened', async (t) => {
  const opened = raise(undefined, 1, 1, { severity: 'fatal' })?.incident as Incident
  const worse = raise(opened, 2, 2)?.incident as Incident
  t.equal(worse.severity, 'fatal')
  const again = raise(close(worse, undefined, 3)?.incident, 4, 4)?.incident as Incident
  t.equal(again.severity, 'error')
})

t.test('samples are bounded: some of the first, the rest the newest', async (t) => {
  let incident: Incident | undefined
  for (let i = 0; i < 50; i++) {
    incident = raise(incident, i, i, { line: `${i} ${'\u{1f511}'.repeat(5000)}` })?.incident
  }
  const samples = incident?.samples ?? []
  t.equal(samples.length, SAMPLES_MAX)
  t.same(
    samples.map(({ ms }) => ms),
    [0, 1, 2, 43, 44, 45, 46, 47, 48, 49],
  )
  for (const { line } of samples) t.ok(line.length <= SAMPLE_CHARS_MAX && line.isWellFormed())
})

t.test('the invariants hold for any sequence of events', async (t) => {
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
      const reported: string[] = []
      for (const { what, ms, passes } of steps) {
        nowMs += passes
        const before = found
        if (what !== 'see' && found === undefined) continue
        if (what === 'acknowledge' && found?.state === 'closed') continue
        const change =
          what === 'see'
            ? raise(found, ms, nowMs)
            : what === 'acknowledge'
              ? acknowledge(found as Incident, 'ann', nowMs)
              : what === 'quiet'
                ? closeQuiet(found as Incident, nowMs)
                : close(found as Incident, what === 'close' ? 'ann' : undefined, nowMs)
        if (change === undefined) continue
        if (what === 'see') counted++
        found = change.incident
        if (change.transition !== undefined) reported.push(change.transition)
        if ((found.state === 'closed') !== (found.closedMs !== undefined)) return false
        if (found.state === 'closed' && found.quietAtMs !== undefined) return false
        if (before !== undefined && found.transitions < before.transitions) return false
        if (found.count !== counted || found.firstSeenMs > found.lastSeenMs) return false
      }
      // Openings and closings alternate.
      return reported.every((each, i) => (i % 2 === 0) === (each === 'opened' || each === 'reopened'))
    }),
    { numRuns: 500 },
  )
  t.pass()
})
