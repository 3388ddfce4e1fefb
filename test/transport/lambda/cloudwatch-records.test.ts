import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { openCounter } from '../../../src/flows/incidents/open-counter.ts'
import type { AuditRow, IncidentStore } from '../../../src/ports/incidents.ts'
import {
  answerProcessorEvent,
  type BatchAnswer,
  type ProcessorAnswer,
  type RecordsParts,
} from '../../../src/transport/lambda/cloudwatch-records.ts'
import { HASH } from '../../contract/incident-store.ts'
import { type FlowOptions, openFlow, RecordingNotifier, RULES } from '../../flows/incidents/incident-flow.ts'
import { FixedClock } from '../../support/helper.ts'

const pack = (messages: readonly string[], more: object = {}): string => {
  const logEvents = messages.map((message, i) => ({ id: `event-${i}`, timestamp: 1704067200000 + i, message }))
  const record = { messageType: 'DATA_MESSAGE', logGroup: '/aws/lambda/test', logStream: 'test-stream', logEvents }
  return gzipSync(JSON.stringify({ ...record, ...more })).toString('base64')
}
const testEvent = (messages: readonly string[], more: object = {}) => ({ awslogs: { data: pack(messages, more) } })

function open(t: Test, options: FlowOptions = {}) {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const flow = openFlow(t, clock, { notifiers: [notifier], ...options })
  const corrupt: unknown[] = []
  const { desk, notify } = flow
  const parts: RecordsParts = {
    desk,
    opened: openCounter({ ...RULES, keepsRows: true }, HASH, clock),
    hash: HASH,
    clock,
    tenant: 'fake',
    notify,
    sweep: () => flow.desk.sweep(),
    onCorrupt: (cause) => void corrupt.push(cause),
  }
  const send = async (event: unknown) => {
    const answer = (await answerProcessorEvent(parts, event)) as ProcessorAnswer
    t.equal(answer.statusCode, 200)
    return JSON.parse(answer.body)
  }
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  const list = async () => (await flow.store.list(listing)).incidents
  return { ...flow, parts, notifier, clock, corrupt, send, list }
}

t.test('an error line creates an incident', async (t) => {
  const { send, list, notifier } = open(t)
  t.match(await send(testEvent(['ERROR: Connection failed'])), { processed: 1, incidents_created: 1 })
  t.match(await list(), [{ title: 'test: ERROR: Connection failed', severity: 'error', firstSeenMs: 1704067200000 }])
  t.equal(notifier.messages.length, 1, 'the notification is sent for the first error, within the call')
})

t.test('an info line is ignored', async (t) => {
  const { send, list } = open(t)
  t.match(await send(testEvent(['INFO: Health check OK'])), { processed: 1, incidents_created: 0 })
  t.same(await list(), [])
})

t.test('a burst counts every line, and notifies once', async (t) => {
  const { send, list, notifier } = open(t)
  const burst = Array.from({ length: 10 }, (_, i) => `ERROR: Failure ${i}`)
  const answer = await send(testEvent(burst))
  t.match(answer, { processed: 10, incidents_created: 10, incidents_opened: 1 })
  t.match(await list(), [{ count: 10 }])
  t.equal(notifier.messages.length, 1)
  t.match(await send(testEvent(burst)), { processed: 10, incidents_created: 0 }, 'delivered twice, counted once')
  t.equal(notifier.messages.length, 1)
})

t.test('an audit row is written for each line', async (t) => {
  const rows: AuditRow[] = []
  const wrapStore = (base: IncidentStore): IncidentStore =>
    new Proxy(base, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'record') return value.bind(target)
        return (...request: Parameters<IncidentStore['record']>) => {
          rows.push(...request[0].rows)
          return target.record(...request)
        }
      },
    })
  const { parts } = open(t, { wrapStore })
  await answerProcessorEvent(parts, testEvent(['ERROR: a', 'INFO: b', '{"severity":"CRITICAL","message":"c"}']))
  t.match(rows, [
    { incidentId: 'test-stream-event-0', logGroup: '/aws/lambda/test', logStream: 'test-stream', message: 'ERROR: a' },
    { incidentId: 'test-stream-event-2', severity: 'CRITICAL', ms: 1704067200002 },
  ])
})

t.test('words that only look like a level open no incident', async (t) => {
  const { send, list } = open(t)
  await send(testEvent(['"no ERRORs"', '{"errorCount": 0}', 'errorCount: 0', 'INFO: error rate 0', 'an errorless day']))
  t.same(await list(), [])
})

t.test('failed notifications do not affect the incident and its rows', async (t) => {
  const { send, list, notifier, failures, notify, clock } = open(t)
  notifier.fault = () => 'before'
  t.match(await send(testEvent(['ERROR: no'])), { incidents_created: 1 })
  t.equal(failures.length, 1)
  t.equal((await list()).length, 1)
  notifier.fault = () => undefined
  clock.ms += 5000
  await notify.sendDue()
  t.equal(notifier.messages.length, 1)
})

t.test('a control message is acknowledged and otherwise ignored', async (t) => {
  const { send, list } = open(t)
  t.match(await send(testEvent(['ERROR: x'], { messageType: 'CONTROL_MESSAGE' })), {
    processed: 0,
    incidents_created: 0,
  })
  t.same(await list(), [])
})

t.test('a corrupt event fails, so that the dead-letter queue gets it', async (t) => {
  const { parts, corrupt } = open(t)
  for (const event of [{ awslogs: { data: '%' } }, { awslogs: {} }, { awslogs: null }, {}, null, 7, { Records: 1 }]) {
    await t.rejects(answerProcessorEvent(parts, event), { code: 'body_malformed' })
  }
  t.equal(corrupt.length, 3)
})

t.test('a corrupt Kinesis record fails alone, and records that were not stored are redelivered', async (t) => {
  const kinesis = (sequenceNumber: string, data: string) => ({ kinesis: { sequenceNumber, data } })
  let isFailing = false
  const { parts, list, corrupt } = open(t, {
    wrapStore: (base) =>
      new Proxy(base, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          return name === 'record' && isFailing ? () => Promise.reject(new Error('down')) : value.bind(target)
        },
      }),
  })
  const records = [
    kinesis('1', pack(['ERROR: one'])),
    kinesis('2', 'garbage'),
    null,
    kinesis('4', pack(['ERROR: two'])),
  ]
  isFailing = true
  t.same(await answerProcessorEvent(parts, { Records: records }), {
    batchItemFailures: [{ itemIdentifier: '1' }],
  } satisfies BatchAnswer)
  isFailing = false
  t.same(await answerProcessorEvent(parts, { Records: records }), { batchItemFailures: [] })
  t.equal(corrupt.length, 2)
  t.equal((await list()).length, 2)
})

t.test('any event gives a result or a GatewayError', async (t) => {
  const { parts } = open(t)
  const data = fc.oneof(
    fc.string(),
    fc.json().map((text) => gzipSync(text).toString('base64')),
    fc.jsonValue(),
  )
  const event = fc.oneof(
    fc.jsonValue(),
    fc.record({ awslogs: fc.oneof(fc.jsonValue(), fc.record({ data })) }),
    fc.record({ Records: fc.array(fc.oneof(fc.jsonValue(), fc.record({ kinesis: fc.record({ data }) }))) }),
    fc.array(fc.string({ unit: 'binary' })).map((messages) => testEvent(messages)),
  )
  await fc.assert(
    fc.asyncProperty(event, async (given) => {
      try {
        await answerProcessorEvent(parts, given)
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
      }
    }),
    { numRuns: 300 },
  )
  t.pass()
})

t.test('a scheduled event closes quiet incidents', async (t) => {
  const { parts, send, clock, notifier } = open(t)
  await send(testEvent(['ERROR: x']))
  t.same(await answerProcessorEvent(parts, { source: 'aws.events' }), { closed: 0 })
  clock.ms += RULES.closesAfterMs as number
  t.same(await answerProcessorEvent(parts, { source: 'aws.scheduler' }), { closed: 1 })
  t.match(notifier.messages.at(-1)?.notifications[0], { transition: 'resolved' })
})
