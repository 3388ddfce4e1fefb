import { SQS } from '@aws-sdk/client-sqs'
import { type FauxqsServer, startFauxqs } from 'fauxqs'
import t, { type Test } from 'tap'
import { DeadLetterSender, QueueConsumer } from '../../../../src/adapters/aws/worker/queue-consumer.ts'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { testClient } from '../../../aws/test-client.ts'

const QUEUE = 'logs'
const DEAD = 'dead-letters'

/** An in-process SQS with two queues, and an SDK client. */
async function startQueues(t: Test) {
  const server = await startFauxqs({ port: 0, logger: false })
  for (const name of [QUEUE, DEAD]) server.createQueue(name)
  const endpoint = `http://127.0.0.1:${server.port}`
  const sqs = new SQS(testClient(endpoint))
  t.teardown(() => {
    sqs.destroy()
    return server.stop()
  })
  const client = async () => sqs
  const urls = { queueUrl: `${endpoint}/000000000000/${QUEUE}`, deadLetterUrl: `${endpoint}/000000000000/${DEAD}` }
  return { server, sqs, client, ...urls, queue: new QueueConsumer(client, urls.queueUrl) }
}

const HOLD = { waitMs: 0, visibilityMs: 60_000 }
const text = (value: string) => ({ DataType: 'String', StringValue: value })

function bodies(server: FauxqsServer, name: string): string[] {
  const { ready = [], inflight = [] } = server.inspectQueue(name)?.messages ?? {}
  return [...ready, ...inflight.map(({ message }) => message)].map(({ body }) => body).sort()
}

t.test('receives up to ten messages with their attributes, and hides them', async (t) => {
  const { server, queue } = await startQueues(t)
  for (let i = 0; i < 12; i++) server.sendMessage(QUEUE, `b${i}`, { messageAttributes: { version: text('1') } })
  const first = await queue.receive(HOLD)
  t.equal(first.length, 10)
  t.match(first[0], { body: 'b0', receives: 1 })
  t.equal(first[0]?.attributes.get('version'), '1')
  t.ok((first[0]?.sentMs ?? 0) > 1e12)
  t.same(
    (await queue.receive(HOLD)).map(({ body }) => body),
    ['b10', 'b11'],
  )
  t.same(await queue.receive(HOLD), [])
})

t.test('messages that are no longer hidden are received again, with a receive count', async (t) => {
  const { server, queue } = await startQueues(t)
  server.sendMessage(QUEUE, 'b')
  await queue.hide(await queue.receive(HOLD), 0)
  t.match(await queue.receive(HOLD), [{ body: 'b', receives: 2 }])
})

t.test('deletes any number of messages, and returns those that failed', async (t) => {
  const { server, queue } = await startQueues(t)
  for (let i = 0; i < 25; i++) server.sendMessage(QUEUE, `b${i}`)
  const held = [...(await queue.receive(HOLD)), ...(await queue.receive(HOLD)), ...(await queue.receive(HOLD))]
  t.equal(held.length, 25)
  t.same(await queue.remove(held), [])
  t.same(bodies(server, QUEUE), [])
})

t.test('failed deletions are returned, not thrown', async (t) => {
  const { server, sqs, queueUrl } = await startQueues(t)
  for (let i = 0; i < 12; i++) server.sendMessage(QUEUE, `b${i}`)
  let calls = 0
  const failing = new QueueConsumer(
    async () => ({
      ...bind(sqs),
      deleteMessageBatch: async ({ Entries = [] }) => {
        if (++calls === 1) throw new Error('no answer')
        return {
          $metadata: {},
          Successful: [],
          Failed: Entries.slice(1).map(({ Id }) => ({ Id, Code: 'X', SenderFault: true })),
        }
      },
      changeMessageVisibilityBatch: () => Promise.reject(new Error('no answer')),
    }),
    queueUrl,
  )
  const held = [...(await failing.receive(HOLD)), ...(await failing.receive(HOLD))]
  const left = await failing.remove(held)
  t.same(
    left.map(({ body }) => body),
    [...held.slice(0, 10), ...held.slice(11)].map(({ body }) => body),
  )
  await t.resolves(failing.hide(held, 1000))
})

/** The client's calls as a plain object, so that tests can replace them. */
function bind(sqs: SQS) {
  return {
    receiveMessage: sqs.receiveMessage.bind(sqs),
    deleteMessageBatch: sqs.deleteMessageBatch.bind(sqs),
    changeMessageVisibilityBatch: sqs.changeMessageVisibilityBatch.bind(sqs),
    sendMessage: sqs.sendMessage.bind(sqs),
  }
}

t.test('an aborted poll returns no messages', async (t) => {
  const { queue } = await startQueues(t)
  const stopping = new AbortController()
  const polled = queue.receive({ waitMs: 20_000, visibilityMs: 60_000 }, stopping.signal)
  stopping.abort()
  t.same(await polled, [])
})

t.test("reports failures without the service's message", async (t) => {
  const { client, queueUrl } = await startQueues(t)
  const nowhere = new QueueConsumer(client, `${queueUrl}-that-is-not-there`)
  await t.rejects(nowhere.receive(HOLD), { code: 'store_unavailable', message: /^receiving from SQS failed \(\w+\)/ })
})

const REASON = new GatewayError('body_malformed', 'the message is not base64')
const held = (attributes: readonly (readonly [string, string])[], body = 'poison') => ({
  id: 'm1',
  body,
  attributes: new Map(attributes),
})

t.test('a dead letter has at most ten attributes, the reasons among them', async (t) => {
  const { client, deadLetterUrl } = await startQueues(t)
  const many = Array.from({ length: 10 }, (_, index) => [`a${index}`, 'v'] as const)
  await new DeadLetterSender(client, deadLetterUrl).send(held(many), REASON)
  const [letter] = await new QueueConsumer(client, deadLetterUrl).receive(HOLD)
  t.equal(letter?.attributes.size, 10)
  t.equal(letter?.attributes.get('reason_code'), 'body_malformed')
})

t.test('a message too large for a reason is rejected, and stays in its queue', async (t) => {
  const { client, deadLetterUrl } = await startQueues(t)
  const full = held([], 'x'.repeat(1_048_576))
  await t.rejects(new DeadLetterSender(client, deadLetterUrl).send(full, REASON), { code: 'store_unavailable' })
})
