import fc from 'fast-check'
import t from 'tap'
import { type Alert, type AlertSample, advanceAlerts, stateOfRule } from '../../../src/domain/rules/alert-rule.ts'
import { fitState, formatGroupState, type GroupState, parseGroupState } from '../../../src/domain/rules/rule-state.ts'

const MINUTE = 60_000
const RULE = { forMs: 2 * MINUTE, keepFiringForMs: MINUTE }

const sample = (app: string): AlertSample => ({ labels: [{ name: 'app', value: app }], annotations: [], value: 1 })
const reported = (alerts: readonly Alert[]) =>
  alerts
    .filter(({ state }) => state !== 'resolved')
    .map((alert) => ({ ...alert, isReported: alert.state === 'firing' }))

t.test('an alert that returns before its end was reported keeps its incident', async (t) => {
  const end: Alert = {
    ...sample('a'),
    state: 'resolved',
    activeAtMs: 0,
    firedAtMs: 5,
    absentSinceMs: 9,
    isReported: false,
  }
  const evaluation = { rule: RULE, nowMs: 10 * MINUTE, missedMs: 0 }
  const [back] = advanceAlerts([end], { ...evaluation, samples: [sample('a')] })
  t.match(back, { state: 'pending', activeAtMs: 10 * MINUTE })
  const [gone] = advanceAlerts([back as Alert], { ...evaluation, samples: [], nowMs: 11 * MINUTE })
  t.match(gone, { state: 'resolved', isReported: false }, 'and its end is still to be reported')
})

t.test('no alert fires or ends before its time, and labels are unique', async (t) => {
  const rounds = fc.array(fc.subarray(['a', 'b', 'c']), { maxLength: 40 })
  const isSound = fc.property(rounds, (rounds) => {
    let alerts: readonly Alert[] = []
    const present = new Map<string, number>()
    for (const [round, apps] of rounds.entries()) {
      const nowMs = round * MINUTE
      for (const app of ['a', 'b', 'c']) present.set(app, apps.includes(app) ? (present.get(app) ?? 0) + 1 : 0)
      const before = alerts
      alerts = reported(advanceAlerts(before, { rule: RULE, samples: apps.map(sample), nowMs, missedMs: 0 }))
      if (new Set(alerts.map(({ labels }) => labels[0]?.value)).size !== alerts.length) return false
      for (const { state, labels, activeAtMs } of alerts) {
        const app = labels[0]?.value ?? ''
        const streak = present.get(app) ?? 0
        if (state === 'pending' && (streak === 0 || streak > 2)) return false
        if (state === 'firing' && nowMs - activeAtMs < RULE.forMs) return false
      }
      for (const app of apps) if (!alerts.some(({ labels }) => labels[0]?.value === app)) return false
      const fired = before.filter(({ state, absentSinceMs }) => state === 'firing' && absentSinceMs === undefined)
      // A firing alert is kept at least until the next evaluation.
      if (!fired.every(({ labels }) => alerts.some((alert) => alert.labels[0]?.value === labels[0]?.value)))
        return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(isSound, { numRuns: 300 }))
})

t.test('the state of a rule is the worst of its alerts', async (t) => {
  const alert: Alert = {
    ...sample('a'),
    state: 'pending',
    activeAtMs: 0,
    firedAtMs: undefined,
    absentSinceMs: undefined,
    isReported: false,
  }
  t.equal(stateOfRule([]), 'inactive')
  t.equal(stateOfRule([{ ...alert, state: 'resolved' }]), 'inactive')
  t.equal(stateOfRule([alert]), 'pending')
  t.equal(stateOfRule([alert, { ...alert, state: 'firing' }]), 'firing')
})

t.test('a state is the same after formatting and parsing', async (t) => {
  const alerts: readonly Alert[] = [
    { ...sample('__proto__'), state: 'firing', activeAtMs: 1, firedAtMs: 2, absentSinceMs: 3, isReported: true },
    {
      ...sample('b'),
      value: Number.NaN,
      state: 'pending',
      activeAtMs: 1,
      firedAtMs: undefined,
      absentSinceMs: undefined,
      isReported: false,
    },
  ]
  const rule = { name: 'A', expr: '1', health: 'ok' as const, lastError: '', evaluatedMs: 5, seconds: 0.1, alerts }
  const state: GroupState = { tickMs: 5, seconds: 0.2, rules: [rule] }
  t.strictSame(parseGroupState(formatGroupState(state)), state)
})

t.test('any text parses to a state or undefined, and fits any rules', async (t) => {
  const json = fc.oneof(
    fc.json(),
    fc.json().map((value) => `{"version":1,"rules":[{"name":"A","expr":"1","alerts":[${value}]}]}`),
    fc.json().map((value) => `{"version":1,"rules":${value}}`),
    fc.string(),
  )
  const isSound = fc.property(json, (text) => {
    const rule = { name: 'A', expr: '1', forMs: 0, keepFiringForMs: 0, labels: [], annotations: [] }
    return fitState(parseGroupState(text), { rules: [rule] }).state.rules.length === 1
  })
  t.doesNotThrow(() => fc.assert(isSound, { numRuns: 500 }))
})
