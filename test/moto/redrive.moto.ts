/** `millrace redrive` of every consumer's dead letters: messages go to their queue, events to their function. */

import { SQS } from '@aws-sdk/client-sqs'
import t, { type Test } from 'tap'
import { runCli } from '../../src/cli/commands.ts'
import { redriveCommand } from '../../src/cli/redrive.ts'
import { openDeadLetters } from '../../src/homes/worker-home.ts'
import { motoClient, uniqueName } from './moto-client.ts'

const sqs = new SQS(motoClient())
t.teardown(() => sqs.destroy())

const text = (StringValue: string) => ({ DataType: 'String', StringValue })

async function createQueue(name: string): Promise<string> {
  return (await sqs.createQueue({ QueueName: uniqueName(name) })).QueueUrl as string
}

async function countOf(QueueUrl: string): Promise<number> {
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] })
  return Number(Attributes?.['ApproximateNumberOfMessages'])
}

/** Six events on which the function failed, as Lambda writes them to its dead-letter queue. */
async function sendEvents(QueueUrl: string, body: string): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const MessageAttributes = {
      RequestID: text(`8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3${i}`),
      ErrorCode: { DataType: 'Number', StringValue: '200' },
      ErrorMessage: text('store_unavailable: DynamoDB did not take counts of lines'),
    }
    await sqs.sendMessage({ QueueUrl, MessageBody: body, MessageAttributes })
  }
}

/** Moto's own interface; other emulators return an error. */
async function askMoto(path: string, body?: object): Promise<string> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`${process.env['MOTO_URL']}/moto-api/${path}`, init)
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return response.text()
}

/** The events of asynchronous calls by function name. Moto records bodies as base64. */
async function callsOf(names: readonly string[]): Promise<readonly (readonly string[])[]> {
  const recorded = (await askMoto('recorder/download-recording')).split('\n').filter((row) => row !== '')
  const requests = recorded.map(
    (row) => JSON.parse(row) as { url: string; body: string; headers: Record<string, string> },
  )
  return names.map((name) =>
    requests
      .filter(({ url }) => url.endsWith(`/functions/${name}/invocations`))
      .filter(({ headers }) => headers['X-Amz-Invocation-Type'] === 'Event')
      .map(({ body }) => Buffer.from(body, 'base64').toString()),
  )
}

/** The queues, dead letters and two functions of a stage; functions respond without running. */
async function createStage() {
  await askMoto('config', { lambda: { use_docker: false } })
  const [queueUrl, deadLetterUrl, alertDeadLetterUrl, pollerDeadLetterUrl] = (await Promise.all(
    ['ingest', 'dead', 'alert-dead', 'poller-dead'].map(createQueue),
  )) as [string, string, string, string]
  const settings = {
    queueUrl,
    deadLetterUrl,
    alertFunction: uniqueName('alerts'),
    alertDeadLetterUrl,
    pollerFunction: uniqueName('poller'),
    pollerDeadLetterUrl,
  }
  for (let i = 0; i < 13; i++) await sqs.sendMessage({ QueueUrl: deadLetterUrl, MessageBody: `lines ${i}` })
  await sendEvents(alertDeadLetterUrl, '{"awslogs":{"data":"H4sI"}}')
  await sendEvents(pollerDeadLetterUrl, '{}')
  const counts = async () =>
    Promise.all([queueUrl, deadLetterUrl, alertDeadLetterUrl, pollerDeadLetterUrl].map(countOf))
  return { settings, counts }
}

async function redrive(t: Test, settings: Parameters<typeof openDeadLetters>[0], ...args: string[]) {
  let out = ''
  let notes = ''
  const command = redriveCommand(async () => openDeadLetters(settings), Date.now)
  const code = await runCli(['redrive', ...args], [command], {
    stdin: (async function* () {})(),
    isInteractive: false,
    out: (written) => {
      out += written
    },
    note: (written) => {
      notes += written
    },
  })
  t.comment(notes)
  return { code, out, notes }
}

t.test('--dry-run shows all, and changes nothing, again and again', async (t) => {
  const { settings, counts } = await createStage()
  t.same(await counts(), [0, 13, 6, 6])
  for (let i = 0; i < 3; i++) {
    const { code, out } = await redrive(t, settings, '--dry-run')
    t.equal(code, 0)
    t.equal(out.split('\n').length, 13 + 6 + 6 + 1)
    t.match(
      out,
      /\nalerts {2}\S+ {2}8f6d1a2e-\S+ {2}27 bytes {2}Lambda 200: store_unavailable: DynamoDB did not take counts/,
    )
    t.same(await counts(), [0, 13, 6, 6])
  }
})

t.test("the worker's messages go to its queue, events to their function, and to nothing else", async (t) => {
  const { settings, counts } = await createStage()
  t.match(await redrive(t, settings, '--from', 'worker'), { code: 0, notes: 'worker: 13 messages brought back\n' })
  t.same(await counts(), [13, 0, 6, 6])
  await askMoto('recorder/reset-recording', {})
  await askMoto('recorder/start-recording', {})
  const functions = [settings.alertFunction, settings.pollerFunction]
  t.match(await redrive(t, settings, '--from', 'alerts'), { code: 0, notes: 'alerts: 6 messages brought back\n' })
  t.same(await counts(), [13, 0, 0, 6])
  const events = Array.from({ length: 6 }, () => '{"awslogs":{"data":"H4sI"}}')
  t.same(await callsOf(functions), [events, []])
  t.match(await redrive(t, settings), { code: 0, notes: /poller: 6 messages brought back\n$/ })
  t.same(await counts(), [13, 0, 0, 0])
  t.same(await callsOf(functions), [events, ['{}', '{}', '{}', '{}', '{}', '{}']])
  await askMoto('recorder/stop-recording', {})
})

t.test('an event of the alert processor in the dead letters of the worker stays there', async (t) => {
  const { settings, counts } = await createStage()
  await sendEvents(settings.deadLetterUrl, '{"awslogs":{"data":"H4sI"}}')
  const { notes } = await redrive(t, settings, '--from', 'worker')
  t.equal(notes, 'worker: 6 messages of another consumer left in the dead letters\nworker: 13 messages brought back\n')
  t.same(await counts(), [13, 6, 6, 6])
})
