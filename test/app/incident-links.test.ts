/** Follows the links of incidents: each leads to the lines behind it, in both homes and from every source. */

import { CloudWatchLogs, CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { DynamoCounts } from '../../src/adapters/aws/incidents/dynamo-counts.ts'
import { DynamoIncidents } from '../../src/adapters/aws/incidents/dynamo-incidents.ts'
import { CloudWatchSink } from '../../src/adapters/aws/poller/cloudwatch-sink.ts'
import type { SqliteLogStore } from '../../src/adapters/embedded/sqlite-log-store.ts'
import { readConfig } from '../../src/config/read-config.ts'
import type { Incident } from '../../src/domain/incidents/incident.ts'
import { LineCounter } from '../../src/domain/incidents/line-counter.ts'
import type { SourceEntry } from '../../src/domain/sources/source-entry.ts'
import { compileLineFilter } from '../../src/flows/incidents/line-filter.ts'
import { openCounter } from '../../src/flows/incidents/open-counter.ts'
import { IncidentDesk } from '../../src/flows/incidents/raise-incidents.ts'
import { StoreSink } from '../../src/flows/poll/store-sink.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { deriveKey } from '../../src/homes/derived-keys.ts'
import { openHash } from '../../src/homes/incident-settings.ts'
import { countPushes } from '../../src/processes/push-counts.ts'
import { linksOf } from '../../src/protocol/incidents/incident-links.ts'
import { answerProcessorEvent } from '../../src/transport/lambda/cloudwatch-records.ts'
import { SteppedPacing } from '../adapters/aws/stepped-pacing.ts'
import { makeClients } from '../aws/aws-test-app.ts'
import { testClient } from '../aws/test-client.ts'
import { CLOSED_KEPT_MS, EVENT_MEMORY_MS } from '../contract/incident-store.ts'
import { parseFilterPattern } from '../doubles/filter-pattern.ts'
import { startLocalCloud, TABLE } from '../doubles/local-cloud.ts'
import { openFlow, RULES } from '../flows/incidents/incident-flow.ts'
import { followConsole, followQuery, readConsoleLink } from '../support/follow-link.ts'
import { FixedClock, makeBatch, openAdmission } from '../support/helper.ts'
import { buildTestApp, pushJson } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

const LINES: readonly string[] = [
  'ERROR connection to 10.0.0.1:5432 refused after 30 ms',
  'ERROR',
  'ERROR 1 2 3',
  'ERROR: cannot open "/etc/passwd" of user 42',
  'ERROR it\'s broken: a\\b "c" \\d+ (x|y) [z]',
  'ERROR Zürich is down: 東京 \u{1f511} failed',
  '\u001b[31mERROR\u001b[0m the queue of payments is full',
  'ERROR\ttabs  and   spaces between the words of it',
  'ERROR first line of a trace\n\tat com.shop.A.call(A.java:7)\n\tat com.shop.B.call(B.java:9)',
  'ERROR with a carriage return\r\nand more',
  '{"level":"error","msg":"payment 7 of \\"ann\\" declined","error":"NoSuchCard"}',
  '{"level":"error","msg":"a \\\\ backslash and a \\t tab in it","at":7}',
  '{"severity":"ERROR","status":500,"path":"/orders/42"}',
  'level=error caller=a.go:7 msg="db is \\"really\\" down" err="timeout 5ms"',
  'production.ERROR: no such table {"exception":"[object]"}',
  '<131>Nov 29 12:00:00 host app[7]: the disk is gone',
  `ERROR ${'a long story of what happened '.repeat(300)}`,
  'ERROR `backticks` and {{ templates }} | json',
]

const LINKS = {
  publicUrl: 'https://logs.example.com/',
  grafanaUrl: undefined,
  grafanaDataSource: 'm',
  region: 'eu-west-1',
}
const LISTING = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }

/** Pushes each line as a separate service, at the clock's time. */
async function pushAll(app: FastifyInstance, clock: FixedClock): Promise<void> {
  const streams = LINES.map((line, i) => ({
    stream: { service_name: `service-${i}` },
    values: [[String(clock.nowNs - BigInt(i)), line]],
  }))
  const response = await pushJson(app, streams)
  if (response.statusCode >= 300) throw new Error(response.body)
}

/** Follows the link of each incident, and checks for the line of its service. */
async function followAll(t: Test, app: FastifyInstance, incidents: readonly Incident[]): Promise<void> {
  t.equal(incidents.length, LINES.length)
  for (const incident of incidents) {
    const service = incident.labels.find(({ name }) => name === 'service_name')?.value ?? ''
    const line = LINES[Number(service.slice('service-'.length))]
    const link = linksOf(incident, LINKS).query ?? ''
    t.ok(link.startsWith('https://logs.example.com/loki/'), link)
    t.same(await followQuery(app, link), [line], link)
  }
}

t.test('embedded: pushed lines', async (t) => {
  const { app, clock, store, dataDir } = await buildTestApp(t)
  const flow = openFlow(t, clock, { dataDir, blocks: (store as SqliteLogStore).committed })
  await flow.counter.begin()
  await pushAll(app, clock)
  await flow.counter.round()
  await followAll(t, app, (await flow.store.list(LISTING)).incidents)
})

const PROJECT = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }
const entryOf = (clock: FixedClock): SourceEntry => ({
  id: '692000000000000000000001',
  timestampMs: clock.ms - 1000,
  level: 'error',
  line: 'the webhook of flow 7 did not answer',
  metadata: [['id', '692000000000000000000001']],
  json: JSON.stringify({
    _id: '692000000000000000000001',
    timestamp: new Date(clock.ms - 1000).toISOString(),
    type: 'error',
    level: 'error',
    msg: 'the webhook of flow 7 did not answer',
  }),
})

t.test('embedded: polled Cognigy entries', async (t) => {
  const { app, clock, store, dataDir } = await buildTestApp(t)
  const flow = openFlow(t, clock, { dataDir, blocks: (store as SqliteLogStore).committed })
  await flow.counter.begin()
  const sink = new StoreSink({ store, clock, tenant: 'fake', source: 'cognigy', lineBytesMax: 1000 })
  await sink.write(PROJECT, [entryOf(clock)], new Set())
  await flow.counter.round()
  const { incidents } = await flow.store.list(LISTING)
  t.equal(incidents.length, 1)
  const link = linksOf(incidents[0] as Incident, LINKS).query ?? ''
  t.same(await followQuery(app, link), ['the webhook of flow 7 did not answer'])
})

/** A gateway and an alert processor of the aws home, on one cloud. */
async function openAwsHome(t: Test) {
  const clock = new FixedClock()
  let deliver = async (_event: unknown): Promise<void> => undefined
  const cloud = await startLocalCloud(t, { clock, subscriber: (event) => deliver(event) })
  const clients = makeClients(cloud.endpoints)
  const dataDir = testFolder(t)
  const env = { ...cloud.environment(), MILLRACE_CACHE_DIR: `${dataDir}/cache` }
  const log = { warn: () => undefined, error: () => undefined }
  const { app } = await buildTestApp(t, env, {
    clock,
    dataDir,
    openHome: async (config, time, events) => {
      const home = await openAws(config, time, events, clients)
      return { ...home, ports: await countPushes(config, time, home, log) }
    },
  })
  const hash = openHash(deriveKey(readConfig(env), 'incidents'))
  const pacing = new SteppedPacing(0)
  const counts = new DynamoCounts(clients.items, TABLE, undefined, clock, pacing)
  const settings = { table: TABLE, eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }
  const store = new DynamoIncidents(clients.items, settings, clock, pacing, counts)
  const desk = new IncidentDesk({
    store,
    hash,
    clock,
    settings: { targets: [], leaseMs: 1000, singlesMax: 20 },
    onWritten: () => undefined,
  })
  const notify = { settled: async () => undefined, sendDue: async () => undefined }
  const opened = openCounter(RULES, hash, clock)
  const parts = {
    desk,
    opened,
    hash,
    clock,
    tenant: 'fake',
    notify,
    sweep: () => desk.sweep(),
    onCorrupt: () => undefined,
  }
  deliver = async (event) => {
    await answerProcessorEvent(parts, event)
  }
  return { cloud, clock, app, store, tick: () => answerProcessorEvent(parts, { source: 'aws.scheduler' }) }
}

t.test('aws: pushed lines raise incidents too, once the clock of the alert processor has ticked', async (t) => {
  const { app, clock, store, tick } = await openAwsHome(t)
  await pushAll(app, clock)
  await pushAll(app, clock)
  t.same((await store.list(LISTING)).incidents, [])
  await tick()
  const { incidents } = await store.list(LISTING)
  t.same([...new Set(incidents.map(({ count }) => count))], [1], 'a push that is sent again counts once')
  await followAll(t, app, incidents)
})

t.test('aws: polled Cognigy entries', async (t) => {
  const { cloud, clock, store } = await openAwsHome(t)
  const client = new CloudWatchLogsClient(testClient(cloud.logs.url))
  const group = '/millrace/dev/cognigy-logs'
  await subscribe(cloud.logs.url, group)
  const sink = new CloudWatchSink({ client, group, streamOf: () => 'demo', wait: async () => {}, random: () => 0 })
  await sink.write(PROJECT, [entryOf(clock)], new Set())
  client.destroy()
  await cloud.deliver()
  const { incidents } = await store.list(LISTING)
  t.equal(incidents.length, 1)
  const link = linksOf(incidents[0] as Incident, LINKS).query ?? ''
  t.same(await followConsole(cloud.logs.url, link), [entryOf(clock).json])
})

t.test('aws: lines of a watched log group', async (t) => {
  const { cloud, clock, store } = await openAwsHome(t)
  const logs = new CloudWatchLogs(testClient(cloud.logs.url))
  for (const [i] of LINES.entries()) {
    const name = `/aws/lambda/service-${i}`
    await subscribe(cloud.logs.url, name)
    await logs.createLogStream({ logGroupName: name, logStreamName: 's/[$LATEST]1' })
    const logEvents = [
      { timestamp: clock.ms - 1000, message: LINES[i] },
      { timestamp: clock.ms - 999, message: 'INFO another line' },
    ]
    await logs.putLogEvents({ logGroupName: name, logStreamName: 's/[$LATEST]1', logEvents })
  }
  logs.destroy()
  await cloud.deliver()
  const { incidents } = await store.list(LISTING)
  t.equal(incidents.length, LINES.length)
  for (const incident of incidents) {
    const group = incident.logGroup?.name ?? ''
    const link = linksOf(incident, LINKS).query ?? ''
    const { host, region, group: shown } = readConsoleLink(link)
    t.same([host, region, shown], ['console.aws.amazon.com', 'eu-west-1', group])
    const found = await followConsole(cloud.logs.url, link)
    t.ok(found.includes(LINES[Number(/\d+$/.exec(group)?.[0])] as string), link)
    t.equal(incident.query, undefined, 'no query to the gateway finds them')
  }
})

async function subscribe(endpoint: string, logGroupName: string): Promise<void> {
  const logs = new CloudWatchLogs(testClient(endpoint))
  await logs.createLogGroup({ logGroupName })
  const destinationArn = 'arn:aws:lambda:us-east-1:000000000000:function:alerts'
  await logs.putSubscriptionFilter({ logGroupName, filterName: 'errors', filterPattern: '', destinationArn })
  logs.destroy()
}

t.test('the console of other partitions, and of an unknown region', async (t) => {
  const incident = { logGroup: { name: '/a/b c' }, firstSeenMs: -5, lastSeenMs: 0 } as Incident
  const linkOf = (region: string | undefined) => linksOf(incident, { ...LINKS, region }).query ?? ''
  t.equal(readConsoleLink(linkOf('cn-north-1')).host, 'console.amazonaws.cn')
  t.equal(readConsoleLink(linkOf('us-gov-west-1')).host, 'console.amazonaws-us-gov.com')
  const { group, region, params } = readConsoleLink(linkOf(undefined))
  t.same([group, region, params.get('start'), params.get('filterPattern')], ['/a/b c', null, '0', null])
})

t.test('the query and the pattern of an incident find any line', async (t) => {
  const clock = new FixedClock()
  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc
      .array(
        fc.constantFrom('down', '"a b"', "it's", '\\', '7', 'x=1', '{', '}', 'msg="y z"', '\t', '\u001b[1m', '🔑'),
        { maxLength: 12 },
      )
      .map((words) => words.join(' ')),
    fc
      .dictionary(fc.constantFrom('msg', 'error', 'n', 'message'), fc.jsonValue())
      .map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(line, (text) => {
      const counter = new LineCounter({ ...RULES, levelMin: 0 }, clock.ms)
      const entries = [{ ns: clock.nowNs, line: text }]
      const batch = makeBatch([{ labels: { service_name: 'shop' }, entries }], openAdmission(clock))
      counter.countBatch(batch)
      const group = { tenant: 'fake', key: '/g', labels: [{ name: 'log_group', value: '/g' }], logGroup: '/g' }
      counter.countLine(group, Buffer.from(text), 6, clock.nowNs, 'e1')
      const [pushed, delivered] = counter.take(clock.ms).counts
      const accepts = compileLineFilter(pushed?.query ?? '{', clock.ms)
      const stored = Buffer.from(text).toString()
      const facts = { tenant: 'fake', metadata: [], ns: clock.nowNs, level: 6, sampleId: 'e1', logStream: undefined }
      const isFound = accepts({ ...facts, labels: [{ name: 'service_name', value: 'shop' }], line: stored })
      const link = linksOf({ ...delivered, firstSeenMs: 0, lastSeenMs: 0 } as unknown as Incident, LINKS).query ?? ''
      const pattern = readConsoleLink(link).params.get('filterPattern') ?? ''
      return isFound && parseFilterPattern(pattern)(stored)
    }),
    { numRuns: 800, interruptAfterTimeLimit: 5000 },
  )
  t.pass()
})
