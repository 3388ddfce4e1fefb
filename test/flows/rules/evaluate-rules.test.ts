import t, { type Test } from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { IncidentReport } from '../../../src/domain/incidents/incident.ts'
import { QUERY_LIMITS } from '../../../src/domain/limits.ts'
import type { AlertRule, RuleGroup } from '../../../src/domain/rules/alert-rule.ts'
import { RuleEvaluator, type RuleParts } from '../../../src/flows/rules/evaluate-rules.ts'
import { listRules } from '../../../src/flows/rules/list-rules.ts'
import { RuleClock } from '../../../src/flows/rules/rule-clock.ts'
import type { IncidentSink } from '../../../src/ports/incidents.ts'
import type { LogStore } from '../../../src/ports/log-store.ts'
import type { StateStore } from '../../../src/ports/rules.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../../support/helper.ts'

const MINUTE = 60_000

/** An in-memory state store that can fail. */
class MemoryStates implements StateStore {
  readonly texts = new Map<string, string>()
  writesLeft = Number.POSITIVE_INFINITY

  async readCursor(name: string): Promise<string | undefined> {
    return this.texts.get(name)
  }

  async writeCursor(name: string, text: string): Promise<void> {
    if (this.writesLeft-- <= 0) throw new GatewayError('store_unavailable', 'no')
    this.texts.set(name, text)
  }
}

/** Records reports, counting an event once like incidents. */
class RecordedIncidents implements IncidentSink {
  readonly reported: string[] = []
  readonly reports: IncidentReport[] = []
  readonly events = new Set<string>()
  isDown = false

  async raise(report: IncidentReport): ReturnType<IncidentSink['raise']> {
    if (this.isDown) throw new GatewayError('store_unavailable', 'down')
    const { tenant, key, eventId } = report
    const isFresh = !this.events.has(key + eventId)
    this.events.add(key + eventId)
    if (isFresh) this.reported.push(`raise ${key}`)
    this.reports.push(report)
    return { tenant, id: key, counted: isFresh ? 1 : 0, transition: undefined }
  }

  async resolve({ key }: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>): Promise<void> {
    if (this.isDown) throw new GatewayError('store_unavailable', 'down')
    this.reported.push(`resolve ${key}`)
  }
}

function rule(fields: Partial<AlertRule> = {}): AlertRule {
  const expr = 'sum by (app) (count_over_time({app=~".+"} |= "bad" [1m])) > 1'
  return { name: 'Bad', expr, forMs: 0, keepFiringForMs: 0, labels: [], annotations: [], ...fields }
}

function group(rules: readonly AlertRule[], fields: Partial<RuleGroup> = {}): RuleGroup {
  const base = { tenant: 'fake', namespace: 'shop.yaml', name: 'errors', intervalMs: MINUTE }
  return { ...base, queryOffsetMs: 0, limit: 0, rules, ...fields }
}

interface Bench {
  readonly clock: FixedClock
  readonly states: MemoryStates
  readonly incidents: RecordedIncidents
  readonly failures: unknown[]
  groups: readonly RuleGroup[]
  evaluator: RuleEvaluator
  restart(changes?: Partial<RuleParts>): void
  /** Pushes lines of an app, just before the current time. */
  push(app: string, count: number, text?: string): Promise<void>
  /** Advances to the next tick and evaluates; returns the reports. */
  tick(minutes?: number): Promise<string[]>
}

function openBench(t: Test, groups: readonly RuleGroup[], changes: Partial<RuleParts> = {}): Bench {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  const states = new MemoryStates()
  const incidents = new RecordedIncidents()
  const failures: unknown[] = []
  let lines = 0
  const make = (more: Partial<RuleParts>): RuleEvaluator =>
    new RuleEvaluator({
      source: { list: () => bench.groups },
      states,
      store,
      clock,
      incidents,
      limitsOf: () => QUERY_LIMITS,
      alertsMax: 10,
      timeoutMs: 1000,
      signalAfter: () => new AbortController().signal,
      events: {
        groupEvaluated: () => undefined,
        ruleFailed: (_group, _rule, cause) => failures.push(cause),
        groupFailed: (_group, cause) => failures.push(cause),
      },
      ...changes,
      ...more,
    })
  const bench: Bench = {
    clock,
    states,
    incidents,
    failures,
    groups,
    evaluator: undefined as never,
    restart: (more = {}) => {
      bench.evaluator = make(more)
    },
    push: async (app, count, text = 'bad') => {
      const entries = Array.from({ length: count }, () => ({ ns: clock.nowNs - 1n, line: `${text} ${lines++}` }))
      await store.append(makeBatch([{ labels: { app }, entries }], openAdmission(clock)))
    },
    tick: async (minutes = 1) => {
      clock.ms += minutes * MINUTE
      const before = incidents.reported.length
      await bench.evaluator.evaluateDue(clock.nowMs())
      return incidents.reported.slice(before)
    },
  }
  bench.restart()
  return bench
}

async function alertsOf({ groups, states }: Bench): Promise<string[]> {
  const listed = await listRules({ source: { list: () => groups }, states }, 'fake')
  return listed.flatMap(({ state }) =>
    state.rules.flatMap(({ alerts }) => alerts.map((alert) => `${alert.state} ${JSON.stringify(alert.value)}`)),
  )
}

const KEY = (app: string) => `shop.yaml/errors/{alertname="Bad", app="${app}"}`

t.test('a clock that is set back by an hour does not stop the rules for an hour', async (t) => {
  const bench = openBench(t, [group([rule()])])
  const pushAndTick = async (app: string): Promise<readonly string[]> => {
    bench.clock.ms += MINUTE
    await bench.push(app, 2)
    bench.clock.ms -= MINUTE
    return bench.tick()
  }
  t.same(await pushAndTick('shop'), [`raise ${KEY('shop')}`])
  bench.clock.ms -= 60 * MINUTE
  t.ok((await pushAndTick('mail')).includes(`raise ${KEY('mail')}`))
  bench.clock.ms -= 60 * MINUTE
  bench.restart()
  t.ok((await pushAndTick('cart')).includes(`raise ${KEY('cart')}`))
  bench.clock.ms -= MINUTE
  t.equal(await bench.evaluator.evaluateDue(bench.clock.ms), 0, 'a clock a little behind evaluates nothing again')
})

t.test('an alert waits for its time, fires once, and resolves once', async (t) => {
  const bench = openBench(t, [group([rule({ forMs: 2 * MINUTE })])])
  const reported: string[][] = []
  for (const count of [2, 2, 2, 2, 0, 0]) {
    bench.clock.ms += MINUTE
    await bench.push('shop', count)
    bench.clock.ms -= MINUTE
    reported.push(await bench.tick())
  }
  t.strictSame(reported, [[], [], [`raise ${KEY('shop')}`], [], [`resolve ${KEY('shop')}`], []])
  t.strictSame(bench.failures, [])
})

t.test('an alert that ends before its time is never reported', async (t) => {
  const bench = openBench(t, [group([rule({ forMs: 2 * MINUTE })])])
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  bench.clock.ms -= MINUTE
  t.strictSame(await bench.tick(), [])
  t.strictSame(await alertsOf(bench), ['pending 2'])
  t.strictSame(await bench.tick(), [])
  t.strictSame(await alertsOf(bench), [])
})

t.test('each label set is a separate alert, reported with its templates expanded', async (t) => {
  const annotations = [{ name: 'summary', value: '{{ $labels.app }}: {{ $value }} bad lines' }]
  const labels = [
    { name: 'severity', value: 'warning' },
    { name: 'team', value: 'of {{ $labels.app }}' },
  ]
  const bench = openBench(t, [group([rule({ annotations, labels })])])
  bench.clock.ms += MINUTE
  await bench.push('shop', 3)
  await bench.push('cart', 2)
  await bench.push('quiet', 1)
  bench.clock.ms -= MINUTE
  await bench.tick()
  const shown = bench.incidents.reports.map(({ title, severity, query }) => ({ title, severity, query }))
  const query = '{app=~".+"} |= "bad"'
  t.strictSame(shown, [
    { title: 'cart: 2 bad lines', severity: 'warn', query },
    { title: 'shop: 3 bad lines', severity: 'warn', query },
  ])
  t.match(bench.incidents.reports[0]?.labels, [
    { name: 'alertname', value: 'Bad' },
    { name: 'app', value: 'cart' },
    { name: 'severity', value: 'warning' },
    { name: 'team', value: 'of cart' },
  ])
})

t.test('a log query counts its lines of one interval', async (t) => {
  const bench = openBench(t, [group([rule({ expr: '{app="shop"} |= "bad"' })])])
  bench.clock.ms += MINUTE
  await bench.push('shop', 4)
  await bench.push('shop', 3, 'good')
  bench.clock.ms -= MINUTE
  await bench.tick()
  t.strictSame(await alertsOf(bench), ['firing 4'])
})

t.test('an alert keeps firing for its time', async (t) => {
  const bench = openBench(t, [group([rule({ keepFiringForMs: 2 * MINUTE })])])
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  bench.clock.ms -= MINUTE
  t.strictSame(await bench.tick(), [`raise ${KEY('shop')}`])
  t.strictSame(await bench.tick(), [])
  t.strictSame(await bench.tick(), [])
  t.strictSame(await bench.tick(), [`resolve ${KEY('shop')}`])
})

t.test('a restart continues, and time without evaluations does not count', async (t) => {
  const bench = openBench(t, [group([rule({ forMs: 2 * MINUTE })])])
  const round = async (minutes: number): Promise<string[]> => {
    bench.clock.ms += minutes * MINUTE
    await bench.push('shop', 2)
    bench.clock.ms -= minutes * MINUTE
    return bench.tick(minutes)
  }
  await round(1)
  bench.restart()
  t.strictSame(await round(30), [], 'one more minute of the two')
  bench.restart()
  t.strictSame(await round(1), [`raise ${KEY('shop')}`])
  bench.restart()
  t.strictSame(await round(1), [], 'it keeps firing, and is not reported again')
})

t.test('a failed report is retried, and after a failed write the same event is reported', async (t) => {
  const bench = openBench(t, [group([rule()])])
  bench.incidents.isDown = true
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  bench.clock.ms -= MINUTE
  t.strictSame(await bench.tick(), [])
  t.equal(bench.failures.length, 1)
  bench.incidents.isDown = false
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  bench.clock.ms -= MINUTE
  bench.states.writesLeft = 1
  t.strictSame(await bench.tick(), [`raise ${KEY('shop')}`], 'reported, but not recorded as reported')
  bench.states.writesLeft = Number.POSITIVE_INFINITY
  bench.restart()
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  bench.clock.ms -= MINUTE
  t.strictSame(await bench.tick(), [], 'reported again with the same id, which counts once')
  t.equal(bench.incidents.events.size, 1)
})

t.test('a failed report is retried after seconds, not at the next interval', async (t) => {
  const bench = openBench(t, [group([rule()], { intervalMs: 60 * MINUTE })])
  bench.incidents.isDown = true
  await bench.push('shop', 2)
  await bench.evaluator.evaluateDue(bench.clock.nowMs())
  bench.incidents.isDown = false
  bench.clock.ms += 5_000
  await bench.evaluator.evaluateDue(bench.clock.nowMs())
  t.strictSame(bench.incidents.reported, [], 'not retried every second')
  bench.clock.ms += 5_000
  t.equal(await bench.evaluator.evaluateDue(bench.clock.nowMs()), 0, 'reported, not evaluated again')
  t.strictSame(bench.incidents.reported, [`raise ${KEY('shop')}`])
})

for (let writes = 0; writes < 6; writes++) {
  t.test(`a store that fails after ${writes} writes: one alert, reported once and resolved once`, async (t) => {
    const bench = openBench(t, [group([rule()])])
    bench.states.writesLeft = writes
    const reported: string[] = []
    for (let minute = 0; minute < 8; minute++) {
      if (minute === 4) bench.states.writesLeft = Number.POSITIVE_INFINITY
      bench.clock.ms += MINUTE
      if (minute < 6) await bench.push('shop', 2)
      bench.clock.ms -= MINUTE
      bench.restart()
      reported.push(...(await bench.tick()))
    }
    t.strictSame(reported, [`raise ${KEY('shop')}`, `resolve ${KEY('shop')}`])
  })
}

t.test('two processes that evaluate the same tick report once', async (t) => {
  const bench = openBench(t, [group([rule()])])
  const first = bench.evaluator
  bench.restart()
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  const counts = await Promise.all([first, bench.evaluator].map((one) => one.evaluateDue(bench.clock.nowMs())))
  t.ok(counts.every((count) => count <= 1))
  t.strictSame(bench.incidents.reported, [`raise ${KEY('shop')}`])
})

t.test('a group is due once per interval, however often evaluateDue is called', async (t) => {
  const bench = openBench(t, [group([rule()], { intervalMs: 5 * MINUTE })])
  const counts: number[] = []
  for (let minute = 0; minute < 11; minute++) {
    counts.push(await bench.evaluator.evaluateDue(bench.clock.nowMs()))
    bench.clock.ms += MINUTE
  }
  t.strictSame(counts, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
})

t.test('evaluations of a group do not overlap', async (t) => {
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const bench = openBench(t, [group([rule()])])
  const slow: Pick<LogStore, 'read'> = {
    async *read() {
      await gate
      yield* []
    },
  }
  bench.restart({ store: slow as LogStore })
  const first = bench.evaluator.evaluateDue(bench.clock.nowMs())
  await new Promise(setImmediate)
  t.equal(await bench.evaluator.evaluateDue(bench.clock.nowMs() + MINUTE), 0)
  release()
  t.equal(await first, 1)
})

t.test('a failing rule keeps its alerts, shows its error, and does not affect the others', async (t) => {
  const failing = rule({ name: 'Many', expr: 'count_over_time({app=~".+"} | regexp "(?P<n>[0-9]+)" [1m])' })
  const bench = openBench(t, [group([failing, rule()], { limit: 3 })])
  bench.clock.ms += MINUTE
  await bench.push('shop', 5)
  bench.clock.ms -= MINUTE
  t.strictSame(await bench.tick(), [`raise ${KEY('shop')}`])
  const [listed] = await listRules({ source: { list: () => bench.groups }, states: bench.states }, 'fake')
  t.match(listed?.state.rules, [
    { health: 'err', lastError: /exceeded limit of 3 with 5 alerts/, alerts: [] },
    { health: 'ok', lastError: '' },
  ])
})

t.test('two samples that become the same alert are rejected', async (t) => {
  const bench = openBench(t, [group([rule({ labels: [{ name: 'app', value: 'all' }] })])])
  bench.clock.ms += MINUTE
  await bench.push('shop', 2)
  await bench.push('cart', 2)
  bench.clock.ms -= MINUTE
  await bench.tick()
  t.match(bench.failures, [{ code: 'query_refused', message: /same labelset/ }])
})

t.test('a group that takes too long shows a timeout error', async (t) => {
  const bench = openBench(t, [group([rule()])], {
    signalAfter: () => AbortSignal.abort(new DOMException('', 'TimeoutError')),
  })
  await bench.tick()
  const [listed] = await listRules({ source: { list: () => bench.groups }, states: bench.states }, 'fake')
  t.match(listed?.state.rules[0], { health: 'err', lastError: /longer than 1000 ms.*MILLRACE_RULES_TIMEOUT/ })
})

for (const [name, groups] of [
  ['the rule', [group([rule({ name: 'Other' })])]],
  ['the group', [group([rule()], { name: 'other' })]],
  ['the file', []],
] as const) {
  t.test(
    `alerts are resolved when ${name} is removed, even after a restart and while incidents were down`,
    async (t) => {
      const bench = openBench(t, [group([rule()])])
      bench.clock.ms += MINUTE
      await bench.push('shop', 2)
      bench.clock.ms -= MINUTE
      await bench.tick()
      bench.groups = groups
      bench.restart()
      bench.incidents.isDown = true
      await bench.tick()
      bench.incidents.isDown = false
      t.strictSame(await bench.tick(), [`resolve ${KEY('shop')}`])
      t.strictSame(await bench.tick(), [])
    },
  )
}

t.test('the clock runs at whole seconds, and rounds do not overlap', async (t) => {
  const clock = new FixedClock(Date.UTC(2026, 10, 21, 12) + 400)
  const waits: number[] = []
  let run = (): void => undefined
  let calls = 0
  let finish = (): void => undefined
  const rules = new RuleClock({
    clock,
    timer: (ms, next) => {
      waits.push(ms)
      run = next
      return () => {
        run = () => undefined
      }
    },
    evaluateDue: () => {
      calls++
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    },
  })
  run()
  t.equal(calls, 1)
  t.strictSame(waits, [600], 'no other call is planned')
  clock.ms += 2600
  finish()
  await new Promise(setImmediate)
  t.strictSame(waits, [600, 1000])
  await rules.stop()
  run()
  t.equal(calls, 1)
})
