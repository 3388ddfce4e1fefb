import type {
  SendMessageBatchCommandInput,
  SendMessageBatchCommandOutput,
  SendMessageBatchRequestEntry,
  SendMessageCommandInput,
} from '@aws-sdk/client-sqs'
import t from 'tap'
import { LogQueue, MESSAGE_MEMBER_BYTES_MAX } from '../../../../src/adapters/aws/write/log-queue.ts'
import { awsError, SteppedPacing } from '../stepped-pacing.ts'

type Verdict = (entry: SendMessageBatchRequestEntry) => { Code: string; SenderFault: boolean } | undefined

/** A queue whose first calls fail or reject parts. */
class FakeQueue {
  readonly bodies: string[] = []
  readonly calls: number[] = []
  readonly inputs: SendMessageCommandInput[] = []
  readonly #faults: (Error | Verdict | undefined)[]

  constructor(...faults: (Error | Verdict | undefined)[]) {
    this.#faults = faults
  }

  async sendMessage(input: SendMessageCommandInput) {
    this.calls.push(1)
    this.inputs.push(input)
    const fault = this.#faults.shift()
    if (fault instanceof Error) throw fault
    this.bodies.push(input.MessageBody ?? '')
    return { $metadata: {}, MessageId: 'm' }
  }

  async sendMessageBatch({ Entries = [] }: SendMessageBatchCommandInput): Promise<SendMessageBatchCommandOutput> {
    this.calls.push(Entries.length)
    const fault = this.#faults.shift()
    if (fault instanceof Error) throw fault
    const results = Entries.map((entry) => ({ entry, refusal: fault?.(entry) }))
    const taken = results.filter(({ refusal }) => refusal === undefined)
    this.bodies.push(...taken.map(({ entry }) => entry.MessageBody ?? ''))
    return {
      $metadata: {},
      Successful: taken.map(({ entry }) => ({ Id: entry.Id, MessageId: 'm', MD5OfMessageBody: '' })),
      Failed: results.flatMap(({ entry, refusal }) => (refusal === undefined ? [] : [{ Id: entry.Id, ...refusal }])),
    }
  }
}

const member = (text: string, oldest = 1n, newest = 2n) => ({
  bytes: Buffer.from(text),
  entries: 1,
  textBytes: text.length,
  oldest,
  newest,
})

function open(queue: FakeQueue, pacing = new SteppedPacing()) {
  return { queue: new LogQueue(async () => queue, 'http://queue/', pacing), pacing }
}

const bodyOf = (text: string) => Buffer.from(text).toString('base64')

t.test('a member is a base64 message with version and times as attributes', async (t) => {
  const fake = new FakeQueue()
  await open(fake).queue.send([member('gzip', -5n, 9n)])
  t.same(fake.inputs, [
    {
      QueueUrl: 'http://queue/',
      MessageBody: bodyOf('gzip'),
      MessageAttributes: {
        version: { DataType: 'String', StringValue: '1' },
        oldest: { DataType: 'String', StringValue: '-5' },
        newest: { DataType: 'String', StringValue: '9' },
      },
    },
  ])
})

t.test('members are sent in calls of at most ten messages and 1 MiB', async (t) => {
  const fake = new FakeQueue()
  const { queue } = open(fake)
  await queue.send(Array.from({ length: 23 }, (_, i) => member(`m${i}`)))
  t.same(fake.calls, [10, 10, 3])
  fake.calls.length = 0
  await queue.send(Array.from({ length: 3 }, () => member('x'.repeat(400_000))))
  t.same(fake.calls, [1, 1, 1])
  t.equal(fake.bodies.length, 26)
})

t.test('the largest member fits in a message', async (t) => {
  const base64 = Math.ceil(MESSAGE_MEMBER_BYTES_MAX / 3) * 4
  t.ok(base64 + 'versionoldestnewest'.length + 18 + 41 <= 1_048_576)
})

t.test('only rejected messages are retried', async (t) => {
  const isSecond: Verdict = ({ MessageBody }) =>
    MessageBody === bodyOf('b') ? { Code: 'ThrottlingException', SenderFault: false } : undefined
  const fake = new FakeQueue(isSecond)
  await open(fake).queue.send([member('a'), member('b'), member('c')])
  t.same(fake.calls, [3, 1])
  t.same(fake.bodies, [bodyOf('a'), bodyOf('c'), bodyOf('b')])
})

t.test('sender faults are not retried', async (t) => {
  const fake = new FakeQueue(() => ({ Code: 'InvalidMessageContents', SenderFault: true }))
  await t.rejects(open(fake).queue.send([member('a'), member('b')]), {
    code: 'store_unavailable',
    message: /InvalidMessageContents/,
  })
  t.same(fake.calls, [2])
})

const FAILURE_ROWS: [name: string, error: Error, code: string, calls: number][] = [
  ['throttling', awsError('RequestThrottled'), 'overloaded', 6],
  ['no connection', new Error('reset'), 'store_unavailable', 6],
  ['a missing queue', awsError('QueueDoesNotExist'), 'store_unavailable', 1],
]
for (const [name, error, code, calls] of FAILURE_ROWS) {
  t.test(`${name} is ${code} after ${calls} calls`, async (t) => {
    const fake = new FakeQueue(...Array.from({ length: 6 }, () => error))
    await t.rejects(open(fake).queue.send([member('a')]), { code })
    t.equal(fake.calls.length, calls)
  })
}
