import type { PutRecordBatchCommandInput, PutRecordBatchCommandOutput } from '@aws-sdk/client-firehose'
import fc from 'fast-check'
import t from 'tap'
import { FirehoseRecords, RECORD_BYTES_MAX } from '../../../../src/adapters/aws/write/firehose-records.ts'
import { awsError, SteppedPacing } from '../stepped-pacing.ts'

type Answer = (records: readonly Uint8Array[]) => PutRecordBatchCommandOutput | Promise<PutRecordBatchCommandOutput>

/** Accepts the records that its responses accept. */
class FakeFirehose {
  readonly calls: string[][] = []
  readonly taken: string[] = []
  readonly #answers: Answer[]

  constructor(...answers: Answer[]) {
    this.#answers = answers
  }

  async putRecordBatch({ Records = [] }: PutRecordBatchCommandInput): Promise<PutRecordBatchCommandOutput> {
    const records = Records.map(({ Data = new Uint8Array(0) }) => Data)
    const texts = records.map((data) => Buffer.from(data).toString())
    this.calls.push(texts)
    const answer = await (this.#answers.shift() ?? takeAll)(records)
    for (const [i, { RecordId, ErrorCode }] of (answer.RequestResponses ?? []).entries()) {
      if (RecordId !== undefined && ErrorCode === undefined) this.taken.push(texts[i] as string)
    }
    return answer
  }
}

const takeAll: Answer = (records) => ({
  $metadata: {},
  FailedPutCount: 0,
  RequestResponses: records.map(() => ({ RecordId: 'r' })),
})

/** Rejects records whose text matches. */
const refuse =
  (pattern: RegExp, code = 'ServiceUnavailableException'): Answer =>
  (records) => {
    const isRefused = (data: Uint8Array) => pattern.test(Buffer.from(data).toString())
    return {
      $metadata: {},
      FailedPutCount: records.filter(isRefused).length,
      RequestResponses: records.map((data) =>
        isRefused(data) ? { ErrorCode: code, ErrorMessage: 'Slow down.' } : { RecordId: 'r' },
      ),
    }
  }

const fail =
  (error: unknown): Answer =>
  () =>
    Promise.reject(error)

function open(firehose: FakeFirehose, pacing = new SteppedPacing()) {
  const records = new FirehoseRecords(async () => firehose, 'stream', pacing)
  const put = (...texts: string[]) => records.put(texts.map((text) => Buffer.from(text)))
  return { records, put, pacing }
}

/** A member that does not share a record. */
const large = (letter: string) => letter.repeat(RECORD_BYTES_MAX)

t.test('members of one put share a record, and a call', async (t) => {
  const firehose = new FakeFirehose()
  await open(firehose).put('a', 'b')
  t.same(firehose.calls, [['ab']])
})

t.test('concurrent puts share a record', async (t) => {
  const firehose = new FakeFirehose()
  const { put } = open(firehose)
  await Promise.all([put('a'), put('b'), put('c')])
  t.same(firehose.calls, [['abc']])
})

t.test('a single put does not wait; puts during its call are gathered for a few milliseconds', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const firehose = new FakeFirehose(async (records) => {
    await promise
    return takeAll(records)
  })
  const { put, pacing } = open(firehose)
  const first = put('a')
  await new Promise((done) => setImmediate(done))
  t.same([firehose.calls, pacing.waits], [[['a']], []])
  const others = [put('b'), put('c')]
  await Promise.all(others)
  t.same([firehose.calls, pacing.waits], [[['a'], ['bc']], [5]])
  resolve()
  await first
})

t.test('only rejected records are retried', async (t) => {
  const firehose = new FakeFirehose(refuse(/^b/), refuse(/^b/))
  const { put } = open(firehose)
  await put(large('a'), large('b'), large('c'))
  t.same(
    firehose.calls.map((call) => call.map((text) => text[0])),
    [['a', 'b', 'c'], ['b'], ['b']],
  )
})

t.test('a record that is never accepted rejects only its own append', async (t) => {
  const firehose = new FakeFirehose(...Array.from({ length: 6 }, () => refuse(/^b/)))
  const { put, pacing } = open(firehose)
  const results = await Promise.allSettled([put(large('a')), put(large('b')), put(large('c'))])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.match(results[1], { reason: { code: 'overloaded', message: /ServiceUnavailableException/ } })
  t.equal(firehose.calls.length, 6)
  t.equal(pacing.waits.length, 5)
})

t.test('a put is rejected if one of its records is never accepted', async (t) => {
  const firehose = new FakeFirehose(...Array.from({ length: 6 }, () => refuse(/^b/, 'InternalFailure')))
  await t.rejects(open(firehose).put(large('a'), large('b')), { code: 'store_unavailable', message: /InternalFailure/ })
  t.equal(firehose.taken.length, 1)
})

const FAILURE_ROWS: [name: string, error: unknown, code: string, calls: number][] = [
  ['throttling', awsError('ThrottlingException'), 'overloaded', 6],
  ['no connection', new Error('socket hang up'), 'store_unavailable', 6],
  ['a missing stream', awsError('ResourceNotFoundException'), 'store_unavailable', 1],
  ['no permission', awsError('AccessDeniedException', 403), 'store_unavailable', 1],
]
for (const [name, error, code, calls] of FAILURE_ROWS) {
  t.test(`${name} is ${code} after ${calls} calls`, async (t) => {
    const firehose = new FakeFirehose(...Array.from({ length: 6 }, () => fail(error)))
    await t.rejects(open(firehose).put('a'), { code })
    t.equal(firehose.calls.length, calls)
  })
}

t.test('a call that succeeds on retry is not a failure', async (t) => {
  const firehose = new FakeFirehose(fail(new Error('reset')), refuse(/a/))
  await open(firehose).put('a')
  t.equal(firehose.calls.length, 3)
})

t.test('a response without a result for a record is not a success', async (t) => {
  const mute: Answer = () => ({ $metadata: {}, FailedPutCount: 0, RequestResponses: [] })
  const firehose = new FakeFirehose(...Array.from({ length: 6 }, () => mute))
  await t.rejects(open(firehose).put('a'), { code: 'store_unavailable', message: /NoAnswer/ })
})

t.test('retries end with their time budget', async (t) => {
  const firehose = new FakeFirehose(...Array.from({ length: 6 }, () => fail(new Error('reset'))))
  const pacing = new SteppedPacing(1000)
  await t.rejects(open(firehose, pacing).put('a'), { code: 'store_unavailable' })
  t.equal(firehose.calls.length, 1)
})

t.test('a call has at most 500 records and 4 MB, a record at most 1 MB', async (t) => {
  const sizes: { records: number; bytes: number; largest: number }[] = []
  const firehose = new FakeFirehose()
  const client = {
    putRecordBatch: (input: PutRecordBatchCommandInput) => {
      const lengths = (input.Records ?? []).map(({ Data }) => Data?.length ?? 0)
      const bytes = lengths.reduce((sum, length) => sum + length, 0)
      sizes.push({ records: lengths.length, bytes, largest: Math.max(...lengths) })
      return firehose.putRecordBatch(input)
    },
  }
  const records = new FirehoseRecords(async () => client, 'stream', new SteppedPacing())
  await records.put(Array.from({ length: 40 }, () => Buffer.alloc(600_000)))
  t.equal(
    sizes.reduce((sum, { records }) => sum + records, 0),
    40,
  )
  for (const { records, bytes, largest } of sizes) t.ok(records <= 500 && bytes <= 4_000_000 && largest <= 1_000_000)
})

t.test('a put resolves only if all its members were accepted', async () => {
  const plan = fc.array(fc.constantFrom('all', 'none', 'some', 'throw'), { maxLength: 12 })
  const puts = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(plan, puts, async (answers, puts) => {
      const kinds = {
        all: takeAll,
        none: refuse(/./),
        some: refuse(/[02468]/),
        throw: fail(awsError('ThrottlingException')),
      }
      const firehose = new FakeFirehose(...answers.map((kind) => kinds[kind]))
      const { put } = open(firehose)
      const texts = puts.map((digits, i) => digits.map((digit, j) => `<${i}.${j}:${digit}>`))
      const results = await Promise.allSettled(texts.map((members) => put(...members)))
      const taken = firehose.taken.join('')
      for (const [i, { status }] of results.entries()) {
        if (status === 'rejected') continue
        for (const member of texts[i] as string[]) t.equal(taken.split(member).length, 2, 'taken once')
      }
    }),
    { numRuns: 200 },
  )
})
