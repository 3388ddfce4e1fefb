/** The path from the gateway's queue to archive objects, with services that fail in all ways. */

import { S3 } from '@aws-sdk/client-s3'
import { SQS } from '@aws-sdk/client-sqs'
import t, { type Test } from 'tap'
import { ArchiveBucket } from '../../src/adapters/aws/archive-bucket.ts'
import { DeadLetters, queueOrigin } from '../../src/adapters/aws/worker/dead-letters.ts'
import { DeadLetterSender, QueueConsumer } from '../../src/adapters/aws/worker/queue-consumer.ts'
import { QueueObjects } from '../../src/adapters/aws/worker/queue-objects.ts'
import { runCli } from '../../src/cli/commands.ts'
import { redriveCommand } from '../../src/cli/redrive.ts'
import { archiveQueue, type MessageQueue } from '../../src/flows/archive/archive-queue.ts'
import { rangeOfName } from '../../src/protocol/archive/archive-names.ts'
import { WorkerReports } from '../../src/telemetry/archive-reports.ts'
import { decodeMessage } from '../../src/transport/lambda/sqs-records.ts'
import { BUCKET, DEAD_LETTER_QUEUE, type LocalCloud, PREFIX, QUEUE, startLocalCloud } from '../doubles/local-cloud.ts'
import { archiveLine, linesOf, messageBody, type QueueLine } from '../support/queue-messages.ts'
import { Random } from '../support/random.ts'
import { type FaultPlan, randomFaults } from './fault-plan.ts'
import { FaultProxy } from './fault-proxy.ts'
import { testClient } from './test-client.ts'

const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z
const HOUR_NS = 3600_000_000_000n
const TIMING = { lateAfterMs: 0, bufferMsMax: 0 }

/**
 * A worker that reaches the cloud through a proxy; waits take no time, and failed messages are visible again at once.
 */
async function startWorker(t: Test, cloud: LocalCloud, plan: FaultPlan) {
  const proxy = await FaultProxy.start({ endpoints: cloud.endpoints, plan })
  const endpoint = proxy.endpoints.get('sqs') as string
  const sqs = new SQS(testClient(endpoint))
  const s3 = new S3({ ...testClient(endpoint), forcePathStyle: true })
  t.teardown(() => {
    sqs.destroy()
    s3.destroy()
    return proxy.stop()
  })
  const client = async () => sqs
  const urls = {
    queueUrl: `${endpoint}/000000000000/${QUEUE}`,
    deadLetterUrl: `${endpoint}/000000000000/${DEAD_LETTER_QUEUE}`,
  }
  const consumer = new QueueConsumer(client, urls.queueUrl)
  const archive = new QueueObjects(new ArchiveBucket(async () => s3, BUCKET), PREFIX)
  const deadLetters = new DeadLetterSender(client, urls.deadLetterUrl)
  const reports = new WorkerReports({ debug: () => undefined, warn: () => undefined, error: () => undefined })
  const work = async (): Promise<void> => {
    const stopping = new AbortController()
    const queue: MessageQueue = {
      receive: async ({ visibilityMs }, signal) => {
        if (cloud.messages(QUEUE).length === 0) stopping.abort()
        return consumer.receive({ waitMs: 0, visibilityMs }, signal)
      },
      remove: async (messages) => {
        const left = await consumer.remove(messages)
        await showAgain(consumer, left)
        return left
      },
      hide: (messages) => showAgain(consumer, messages),
    }
    const parts = {
      queue,
      decode: decodeMessage,
      write: (object: Parameters<QueueObjects['write']>[0]) => archive.write(object),
      bury: (message: Parameters<DeadLetterSender['send']>[0], reason: Parameters<DeadLetterSender['send']>[1]) =>
        deadLetters.send(message, reason),
      reports,
      wait: async () => undefined,
      repeat: () => () => undefined,
      random: () => 0,
      receiveFailed: () => undefined,
      removeFailed: () => undefined,
    }
    await archiveQueue(parts, stopping.signal)
  }
  const redrive = () => redriveAll(new DeadLetters(client, urls.deadLetterUrl, queueOrigin(client, urls.queueUrl)))
  return { proxy, work, redrive }
}

/** Retries until it succeeds, because the proxy may reject this too. */
async function showAgain(consumer: QueueConsumer, messages: Parameters<QueueConsumer['hide']>[0]): Promise<void> {
  for (let i = 0; i < 5; i++) await consumer.hide(messages, 0)
}

async function redriveAll(letters: DeadLetters): Promise<number> {
  const open = async () => ({ consumers: new Map([['worker', letters] as const]), close: () => undefined })
  const terminal = {
    stdin: (async function* () {})(),
    isInteractive: false,
    out: () => undefined,
    note: () => undefined,
  }
  return runCli(['redrive'], [redriveCommand(open, Date.now)], terminal)
}

function makeMessages(random: Random, count: number): QueueLine[][] {
  return Array.from({ length: count }, (_, message) =>
    Array.from({ length: 1 + random.integer(5) }, (_, index) => ({
      ns: NOON - BigInt(random.integer(3)) * HOUR_NS + BigInt(random.integer(1_000_000)),
      line: `line ${message}.${index}`,
      tenant: random.chance(0.5) ? 'a' : 'b',
    })),
  )
}

async function archivedLines(t: Test, cloud: LocalCloud): Promise<string[]> {
  const lines: string[] = []
  for (const { key, body } of await cloud.objects(PREFIX)) {
    const range = rangeOfName(key, TIMING)
    if (range === undefined) return t.fail(`${key} has no range`) as never
    lines.push(...linesOf(body))
  }
  return [...new Set(lines)].sort()
}

t.test('every sent line is in the archive when the queue is empty, despite any failures', async (t) => {
  const random = new Random(7)
  const cloud = await startLocalCloud(t, { visibilitySeconds: 60 })
  const sent = makeMessages(random, 60)
  for (const lines of sent) cloud.queues.sendMessage(QUEUE, messageBody(lines))
  const refusing = randomFaults(random, { throttle: 0.1, serverError: 0.1, cutBefore: 0.05 })
  const losing = randomFaults(random, { throttle: 0.1, serverErrorAfter: 0.1, cutAfter: 0.1, partial: 0.1 })
  // A receive whose response is lost hides its messages for a minute, for which no test waits.
  const plan: FaultPlan = (call) => (call.operation === 'ReceiveMessage' ? refusing(call) : losing(call))
  const { proxy, work, redrive } = await startWorker(t, cloud, plan)
  await work()
  for (let round = 0; round < 20 && cloud.deadLetters().length > 0; round++) {
    await redrive()
    await work()
  }
  t.ok(proxy.faults.length > 0, 'calls failed')
  t.same(cloud.messages(QUEUE), [])
  const wanted = sent.flat().map((line) => archiveLine(line).trimEnd())
  t.same(await archivedLines(t, cloud), [...new Set(wanted)].sort())
})

t.test(
  'poison goes to the dead letters with its reason, at its first delivery, and nothing waits for it',
  async (t) => {
    const cloud = await startLocalCloud(t)
    cloud.queues.sendMessage(QUEUE, 'poison')
    cloud.queues.sendMessage(QUEUE, messageBody([{ ns: NOON, line: 'good' }]))
    const { work } = await startWorker(t, cloud, () => undefined)
    await work()
    t.same(cloud.messages(QUEUE), [])
    const letters = cloud.queues.inspectQueue(DEAD_LETTER_QUEUE)?.messages.ready ?? []
    t.match(letters, [{ body: 'poison', messageAttributes: { reason_code: { StringValue: 'body_malformed' } } }])
    t.equal((await archivedLines(t, cloud)).length, 1)
  },
)

t.test('redelivered messages overwrite their object', async (t) => {
  const cloud = await startLocalCloud(t)
  const { work } = await startWorker(t, cloud, () => undefined)
  const bodies = ['a', 'b', 'c'].map((line, index) => messageBody([{ ns: NOON + BigInt(index), line }]))
  for (const body of bodies) cloud.queues.sendMessage(QUEUE, body)
  await work()
  const [before] = await cloud.objects(PREFIX)
  for (const body of bodies.toReversed()) cloud.queues.sendMessage(QUEUE, body)
  await work()
  t.same(await cloud.objects(PREFIX), [before])
  t.match(before?.key, /^logs\/2026\/11\/21\/12\/queue_1795262400000000000_1795262400000000002_[0-9a-f]{32}\.gz$/)
})
