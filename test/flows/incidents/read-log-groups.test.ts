import t, { type Test } from 'tap'
import { CloudWatchGroupReader } from '../../../src/adapters/aws/incidents/cloudwatch-group-reader.ts'
import { openCounter } from '../../../src/flows/incidents/open-counter.ts'
import { type GroupRounds, readLogGroups } from '../../../src/flows/incidents/read-log-groups.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import { HASH } from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'
import { openFlow, RULES } from './incident-flow.ts'

interface Stored {
  readonly eventId: string
  readonly logStreamName: string
  readonly timestamp: number
  readonly message: string
}

function open(t: Test, logGroups = ['/aws/lambda/shop']) {
  const clock = new FixedClock()
  const flow = openFlow(t, clock)
  const stored: Stored[] = []
  const failures: string[] = []
  const asked: Record<string, unknown>[] = []
  let fails = (_group: string): boolean => false
  const filterLogEvents = async (request: {
    logGroupName: string
    startTime: number
    endTime: number
    nextToken?: string
  }) => {
    asked.push({ ...request })
    if (fails(request.logGroupName)) throw Object.assign(new Error('no'), { name: 'ResourceNotFoundException' })
    const events = stored.filter(({ timestamp: ms }) => ms >= request.startTime && ms <= request.endTime)
    const page = Number(request.nextToken ?? 0)
    // Empty pages may be followed by others.
    return page < 2 * events.length
      ? { events: page % 2 ? [events[(page - 1) / 2]] : [], nextToken: String(page + 1) }
      : {}
  }
  const rounds: GroupRounds & { readonly cursors: IncidentStore } = {
    desk: flow.desk,
    opened: openCounter(RULES, HASH, clock),
    hash: HASH,
    clock,
    tenant: 'fake',
    reader: new CloudWatchGroupReader(async () => ({ filterLogEvents }) as never, '?ERROR'),
    cursors: flow.store,
    logGroups,
    onFailure: (logGroup) => void failures.push(logGroup),
  }
  const add = (message: string, ms = clock.ms): void => {
    stored.push({ eventId: `e${stored.length}`, logStreamName: 'stream', timestamp: ms, message })
  }
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  const list = async () => (await flow.store.list(listing)).incidents
  const setFails = (test: typeof fails): void => {
    fails = test
  }
  return { rounds, add, list, clock, failures, asked, setFails }
}

t.test('starts now, continues at its cursor, and counts events that are read twice once', async (t) => {
  const { rounds, add, list, clock, failures, asked } = open(t)
  add('ERROR: of yesterday 1', clock.ms - 1000)
  await readLogGroups(rounds)
  t.same(await list(), [])
  for (let i = 0; i < 5; i++) {
    clock.ms += 30_000
    add(`ERROR: number ${i}`, clock.ms - 40_000)
    add('INFO: fine', clock.ms - 1)
    await readLogGroups(rounds)
  }
  t.match(
    (await list()).find(({ title }) => title.includes('number')),
    { count: 5, title: 'shop: ERROR: number <n>' },
  )
  t.same(failures, [])
  t.match(asked[0], { logGroupName: '/aws/lambda/shop', filterPattern: '?ERROR' })
})

t.test('a clock that is set back by an hour does not stop the reading', async (t) => {
  const { rounds, add, list, clock, asked } = open(t)
  await readLogGroups(rounds)
  clock.ms -= 3600_000
  for (let i = 0; i < 2; i++) {
    clock.ms += 30_000
    add(`ERROR: number ${i}`, clock.ms - 1)
    await readLogGroups(rounds)
  }
  t.match(await list(), [{ count: 2 }])
  for (const { startTime, endTime } of asked) t.ok(Number(startTime) <= Number(endTime))
})

t.test('a failing group does not affect the others, and continues at its cursor', async (t) => {
  const { rounds, add, list, clock, failures, setFails } = open(t, ['/a/one', '/a/two'])
  await readLogGroups(rounds)
  setFails((group) => group === '/a/one')
  clock.ms += 60_000
  add('ERROR: down', clock.ms - 1)
  await readLogGroups(rounds)
  t.match(await list(), [{ title: 'two: ERROR: down' }])
  t.same(failures, ['/a/one'])
  setFails(() => false)
  clock.ms += 3600_000
  await readLogGroups(rounds)
  t.equal((await list()).length, 2)
})

t.test('of two processes that read a group concurrently, one counts', async (t) => {
  const { rounds, add, list, clock, failures } = open(t)
  await readLogGroups(rounds)
  clock.ms += 30_000
  for (let i = 0; i < 5; i++) add(`ERROR: number ${i}`, clock.ms - 1 - i)
  const other = { ...rounds, opened: openCounter(RULES, HASH, clock) }
  await Promise.all([readLogGroups(rounds), readLogGroups(other)])
  await readLogGroups(rounds)
  t.match(await list(), [{ count: 5 }])
  t.same(failures, ['/aws/lambda/shop'])
})

t.test('a cursor of an earlier version is still valid', async (t) => {
  const { rounds, add, list, clock, failures } = open(t)
  await rounds.cursors.writeCursor('log-group /aws/lambda/shop', String(clock.ms))
  clock.ms += 30_000
  add('ERROR: number 1', clock.ms - 1)
  await readLogGroups(rounds)
  t.match(await list(), [{ count: 1 }])
  t.same(failures, [])
})
