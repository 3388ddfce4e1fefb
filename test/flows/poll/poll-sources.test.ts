import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { ProjectOutcome } from '../../../src/flows/poll/poll-outcome.ts'
import { logOutcome, type PollLog, SourcePoller, startPolling } from '../../../src/flows/poll/poll-sources.ts'
import type { LogSource, SourceRequest } from '../../../src/ports/sources.ts'
import { formatPollMetrics } from '../../../src/telemetry/poll-emf.ts'
import { FixedClock } from '../../support/helper.ts'

const HOUR = 3600_000
const PROJECTS = ['a', 'b', 'c'].map((name) => ({ id: name.repeat(24), name }))
const SETTINGS = { overlapMs: 300_000, firstRunMs: 24 * HOUR, retentionMs: 24 * HOUR, runMs: 45_000, runRequestsMax: 9 }

/** A poller of a source without pages; `look` receives the requests. */
const pollerOf = (look: (request: SourceRequest) => void, clock = new FixedClock()) => {
  const source: LogSource = {
    name: 'test',
    read: async function* (request) {
      look(request)
      yield* []
    },
  }
  const cursors = {
    load: async () => ({ cursor: undefined, revision: 0, lease: undefined }),
    claim: async () => 1,
    save: async () => 2,
  }
  return new SourcePoller({
    source,
    cursors,
    sinks: [],
    projects: PROJECTS,
    clock,
    settings: SETTINGS,
    makeHolder: () => 'run',
  })
}

t.test('projects share the requests of a run, and take turns being first', async (t) => {
  const taken: string[] = []
  const poller = pollerOf(({ project, requests }) => {
    while (requests.take()) taken.push(project.name)
  })
  await poller.poll()
  t.same(taken.join(''), 'aaabbbccc')
  taken.length = 0
  await poller.poll()
  t.same(taken.join(''), 'bbbcccaaa')
})

t.test('projects may use the unused requests of others', async (t) => {
  const taken: string[] = []
  const poller = pollerOf(({ project, requests }) => {
    while ((project.name !== 'a' || taken.length < 1) && requests.take()) taken.push(project.name)
  })
  await poller.poll()
  t.same(taken.join(''), 'abbbbcccc')
})

t.test('the failure of a project does not affect the others', async (t) => {
  const poller = pollerOf(({ project }) => {
    if (project.name === 'b') throw new GatewayError('source_unavailable', 'no such project')
  })
  const { outcomes, failed } = await poller.poll()
  t.same(
    outcomes.map(({ state }) => state),
    ['partial', 'failed', 'partial'],
  )
  t.equal(failed, 1)
})

t.test('a poll during a run joins that run', async (t) => {
  let reads = 0
  const poller = pollerOf(() => {
    reads++
  })
  const [first, second] = await Promise.all([poller.poll(), poller.poll()])
  t.equal(first, second)
  t.equal(reads, 3, 'each project is read once')
})

t.test('reports the lag and the time until loss', async (t) => {
  const clock = new FixedClock()
  const poller = pollerOf(() => {}, clock)
  const [report] = await poller.describe()
  t.match(report, { project: PROJECTS[0], lagSeconds: undefined, hoursUntilLoss: undefined, latest: undefined })
  await poller.poll()
  clock.ms += HOUR
  const [figures] = poller.figures()
  t.same(figures, { project: PROJECTS[0], lagSeconds: 25 * 3600, hoursUntilLoss: 0 }, 'nothing was read to its end')
})

t.test('polls at the interval until it is stopped', async (t) => {
  const clock = new FixedClock()
  const waits: number[] = []
  let polls = 0
  let stop: () => Promise<void> = async () => {}
  await new Promise<void>((resolve) => {
    stop = startPolling(
      {
        poll: async () => {
          polls++
          clock.ms += 10_000
          return {
            stored: 0,
            late: 0,
            found: 0,
            rejected: 0,
            requests: 0,
            failed: 0,
            lagSeconds: 0,
            hoursUntilLoss: 24,
            outcomes: [],
          }
        },
      },
      60_000,
      {
        clock,
        wait: async (ms, signal) => {
          waits.push(ms)
          clock.ms += ms
          if (waits.length < 3) return
          resolve()
          await new Promise((end) => signal?.addEventListener('abort', end))
        },
      },
    )
  })
  await stop()
  t.equal(polls, 3)
  t.same(waits, [50_000, 50_000, 50_000])
})

t.test('a clock that is set back during a run does not lengthen waits', async (t) => {
  const clock = new FixedClock()
  const waited = new Promise<number>((resolve) => {
    const poll = async () => {
      clock.ms -= HOUR
      return undefined as never
    }
    const wait = async (ms: number, signal?: AbortSignal): Promise<void> => {
      resolve(ms)
      await new Promise((end) => signal?.addEventListener('abort', end))
    }
    const stop = startPolling({ poll }, 60_000, { clock, wait })
    t.teardown(stop)
  })
  t.equal(await waited, 60_000)
})

const OUTCOME: ProjectOutcome = {
  source: 'cognigy',
  project: { id: 'x', name: 'demo' },
  state: 'complete',
  error: undefined,
  startedMs: 0,
  finishedMs: 9,
  stored: 3,
  late: 1,
  found: 0,
  oversized: 0,
  rejected: 0,
  unreadable: 0,
  requests: 2,
  lastTsMs: 5,
  checkedMs: 6,
  lost: undefined,
}
const FIGURES = { lagSeconds: 1, hoursUntilLoss: 23 }

const LINES: readonly (readonly [name: string, outcome: Partial<ProjectOutcome>, figures: object, levels: string[]])[] =
  [
    ['a run that is complete', {}, {}, ['info']],
    ['a run in part', { state: 'partial' }, {}, ['warn']],
    ['a failure', { state: 'failed', error: new GatewayError('source_unavailable', 'down') }, {}, ['error']],
    ['another run at work', { state: 'busy' }, {}, ['info']],
    ['a loss', { lost: { fromMs: 0, toMs: 1 } }, {}, ['info', 'error']],
    ['entries that a sink refused', { rejected: 2 }, {}, ['info', 'error']],
    ['entries that cannot be read', { unreadable: 2 }, {}, ['info', 'error']],
    ['entries that are too large', { oversized: 2 }, {}, ['info', 'warn']],
    ['a loss to come', {}, { hoursUntilLoss: 2 }, ['info', 'error']],
  ]

for (const [name, outcome, figures, levels] of LINES) {
  t.test(`logs ${name}`, async (t) => {
    const lines: (readonly [level: string, facts: object])[] = []
    const log: PollLog = {
      info: (facts) => lines.push(['info', facts]),
      warn: (facts) => lines.push(['warn', facts]),
      error: (facts) => lines.push(['error', facts]),
    }
    logOutcome(log, { ...OUTCOME, ...outcome }, { ...FIGURES, ...figures })
    t.same(
      lines.map(([level]) => level),
      levels,
    )
    t.ok(lines.every(([, facts]) => 'project' in facts))
  })
}

t.test('the figures of a run are one line in the embedded metric format', async (t) => {
  const summary = {
    stored: 3,
    late: 0,
    found: 0,
    rejected: 1,
    requests: 2,
    failed: 0,
    lagSeconds: 7,
    hoursUntilLoss: 23.5,
    outcomes: [],
  }
  const line = formatPollMetrics(summary, { namespace: 'Millrace', nowMs: 1000 })
  t.match(line, /^[^\n]+\n$/)
  const { _aws, ...values } = JSON.parse(line)
  t.same(values, {
    service: 'poller',
    SourceLagSeconds: 7,
    SourceHoursUntilLoss: 23.5,
    PolledEntries: 3,
    PolledEntriesRejected: 1,
    PollFailures: 0,
  })
  t.match(_aws, { Timestamp: 1000, CloudWatchMetrics: [{ Namespace: 'Millrace', Dimensions: [[]] }] })
  t.match(_aws.CloudWatchMetrics[0].Metrics[0], { Name: 'SourceLagSeconds', Unit: 'Seconds' })
  const unknown = JSON.parse(formatPollMetrics({ ...summary, lagSeconds: undefined }, { namespace: 'M', nowMs: 0 }))
  t.notOk('SourceLagSeconds' in unknown)
})
