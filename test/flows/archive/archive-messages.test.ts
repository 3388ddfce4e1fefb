import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { type ArchiveObject, type ArchiveParts, archiveMessages } from '../../../src/flows/archive/archive-messages.ts'
import { contentHash } from '../../../src/protocol/archive/archive-names.ts'
import { decodeQueueMessage } from '../../../src/protocol/archive/queue-message.ts'
import { archiveLine, linesOf, messageBody, type QueueLine } from '../../support/queue-messages.ts'

const HOUR_NS = 3600_000_000_000n
const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z

/** An in-memory archive whose writes and dead letters can fail, with the reported events. */
class MemoryWork implements ArchiveParts {
  readonly objects = new Map<string, readonly string[]>()
  readonly reported: string[] = []
  readonly buriedIds: string[] = []
  readonly failingHours = new Set<number>()
  isBurialFailing = false

  readonly decode = ({ body }: { body: string }) => decodeQueueMessage(body)

  readonly write = async ({ parts }: ArchiveObject): Promise<void> => {
    const content = Buffer.concat(parts.map((part) => part.content))
    if (parts.some(({ hour }) => this.failingHours.has(hour))) {
      throw new GatewayError('store_unavailable', 'S3 did not accept an object')
    }
    this.objects.set(contentHash(content), linesOf(content))
  }

  readonly bury = async ({ id }: { id: string }): Promise<void> => {
    if (this.isBurialFailing) throw new GatewayError('store_unavailable', 'SQS did not accept a message')
    this.buriedIds.push(id)
  }

  readonly reports = {
    archived: ({ parts }: ArchiveObject) => this.reported.push(`archived ${parts.length}`),
    failed: ({ id }: { id: string }, { code }: GatewayError) => this.reported.push(`failed ${id} ${code}`),
    buried: ({ id }: { id: string }, { code }: GatewayError) => this.reported.push(`buried ${id} ${code}`),
  }

  get lines(): string[] {
    return [...new Set([...this.objects.values()].flat())].sort()
  }
}

const message = (id: string, lines: readonly QueueLine[]) => raw(id, messageBody(lines))
const raw = (id: string, body: string) => ({ id, body, attributes: new Map<string, string>(), receives: 1 })

t.test('joins the messages of a delivery into one object per hour', async (t) => {
  const work = new MemoryWork()
  const { done, failed } = await archiveMessages(
    [
      message('1', [{ ns: NOON, line: 'a' }]),
      message('2', [
        { ns: NOON + 1n, line: 'b' },
        { ns: NOON - 1n, line: 'c' },
      ]),
    ],
    work,
  )
  t.same([...done], ['1', '2'])
  t.equal(failed.size, 0)
  t.equal(work.objects.size, 2)
  t.same(work.reported.toSorted(), ['archived 1', 'archived 2'])
})

t.test('the same messages in another order, or with a duplicate, give the same object', async (t) => {
  const work = new MemoryWork()
  const messages = ['a', 'b', 'c'].map((line, index) => message(line, [{ ns: NOON + BigInt(index), line }]))
  await archiveMessages(messages, work)
  await archiveMessages([...messages.toReversed(), raw('again', messages[0]?.body ?? '')], work)
  t.equal(work.objects.size, 1)
})

t.test('only an unreadable message is moved to the dead letters, with its reason', async (t) => {
  const work = new MemoryWork()
  const { done, failed } = await archiveMessages([raw('bad', '???'), message('good', [{ ns: NOON, line: 'a' }])], work)
  t.same([...done], ['bad', 'good'])
  t.equal(failed.size, 0)
  t.same(work.buriedIds, ['bad'])
  t.same(work.reported, ['buried bad body_malformed', 'archived 1'])
})

t.test('an unreadable message that cannot be moved stays in the queue', async (t) => {
  const work = new MemoryWork()
  work.isBurialFailing = true
  const { done, failed } = await archiveMessages([raw('bad', '???'), message('good', [{ ns: NOON, line: 'a' }])], work)
  t.same([...done], ['good'])
  t.same([...failed], ['bad'])
  t.same(work.reported, ['failed bad body_malformed', 'archived 1'])
})

t.test('without a dead-letter queue, unreadable messages stay in the queue', async (t) => {
  const { decode, write, reports } = new MemoryWork()
  const { failed } = await archiveMessages([raw('bad', '???')], { decode, write, reports })
  t.same([...failed], ['bad'])
})

t.test('a message fails if one of its hours cannot be written, and the others do not', async (t) => {
  const work = new MemoryWork()
  work.failingHours.add(Number(NOON / HOUR_NS))
  const both = message('both', [
    { ns: NOON, line: 'a' },
    { ns: NOON - 1n, line: 'b' },
  ])
  const { done, failed } = await archiveMessages([both, message('before', [{ ns: NOON - 2n, line: 'c' }])], work)
  t.same([...done], ['before'])
  t.same([...failed], ['both'])
  t.same(work.reported, ['archived 2', 'failed both store_unavailable'])
})

t.test('an internal fault fails its message and is reported as internal', async (t) => {
  const work = new MemoryWork()
  const decode = async () => {
    throw new TypeError('a bug')
  }
  const { failed } = await archiveMessages([raw('1', '')], { ...work, decode })
  t.same([...failed], ['1'])
  t.same(work.reported, ['failed 1 internal'])
})

t.test('with any grouping, failures and redeliveries, the archived lines are the sent lines', async (t) => {
  const line = fc.record({ ns: fc.bigInt({ min: NOON - 2n * HOUR_NS, max: NOON + HOUR_NS }), line: fc.string() })
  const messages = fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })
  /** For each round: the size of a delivery, and the hours before noon that fail. */
  const rounds = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: -1, max: 2 }))), {
    maxLength: 5,
  })
  await fc.assert(
    fc.asyncProperty(messages, rounds, async (sent, plan) => {
      const work = new MemoryWork()
      let queue = sent.map((lines, index) => message(String(index), lines))
      for (const [size, hours] of [...plan, [100, []] as const]) {
        work.failingHours.clear()
        for (const hour of hours) work.failingHours.add(Number(NOON / HOUR_NS) - hour)
        const { done, failed } = await archiveMessages(queue.slice(0, size), work)
        t.equal(done.size + failed.size, Math.min(size, queue.length))
        const left = queue.filter(({ id }) => !done.has(id))
        // Failed messages are redelivered after the others.
        queue = [...left.filter(({ id }) => !failed.has(id)), ...left.filter(({ id }) => failed.has(id))]
      }
      t.equal(queue.length, 0)
      const wanted = [...new Set(sent.flat().map((each) => archiveLine(each).trimEnd()))].sort()
      t.same(work.lines, wanted)
    }),
    { numRuns: 100 },
  )
})
