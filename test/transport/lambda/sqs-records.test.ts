import type { SQSEvent } from 'aws-lambda'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { ArchiveObject, ArchiveParts } from '../../../src/flows/archive/archive-messages.ts'
import { WorkerReports } from '../../../src/telemetry/archive-reports.ts'
import { decodeMessage, handleSqsEvent } from '../../../src/transport/lambda/sqs-records.ts'
import { messageBody } from '../../support/queue-messages.ts'

const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z

/** An event as delivered by Lambda: bodies by id, all of one version. */
function sqsEvent(bodies: Readonly<Record<string, string>>, version = '1'): SQSEvent {
  return {
    Records: Object.entries(bodies).map(([messageId, body]) => ({
      messageId,
      body,
      receiptHandle: `receipt of ${messageId}`,
      attributes: {
        ApproximateReceiveCount: '2',
        SentTimestamp: '1795262400000',
        SenderId: 'gateway',
        ApproximateFirstReceiveTimestamp: '1795262400001',
      },
      messageAttributes: { version: { stringValue: version, dataType: 'String' }, raw: { dataType: 'Binary' } },
      md5OfBody: '',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:millrace',
      awsRegion: 'us-east-1',
    })),
  }
}

/** A worker that keeps objects in memory, has no dead letters, and records its log. */
function makeWork() {
  const logged: [string, object, string][] = []
  const log = {
    debug: () => undefined,
    warn: (facts: object, text: string) => logged.push(['warn', facts, text]),
    error: (facts: object, text: string) => logged.push(['error', facts, text]),
  }
  const reports = new WorkerReports(log)
  const objects: ArchiveObject[] = []
  const write = async (object: ArchiveObject): Promise<void> => {
    objects.push(object)
  }
  const work: ArchiveParts = { decode: decodeMessage, write, reports }
  const totals = async () => Object.fromEntries((await reports.totals()).map(({ name, value }) => [name, value]))
  return { work, objects, logged, totals }
}

t.test('the batch response lists exactly the failed messages', async (t) => {
  const { work, objects, totals } = makeWork()
  const good = messageBody([{ ns: NOON, line: 'a' }])
  t.same(await handleSqsEvent(sqsEvent({ good, bad: 'bm8gZ3ppcA==' }), work), {
    batchItemFailures: [{ itemIdentifier: 'bad' }],
  })
  t.equal(objects.length, 1)
  t.match(await totals(), { ProcessedLogCount: 1, ArchivedObjectCount: 1, ProcessingErrors: 1, BuriedMessageCount: 0 })
})

t.test('the batch response is empty on success, also for an event without messages', async (t) => {
  const { work } = makeWork()
  t.same(await handleSqsEvent(sqsEvent({}), work), { batchItemFailures: [] })
  t.same(await handleSqsEvent(sqsEvent({ good: messageBody([{ ns: NOON, line: 'a' }]) }), work), {
    batchItemFailures: [],
  })
})

t.test('an unreadable message is moved to the dead letters, and Lambda deletes it', async (t) => {
  const { work, logged, totals } = makeWork()
  const reasons: GatewayError[] = []
  const bury = async (_message: object, reason: GatewayError): Promise<void> => {
    reasons.push(reason)
  }
  t.same(await handleSqsEvent(sqsEvent({ bad: 'secret' }), { ...work, bury }), { batchItemFailures: [] })
  t.match(reasons, [{ code: 'body_malformed' }])
  t.match(logged, [['error', { messageId: 'bad', code: 'body_malformed' }, /dead letters/]])
  t.notMatch(JSON.stringify(logged), /secret/)
  t.match(await totals(), { ProcessingErrors: 1, BuriedMessageCount: 1 })
})

t.test('a message of an unknown version stays in the queue for a newer worker', async (t) => {
  const { work, logged } = makeWork()
  const event = sqsEvent({ later: messageBody([{ ns: NOON, line: 'a' }]) }, '2')
  t.same(await handleSqsEvent(event, work), { batchItemFailures: [{ itemIdentifier: 'later' }] })
  t.match(logged, [['warn', { code: 'body_malformed', receives: 2 }, /redelivers it/]])
})

t.test('all messages are redelivered while the archive is down', async (t) => {
  const { work } = makeWork()
  const write = async (): Promise<void> => {
    throw new GatewayError('store_unavailable', 'S3 did not accept an object')
  }
  const body = messageBody([{ ns: NOON, line: 'a' }])
  t.same(await handleSqsEvent(sqsEvent({ a: body, b: body }), { ...work, write }), {
    batchItemFailures: [{ itemIdentifier: 'a' }, { itemIdentifier: 'b' }],
  })
})
