import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import dynalite from 'dynalite'
import t, { type Test } from 'tap'
import { DynamoAudit } from '../../../../src/adapters/aws/incidents/dynamo-audit.ts'
import { DynamoIncidents } from '../../../../src/adapters/aws/incidents/dynamo-incidents.ts'
import { LIST_INDEX, WORK_INDEX } from '../../../../src/adapters/aws/incidents/incident-index.ts'
import { incidentIdOf } from '../../../../src/domain/incidents/incident.ts'
import { KindLimits } from '../../../../src/domain/incidents/kind-limits.ts'
import { raiseCloudWatch } from '../../../../src/flows/incidents/raise-cloudwatch.ts'
import { IncidentDesk } from '../../../../src/flows/incidents/raise-incidents.ts'
import type { AuditRecord } from '../../../../src/ports/incidents.ts'
import {
  CLOSED_KEPT_MS,
  EVENT_MEMORY_MS,
  incidentStoreContract,
  record,
  report,
} from '../../../contract/incident-store.ts'
import { RULES } from '../../../flows/incidents/incident-flow.ts'
import { FixedClock } from '../../../support/helper.ts'
import { Breaker } from '../items.ts'
import { SteppedPacing } from '../stepped-pacing.ts'

const TABLE = 'incidents'
const SETTINGS = { table: TABLE, eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }

async function openTable(t: Test): Promise<DynamoDBDocument> {
  const server = dynalite({ createTableMs: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new DynamoDB({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials })
  t.teardown(() => {
    client.destroy()
    server.closeAllConnections()
    server.close()
  })
  const attribute = (AttributeName: string, AttributeType: 'S' | 'N') => ({ AttributeName, AttributeType })
  const keys = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const },
  ]
  const index = (IndexName: string, hash: string, range: string) => ({
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
  for (let i = 0; i < 100; i++) {
    const { Table } = await client.describeTable({ TableName: TABLE })
    if (Table?.TableStatus === 'ACTIVE') return DynamoDBDocument.from(client)
  }
  throw new Error('the table is never there')
}

function open(items: DynamoDBDocument, clock: FixedClock): DynamoIncidents {
  return new DynamoIncidents(async () => items, SETTINGS, clock, new SteppedPacing(0))
}

incidentStoreContract(t, async (_t, clock) => {
  const items = await openTable(_t)
  return { store: open(items, clock), prunes: true, reopen: async () => open(items, clock) }
})

t.test('a change that is cut off anywhere, and told again, counts once', async (t) => {
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
      t.equal(due.length, 1, 'and is told of once')
    }
  }
})

t.test('10,000 lines of 5 kinds, delivered twice and at once, are 5 incidents with right counts', async (t) => {
  const clock = new FixedClock()
  const store = open(await openTable(t), clock)
  let told = 0
  const settings = { targets: ['sns'], leaseMs: 1000 }
  const sink = new IncidentDesk({ store, clock, settings, onWritten: () => void told++ })
  const parts = { sink, audit: undefined, rules: RULES, clock, kinds: new KindLimits(), tenant: 'fake' }
  const kinds = ['time-out of the database', 'no such user', 'queue is full', 'disk is bad', 'payment declined']
  const events = Array.from({ length: 10_000 }, (_, i) => {
    return { id: `e${i}`, ms: clock.ms + i, message: `ERROR ${kinds[i % 5]} ${i}` }
  })
  const deliveries = Array.from({ length: 20 }, (_, i) => events.slice((i % 10) * 1000, ((i % 10) + 1) * 1000))
  const outcomes = await Promise.all(
    deliveries.map((part) => raiseCloudWatch(parts, [{ logGroup: '/a', logStream: 's', events: part }])),
  )
  t.equal(
    outcomes.reduce((sum, { counted }) => sum + counted, 0),
    10_000,
  )
  t.equal(told, 5)
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  const { incidents } = await store.list(listing)
  t.same(
    incidents.map(({ count }) => count),
    [2000, 2000, 2000, 2000, 2000],
  )
})

t.test('what is remembered of a storm stays small', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const store = open(items, clock)
  for (let part = 0; part < 6; part++) {
    const ms = clock.ms + part * 60_000
    const events = Array.from({ length: 4000 }, (_, i) => ({ id: `${part} ${i}`, ms }))
    await record(store, clock, report(clock, { events }))
  }
  const again = report(clock, { events: [{ id: '5 3', ms: clock.ms + 300_000 }] })
  t.equal(await record(store, clock, again), undefined, 'the newest are still known')
  const ref = { tenant: 'fake', id: incidentIdOf(report(clock)) }
  t.equal((await store.find(ref))?.count, 24_000)
  const { Item } = await items.get({ TableName: TABLE, Key: { pk: `incident#fake#${ref.id}`, sk: 'incident' } })
  const windows = (Item?.['windows'] ?? []) as { events: Uint8Array }[]
  const bytes = windows.reduce((sum, { events }) => sum + events.length, 0)
  t.ok(bytes <= 64 * 1024)
})

t.test('an incident of the longest lines, whose notifications nobody takes, still fits into its item', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const store = open(items, clock)
  const desk = new IncidentDesk({
    store,
    clock,
    settings: { targets: ['sns'], leaseMs: 1000 },
    onWritten: () => undefined,
  })
  const line = '\u0001'.repeat(5000)
  const labels = [{ name: 'service_name', value: '\u4e00'.repeat(600) }]
  let ref: Awaited<ReturnType<IncidentDesk['raise']>> | undefined
  for (let i = 0; i < 40; i++) {
    clock.ms += 60_000
    ref = await desk.raise(report(clock, { labels, events: [{ id: `e${i}`, ms: clock.ms, line }] }))
    await desk.close(ref, 'ann')
  }
  const { Item } = await items.get({ TableName: TABLE, Key: { pk: `incident#fake#${ref?.id}`, sk: 'incident' } })
  t.ok(JSON.stringify(Item).length < 400 * 1024)
  const due = await store.takeDue(clock.ms + 1000, clock.ms + 2000, 100)
  t.match(due.at(-1)?.notification, { transition: 'closed' }, 'the newest is among them')
})

t.test('rows of the audit trail are written once, in the classic fields', async (t) => {
  const clock = new FixedClock()
  const items = await openTable(t)
  const audit = new DynamoAudit(async () => items, TABLE, CLOSED_KEPT_MS)
  const row = (incidentId: string): AuditRecord => ({
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
  t.equal(await audit.write([row('a'), row('b')]), 2)
  t.equal(await audit.write([row('b'), row('c')]), 1)
  const Key = { pk: 'incident-line#fake#/aws/lambda/shop#a', sk: 'line' }
  const { Item } = await items.get({ TableName: TABLE, Key })
  t.match(Item, {
    incident_id: 'a',
    timestamp: '2026-11-21T12:00:00.000Z',
    log_group: '/aws/lambda/shop',
    log_stream: 'stream',
    message: 'ERROR: no',
    severity: 'ERROR',
    created_at: '2026-11-21T12:00:00.000Z',
  })
})
