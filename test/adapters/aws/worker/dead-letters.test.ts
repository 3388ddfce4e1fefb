import { SQS } from '@aws-sdk/client-sqs'
import { startFauxqs } from 'fauxqs'
import t, { type Test } from 'tap'
import { DeadLetters, functionOrigin, queueOrigin } from '../../../../src/adapters/aws/worker/dead-letters.ts'
import { DeadLetterSender, QueueConsumer } from '../../../../src/adapters/aws/worker/queue-consumer.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { testClient } from '../../../aws/test-client.ts'

const QUEUE = 'logs'
const DEAD = 'dead-letters'
const HOLD = { waitMs: 0, visibilityMs: 60_000 }
const REASON = new GatewayError('body_malformed', 'the message is not base64')
const text = (value: string) => ({ DataType: 'String', StringValue: value })
const lambdaReason = (ErrorMessage: string) => ({
  RequestID: text('8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e'),
  ErrorCode: { DataType: 'Number', StringValue: '200' },
  ErrorMessage: text(ErrorMessage),
})

/** SQS in this process, and the dead letters of a queue and of a function, which share one dead-letter queue. */
async function start(t: Test) {
  const server = await startFauxqs({ port: 0, logger: false })
  for (const name of [QUEUE, DEAD]) server.createQueue(name)
  const endpoint = `http://127.0.0.1:${server.port}`
  const sqs = new SQS(testClient(endpoint))
  t.teardown(() => {
    sqs.destroy()
    return server.stop()
  })
  const client = async () => sqs
  const urlOf = (name: string): string => `${endpoint}/000000000000/${name}`
  const calls: { FunctionName?: string | undefined; InvocationType?: string | undefined; body: string }[] = []
  let isRefusing = false
  const lambda = {
    invoke: async ({
      FunctionName,
      InvocationType,
      Payload,
    }: Parameters<import('@aws-sdk/client-lambda').Lambda['invoke']>[0]) => {
      if (isRefusing) throw Object.assign(new Error('rate exceeded'), { name: 'TooManyRequestsException' })
      calls.push({ FunctionName, InvocationType, body: Buffer.from(Payload as Uint8Array).toString() })
      return { $metadata: {}, StatusCode: 202 }
    },
  }
  return {
    server,
    client,
    calls,
    deadLetterUrl: urlOf(DEAD),
    queue: new QueueConsumer(client, urlOf(QUEUE)),
    ofQueue: new DeadLetters(client, urlOf(DEAD), queueOrigin(client, urlOf(QUEUE))),
    ofFunction: new DeadLetters(
      client,
      urlOf(DEAD),
      functionOrigin(async () => lambda, 'alerts'),
    ),
    refuse: (is: boolean) => {
      isRefusing = is
    },
    there: () => {
      const { ready = [], inflight = [] } = server.inspectQueue(DEAD)?.messages ?? {}
      return [...ready, ...inflight.map(({ message }) => message)].map(({ body }) => body).sort()
    },
  }
}

t.test(
  'a dead letter of a queue keeps its body and attributes, has a reason, and is moved back unchanged',
  async (t) => {
    const { client, queue, ofQueue, deadLetterUrl, there } = await start(t)
    const poison = { id: 'm1', body: 'poison', attributes: new Map([['version', '1']]) }
    await new DeadLetterSender(client, deadLetterUrl).send(poison, REASON)
    const [letter, ...others] = await ofQueue.take()
    t.same(others, [])
    t.match(letter, { id: 'm1', bytes: 6, isOwn: true, reason: { code: 'body_malformed', text: REASON.message } })
    t.same(await ofQueue.take(), [], 'it is held')
    t.ok(letter !== undefined && (await ofQueue.bringBack(letter)))
    t.same(there(), [])
    const [back] = await queue.receive(HOLD)
    t.same([back?.body, Array.from(back?.attributes ?? [])], ['poison', [['version', '1']]])
  },
)

t.test('a message that was received too often has no reason', async (t) => {
  const { server, ofQueue } = await start(t)
  server.sendMessage(DEAD, 'b')
  const taken = await ofQueue.take()
  t.match(taken, [{ bytes: 1, isOwn: true, reason: undefined }])
  await ofQueue.release(taken)
  t.equal((await ofQueue.take()).length, 1)
})

t.test("an event of a function has Lambda's own error, and is handed to the function again", async (t) => {
  const { server, calls, ofFunction, there, refuse } = await start(t)
  const event = JSON.stringify({ awslogs: { data: 'Zürich' } })
  server.sendMessage(DEAD, event, {
    messageAttributes: lambdaReason('store_unavailable: DynamoDB did not take counts'),
  })
  const [letter] = await ofFunction.take()
  t.match(letter, {
    id: '8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e',
    bytes: Buffer.byteLength(event),
    isOwn: true,
    reason: { code: 'Lambda 200', text: 'store_unavailable: DynamoDB did not take counts' },
  })
  if (letter === undefined) return
  refuse(true)
  await t.rejects(ofFunction.bringBack(letter), { code: /store_unavailable|overloaded/ })
  t.same(there(), [event], 'what the function did not take is still a dead letter')
  refuse(false)
  t.equal(await ofFunction.bringBack(letter), true)
  t.same(calls, [{ FunctionName: 'alerts', InvocationType: 'Event', body: event }])
  t.same(there(), [])
})

t.test('a queue does not know the event of a function as its own, nor a function a message of a queue', async (t) => {
  const { server, ofQueue, ofFunction } = await start(t)
  server.sendMessage(DEAD, '{}', { messageAttributes: lambdaReason('x') })
  server.sendMessage(DEAD, 'of the queue')
  const ofOne = await ofQueue.take()
  t.same(
    ofOne.map(({ bytes, isOwn }) => [bytes, isOwn]),
    [
      [2, false],
      [12, true],
    ],
  )
  await ofQueue.release(ofOne)
  t.same(
    (await ofFunction.take()).map(({ isOwn }) => isOwn),
    [true, false],
  )
})

t.test('looking at many and letting go of them loses none, again and again', async (t) => {
  const { server, ofQueue, there } = await start(t)
  const bodies = Array.from({ length: 95 }, (_, i) => `b${String(i).padStart(2, '0')}`)
  for (const body of bodies) server.sendMessage(DEAD, body)
  for (let round = 0; round < 8; round++) {
    const held = []
    for (let taken = await ofQueue.take(); taken.length > 0; taken = await ofQueue.take()) held.push(...taken)
    t.equal(held.length, bodies.length)
    await ofQueue.release(held)
    t.same(there(), bodies)
  }
})
