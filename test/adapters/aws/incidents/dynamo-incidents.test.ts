import { randomUUID } from 'node:crypto'
import { DynamoDB, type GlobalSecondaryIndex } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import t, { type Test } from 'tap'
import { DynamoCounts } from '../../../../src/adapters/aws/incidents/dynamo-counts.ts'
import { DynamoIncidents } from '../../../../src/adapters/aws/incidents/dynamo-incidents.ts'
import { DynamoRows } from '../../../../src/adapters/aws/incidents/dynamo-rows.ts'
import { LIST_INDEX, WORK_INDEX } from '../../../../src/adapters/aws/incidents/incident-index.ts'
import { countGroups } from '../../../../src/flows/incidents/count-log-group.ts'
import { openCounter } from '../../../../src/flows/incidents/open-counter.ts'
import { IncidentDesk } from '../../../../src/flows/incidents/raise-incidents.ts'
import type { AuditRow } from '../../../../src/ports/incidents.ts'
import {
  CLOSED_KEPT_MS,
  deciderOf,
  EVENT_MEMORY_MS,
  HASH,
  incidentIdOf,
  incidentStoreContract,
  lineCount,
  record,
  report,
} from '../../../contract/incident-store.ts'
import { DynamodbDouble } from '../../../doubles/dynamodb-double.ts'
import { RULES } from '../../../flows/incidents/incident-flow.ts'
import { FixedClock } from '../../../support/helper.ts'
import { Breaker } from '../items.ts'
import { SteppedPacing } from '../stepped-pacing.ts'

const TABLE = 'incidents'
const ROW_TABLE = 'LogIncidents'
const SETTINGS = { table: TABLE, eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }

async function openTable(t: Test): Promise<DynamoDBDocument> {
  const double = await DynamodbDouble.start()
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new DynamoDB({ endpoint: double.url, region: 'us-east-1', credentials })
  t.teardown(async () => {
    client.destroy()
    await double.stop()
  })
  const attribute = (AttributeName: string, AttributeType: 'S' | 'N') => ({ AttributeName, AttributeType })
  const keys = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const },
  ]
  const index = (IndexName: string, hash: string, range: string): GlobalSecondaryIndex => ({
    IndexName,
    KeySchema: keys(hash, range),
    Projection: { ProjectionType: 'KEYS_ONLY' as const },
  })
  const strings = ['pk', 'sk', 'listKey', 'seenKey', 'workShard'].map((name) => attribute(name, 'S'))
  await client.createTable({
    TableName: TABLE,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [...strings, attribute('workAtMs', 'N')],
    KeySchema: keys('pk', 'sk'),
    GlobalSecondaryIndexes: [index(LIST_INDEX, 'listKey', 'seenKey'), index(WORK_INDEX, 'workShard', 'workAtMs')],
  })
  await client.createTable({
    TableName: ROW_TABLE,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [attribute('incident_id', 'S')],
    KeySchema: [{ AttributeName: 'incident_id', KeyType: 'HASH' }],
  })
  for (let i = 0; i < 200; i++) {
    const statuses = await Promise.all(
      [TABLE, ROW_TABLE].map(async (TableName) => (await client.describeTable({ TableName })).Table?.TableStatus),
    )
    if (statuses.every((status) => status === 'ACTIVE')) return DynamoDBDocument.from(client)
  }
  throw new Error('the tables are never there')
}

function open(items: DynamoDBDocument, clock: FixedClock): DynamoIncidents {
  const pacing = new SteppedPacing(0)
  const client = async () => items
  return new DynamoIncidents(client, SETTINGS, clock, pacing, new DynamoCounts(client, TABLE, undefined, clock, pacing))
}

/** A process that counts lines of log groups. */
function openProcess(items: DynamoDBDocument, clock: FixedClock, onWritten: () => void = () => undefined) {
  const store = open(items, clock)
  const desk = new IncidentDesk({
    store,
    hash: HASH,
    clock,
    settings: { targets: ['sns'], leaseMs: 1000, singlesMax: 20 },
    onWritten,
  })
  const parts = { desk, opened: openCounter(RULES, HASH, clock), hash: HASH, clock, tenant: 'fake' }
  return { store, desk, parts }
}

const LISTING = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }

incidentStoreContract(t, async (_t, clock) => {
  const items = await openTable(_t)
  return { store: open(items, clock), prunes: true, reopen: async () => open(items, clock) }
})

t.test('a change that fails at any call, and is retried, counts once', async (t) => {
  const items = await openTable(t)
  for (const isDone of [false, true]) {
    for (let at = 1; at <= 2; at++) {
      const clock = new FixedClock()
      const breaker = new Breaker()
      const store = open(breaker.around(items), clock)
      const seen = report(clock, { key: `${isDone} ${at}` })
      Object.assign(breaker, { at, isDone, calls: 0 })
      await t.rejects(record(store, clock, seen, true), { code: 'store_unavailable' })
      await record(store, clock, seen, true)
      t.match(await store.find({ tenant: 'fake', id: incidentIdOf(seen) }), { count: 1 })
      const due = await store.takeDue(clock.ms + 1000, clock.ms + 2000, 100)
      t.equal(due.length, 1, 'and is notified once')
    }
  }
})

t.test('10,000 lines of 5 kinds, delivered twice and at once, are 5 incidents with right counts', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  let notified = 0
  const processes = Array.from({ length: 4 }, () => openProcess(items, clock, () => void notified++))
  const kinds = ['time-out of the database', 'no such user', 'queue is full', 'disk is bad', 'payment declined']
  const events = Array.from({ length: 10_000 }, (_, i) => {
    return { id: `e${i}`, ms: clock.ms + i, message: `ERROR ${kinds[i % 5]} ${i}` }
  })
  const deliveries = Array.from({ length: 20 }, (_, i) => events.slice((i % 10) * 1000, ((i % 10) + 1) * 1000))
  const outcomes = await Promise.all(
    deliveries.map((part, i) => {
      const { parts } = processes[i % processes.length] as (typeof processes)[number]
      return countGroups(parts, [{ logGroup: '/a', logStream: 's', events: part }])
    }),
  )
  await processes[0]?.desk.sweep()
  t.equal(
    outcomes.reduce((sum, { counted }) => sum + counted, 0),
    10_000,
  )
  t.equal(notified, 5)
  const { incidents } = await open(items, clock).list(LISTING)
  t.same(
    incidents.map(({ count }) => count),
    [2000, 2000, 2000, 2000, 2000],
  )
})

t.test('all counts of a delivery are one write, and wait for the clock once their incidents are open', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const breaker = new Breaker()
  const { parts, desk, store } = openProcess(breaker.around(items), clock)
  const deliver = (i: number) => {
    const events = ['disk', 'net', 'cpu'].map((what, at) => ({
      id: `${i} ${at}`,
      ms: clock.ms,
      message: `ERROR ${what}`,
    }))
    return countGroups(parts, [{ logGroup: '/a', logStream: 's', events }])
  }
  t.match(await deliver(0), { counted: 3, opened: 3 })
  breaker.calls = 0
  for (let i = 1; i <= 20; i++) await deliver(i)
  t.equal(breaker.calls, 20, 'one call a delivery')
  t.equal((await store.list(LISTING)).incidents[0]?.count, 1)
  await desk.sweep()
  t.same(
    (await store.list(LISTING)).incidents.map(({ count }) => count),
    [21, 21, 21],
  )
})

t.test('counts are exact, wherever a process is cut off', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  let isOver = false
  for (let at = 1; !isOver; at++) {
    for (const isDone of [false, true]) {
      const logGroup = `/group/${at}-${isDone}`
      const breaker = new Breaker()
      Object.assign(breaker, { at, isDone })
      let running = openProcess(breaker.around(items), clock)
      const wanted = new Map<string, number>()
      const attempt = async (work: () => Promise<unknown>): Promise<void> => {
        try {
          await work()
        } catch {
          // The process is gone; the next one has the delivery again.
          running = openProcess(breaker.around(items), clock)
          await work()
        }
      }
      for (let delivery = 0; delivery < 2; delivery++) {
        const events = Array.from({ length: 9 }, (_, i) => {
          const what = ['disk', 'net', 'cpu', 'fan'][(i + delivery) % 4] as string
          wanted.set(what, (wanted.get(what) ?? 0) + 1)
          return { id: `${delivery} ${i}`, ms: clock.ms + delivery, message: `ERROR ${what} ${i}` }
        })
        await attempt(() => countGroups(running.parts, [{ logGroup, logStream: 's', events }]))
      }
      clock.ms += 1000
      await attempt(() => running.desk.fold())
      const labels = [{ name: 'log_group', value: logGroup }]
      const { incidents } = await open(items, clock).list({ ...LISTING, labels })
      const counts = incidents.map(({ title, count }) => [title.split(' ')[2], count])
      if (!t.same(new Map(counts as [string, number][]), wanted, `cut off at call ${at}, done: ${isDone}`)) return
      isOver ||= breaker.calls < at
    }
  }
})

t.test('an incident of the longest lines with failing notifications still fits into its item', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const store = open(items, clock)
  const { desk } = openProcess(items, clock)
  const line = '\u0001'.repeat(5000)
  const labels = [{ name: 'service_name', value: '\u4e00'.repeat(600) }]
  let ref: Awaited<ReturnType<IncidentDesk['raise']>> | undefined
  for (let i = 0; i < 40; i++) {
    clock.ms += 60_000
    ref = await desk.raise(report(clock, { labels, eventId: `e${i}`, line }))
    await desk.close(ref, 'ann')
  }
  const { Item } = await items.get({ TableName: TABLE, Key: { pk: `incident#fake#${ref?.id}`, sk: 'incident' } })
  t.ok(JSON.stringify(Item).length < 400 * 1024)
  const due = await store.takeDue(clock.ms + 1000, clock.ms + 2000, 100)
  t.match(due.at(-1)?.notification, { transition: 'closed' }, 'the newest is among them')
})

const row = (clock: FixedClock, incidentId: string): AuditRow => ({
  incidentId,
  tenant: 'fake',
  groupId: 'f00d',
  ms: clock.ms,
  logGroup: '/aws/lambda/shop',
  logStream: 'stream',
  message: 'ERROR: no',
  severity: 'ERROR',
  createdMs: clock.ms,
})
const CLASSIC = {
  incident_id: 'a',
  timestamp: '2026-11-21T12:00:00.000Z',
  log_group: '/aws/lambda/shop',
  log_stream: 'stream',
  message: 'ERROR: no',
  severity: 'ERROR',
  status: 'OPEN',
  created_at: '2026-11-21T12:00:00.000Z',
}

for (const [name, rowTable, Key] of [
  ["in the gateway's table", undefined, { pk: 'incident-line#fake#/aws/lambda/shop#a', sk: 'line' }],
  ['in a table of their own', ROW_TABLE, { incident_id: 'a' }],
] as const) {
  t.test(`rows of lines are written once, in the classic fields, ${name}`, async (t) => {
    const clock = new FixedClock()
    const items = await openTable(t)
    const settings = { table: TABLE, rowTable, keptMs: CLOSED_KEPT_MS }
    const rows = new DynamoRows(async () => items, settings, new SteppedPacing(0))
    await rows.write(['a', 'b', 'a'].map((id) => row(clock, id)))
    await rows.write(Array.from({ length: 60 }, (_, i) => row(clock, i === 0 ? 'b' : `c${i}`)))
    const { Count } = await items.scan({ TableName: rowTable ?? TABLE })
    t.equal(Count, 61)
    const { Item } = await items.get({ TableName: rowTable ?? TABLE, Key })
    t.match(Item, CLASSIC)
  })
}

t.test('rows are written before the lines are counted', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const breaker = new Breaker()
  Object.assign(breaker, { at: 1, isDone: false })
  const pacing = new SteppedPacing(0)
  const client = async () => breaker.around(items)
  const rows = new DynamoRows(client, { table: TABLE, rowTable: ROW_TABLE, keptMs: CLOSED_KEPT_MS }, pacing)
  const counts = new DynamoCounts(client, TABLE, rows, clock, pacing)
  const delivery = { deliveryId: randomUUID(), counts: [lineCount(clock)], rows: [row(clock, 'a')] }
  await t.rejects(counts.record(delivery), { code: 'store_unavailable' })
  t.equal((await items.scan({ TableName: TABLE })).Count, 0)
  t.match(await counts.record(delivery), { isNew: true })
  t.equal((await items.scan({ TableName: ROW_TABLE })).Count, 1)
})

t.test('two hundred deliveries that wait are applied by a few transactions', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const store = open(items, clock)
  for (let i = 0; i < 200; i++) {
    const lines = lineCount(clock, { key: `kind ${i % 7}`, count: i })
    await store.record({ deliveryId: `d${i}`, counts: [lines], rows: [] })
  }
  const breaker = new Breaker()
  const other = open(breaker.around(items), clock)
  await other.fold(deciderOf(clock))
  t.ok(breaker.calls < 20, `${breaker.calls} calls`)
  const { incidents } = await store.list(LISTING)
  t.equal(incidents.length, 7)
  t.equal(
    incidents.reduce((sum, { count }) => sum + count, 0),
    (199 * 200) / 2,
  )
  t.same(await other.fold(deciderOf(clock)), [])
})
