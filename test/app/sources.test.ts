import Fastify from 'fastify'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import type { SourceReport } from '../../src/flows/poll/poll-sources.ts'
import type { Auth } from '../../src/transport/http/auth/auth.ts'
import { registerSources } from '../../src/transport/http/sources-routes.ts'

const REPORT: SourceReport = {
  source: 'cognigy',
  project: { id: 'abcdefabcdefabcdefabcdef', name: 'demo' },
  lastTsMs: 1_795_262_400_000,
  checkedMs: 1_795_262_460_000,
  lagSeconds: 12,
  hoursUntilLoss: 23.996666,
  latest: undefined,
}

/** Only the part that the route uses. */
const AUTH = { authenticate: async () => {} } as unknown as Auth

const ask = async (reports: readonly SourceReport[] | undefined) => {
  const app = Fastify()
  registerSources(app, { auth: AUTH, poller: reports === undefined ? undefined : { describe: async () => reports } })
  const answer = await app.inject('/sources')
  await app.close()
  return answer
}

t.test('reports the lag of each project', async (t) => {
  const answer = await ask([REPORT])
  t.equal(answer.headers['content-type'], 'application/json; charset=UTF-8')
  t.same(answer.json(), {
    sources: [
      {
        source: 'cognigy',
        project: 'demo',
        projectId: 'abcdefabcdefabcdefabcdef',
        lastEntry: '2026-11-21T12:00:00.000Z',
        readUntil: '2026-11-21T12:01:00.000Z',
        lagSeconds: 12,
        hoursUntilLoss: 24,
        lastRun: null,
      },
    ],
  })
})

t.test('reports the latest run, with its error and losses', async (t) => {
  const answer = await ask([
    {
      ...REPORT,
      lagSeconds: undefined,
      hoursUntilLoss: undefined,
      latest: {
        source: 'cognigy',
        project: REPORT.project,
        state: 'failed',
        error: new GatewayError('source_unavailable', 'Cognigy did not answer'),
        startedMs: 0,
        finishedMs: 1000,
        stored: 5,
        late: 1,
        found: 2,
        oversized: 0,
        rejected: 3,
        unreadable: 4,
        requests: 6,
        lastTsMs: undefined,
        checkedMs: undefined,
        lost: { fromMs: 0, toMs: 1000 },
      },
    },
  ])
  t.match(answer.json().sources[0], {
    lagSeconds: null,
    hoursUntilLoss: null,
    lastRun: {
      state: 'failed',
      started: '1970-01-01T00:00:00.000Z',
      stored: 5,
      rejected: 3,
      unreadable: 4,
      lost: { from: '1970-01-01T00:00:00.000Z', to: '1970-01-01T00:00:01.000Z' },
      error: { code: 'source_unavailable', message: 'Cognigy did not answer' },
    },
  })
})

t.test('without anything to poll the list is empty', async (t) => {
  t.same((await ask(undefined)).json(), { sources: [] })
})

t.test('requires credentials', async (t) => {
  const app = Fastify()
  const refuse = async () => {
    throw Object.assign(new Error('who are you?'), { statusCode: 401 })
  }
  registerSources(app, { auth: { authenticate: refuse } as unknown as Auth, poller: undefined })
  t.equal((await app.inject('/sources')).statusCode, 401)
  await app.close()
})
