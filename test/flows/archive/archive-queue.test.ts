import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { ArchiveObject } from '../../../src/flows/archive/archive-messages.ts'
import {
  archiveQueue,
  type MessageQueue,
  type QueueWork,
  type ReceivedMessage,
} from '../../../src/flows/archive/archive-queue.ts'
import { decodeQueueMessage } from '../../../src/protocol/archive/queue-message.ts'
import { archiveLine, linesOf, messageBody, type QueueLine } from '../../support/queue-messages.ts'

const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z

interface Stored {
  readonly id: string
  readonly body: string
  receives: number
  receipt: string
  /** Hidden until this time. */
  visibleMs: number
}

/** An in-memory queue, with a clock that only waits advance. Stops the worker when it is empty. */
class MemoryQueue implements MessageQueue {
  nowMs = 0
  readonly stopping = new AbortController()
  readonly stored: Stored[] = []
  readonly deadLetters: string[] = []
  readonly polls: number[] = []
  /** Outcomes of successive calls; later calls succeed. */
  receiveFaults: boolean[] = []
  removeFaults: boolean[] = []
  receivesMax = Number.POSITIVE_INFINITY
  #receipts = 0

  send(id: string, lines: readonly QueueLine[]): void {
    this.stored.push({ id, body: messageBody(lines), receives: 0, receipt: '', visibleMs: 0 })
  }

  async receive({ waitMs, visibilityMs }: { waitMs: number; visibilityMs: number }): Promise<ReceivedMessage[]> {
    this.polls.push(waitMs)
    if (this.receiveFaults.shift() === true) throw new GatewayError('overloaded', 'receiving from SQS failed')
    const visible = () => this.stored.filter((message) => message.visibleMs <= this.nowMs)
    if (visible().length === 0) this.nowMs += waitMs
    for (const message of visible().filter(({ receives }) => receives >= this.receivesMax)) {
      this.stored.splice(this.stored.indexOf(message), 1)
      this.deadLetters.push(message.id)
    }
    const taken = visible().slice(0, 10)
    for (const message of taken) {
      message.receives++
      message.receipt = String(++this.#receipts)
      message.visibleMs = this.nowMs + visibilityMs
    }
    if (this.stored.length === 0) this.stopping.abort()
    return taken.map(({ id, body, receives, receipt }) => ({ id, body, receives, receipt, attributes: new Map() }))
  }

  async remove(messages: readonly ReceivedMessage[]): Promise<readonly ReceivedMessage[]> {
    if (this.removeFaults.shift() === true) return messages
    for (const { id } of messages) {
      const index = this.stored.findIndex((message) => message.id === id)
      if (index >= 0) this.stored.splice(index, 1)
    }
    return []
  }

  readonly hidden: number[] = []

  async hide(messages: readonly ReceivedMessage[], visibilityMs: number): Promise<void> {
    this.hidden.push(visibilityMs)
    for (const { receipt } of messages) {
      const message = this.stored.find((each) => each.receipt === receipt)
      if (message !== undefined) message.visibleMs = this.nowMs + visibilityMs
    }
  }
}

/** A worker over the queue, with its writes and waits. A slow one is still working when a heartbeat is due. */
function makeWorker(queue: MemoryQueue, writeFaults: boolean[] = [], isSlow = false) {
  const lines: string[] = []
  const objects: number[] = []
  const waits: number[] = []
  const reported: string[] = []
  const beats: (() => void)[] = []
  const work: QueueWork = {
    queue,
    decode: ({ body }) => decodeQueueMessage(body),
    write: async ({ parts }: ArchiveObject) => {
      if (isSlow) for (const beat of beats) beat()
      if (writeFaults.shift() === true) throw new GatewayError('store_unavailable', 'S3 did not accept an object')
      objects.push(parts.length)
      lines.push(...linesOf(Buffer.concat(parts.map(({ content }) => content))))
    },
    reports: {
      archived: () => undefined,
      failed: ({ id }) => reported.push(`failed ${id}`),
      buried: ({ id }) => reported.push(`buried ${id}`),
    },
    wait: async (ms) => {
      waits.push(ms)
      queue.nowMs += ms
    },
    repeat: (beat) => {
      beats.push(beat)
      return () => {
        const index = beats.indexOf(beat)
        if (index >= 0) beats.splice(index, 1)
      }
    },
    random: () => 1,
    receiveFailed: ({ code }) => reported.push(`receive ${code}`),
    removeFailed: (count) => reported.push(`remove ${count}`),
  }
  const run = () => archiveQueue(work, queue.stopping.signal)
  return { run, lines, objects, waits, reported, beats, work }
}

const line = (index: number): QueueLine => ({ ns: NOON + BigInt(index), line: `line ${index}` })

t.test('archives messages, deletes them, and polls for more', async (t) => {
  const queue = new MemoryQueue()
  for (let i = 0; i < 3; i++) queue.send(String(i), [line(i)])
  const { run, lines, objects, waits } = makeWorker(queue)
  await run()
  t.equal(lines.length, 3)
  t.same(objects, [3])
  t.same(queue.stored, [])
  t.same(queue.polls, [20_000, 20_000])
  t.same(waits, [])
})

t.test('gathers full receives into one delivery, up to a hundred messages', async (t) => {
  const queue = new MemoryQueue()
  for (let i = 0; i < 125; i++) queue.send(String(i), [line(i)])
  const { run, objects } = makeWorker(queue)
  await run()
  t.same(objects, [100, 25])
})

t.test('deletes only messages whose lines are durable, and retries others with increasing waits', async (t) => {
  const queue = new MemoryQueue()
  queue.send('1', [line(1)])
  const { run, lines, reported, waits } = makeWorker(queue, [true, true, true])
  await run()
  t.same(reported, ['failed 1', 'failed 1', 'failed 1'])
  t.same(queue.hidden, [30_000, 120_000, 480_000])
  t.equal(lines.length, 1)
  t.equal(waits[0], 1000)
})

t.test('waits longer after each failure while receiving fails', async (t) => {
  const queue = new MemoryQueue()
  queue.receiveFaults = Array.from({ length: 9 }, () => true)
  const { run, waits, reported } = makeWorker(queue)
  await run()
  t.same(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  t.equal(reported.length, 9)
})

t.test('archives the received messages if another receive of the delivery fails', async (t) => {
  const queue = new MemoryQueue()
  for (let i = 0; i < 10; i++) queue.send(String(i), [line(i)])
  queue.receiveFaults = [false, true]
  const { run, lines } = makeWorker(queue)
  await run()
  t.equal(lines.length, 10)
})

t.test('extends the visibility timeout while it works', async (t) => {
  const queue = new MemoryQueue()
  queue.send('1', [line(1)])
  const { run, beats } = makeWorker(queue, [], true)
  await run()
  t.same(queue.hidden, [60_000])
  t.same(beats, [], 'and no longer')
})

t.test('archives messages again that could not be deleted', async (t) => {
  const queue = new MemoryQueue()
  queue.send('1', [line(1)])
  queue.removeFaults = [true]
  const { run, lines, reported } = makeWorker(queue)
  await run()
  t.same(reported, ['remove 1'])
  t.same(lines, [archiveLine(line(1)).trimEnd(), archiveLine(line(1)).trimEnd()])
  t.same(queue.stored, [])
})

t.test(
  'two workers that get the same message, as its time ran out meanwhile, archive it both, and it is gone',
  async (t) => {
    const queue = new MemoryQueue()
    queue.send('1', [line(1)])
    const slow = makeWorker(queue)
    const quick = makeWorker(queue)
    const write = async (object: ArchiveObject): Promise<void> => {
      queue.nowMs += 61_000
      await quick.run()
      await slow.work.write(object)
    }
    await archiveQueue({ ...slow.work, write }, queue.stopping.signal)
    t.same(slow.lines, quick.lines)
    t.equal(slow.lines.length, 1)
    t.same(queue.stored, [])
  },
)

t.test('after an abort it finishes its messages and receives no more', async (t) => {
  const queue = new MemoryQueue()
  for (let i = 0; i < 30; i++) queue.send(String(i), [line(i)])
  const { work, lines } = makeWorker(queue)
  const write = (object: ArchiveObject) => {
    queue.stopping.abort()
    return work.write(object)
  }
  queue.stored.splice(25)
  await archiveQueue({ ...work, write }, queue.stopping.signal)
  t.equal(lines.length, 25)
  t.same(queue.stored, [])
  t.same(queue.polls, [20_000, 0, 0])
})

t.test('with any failures, every line is archived or in a dead letter', async (t) => {
  const faults = fc.array(fc.boolean(), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      faults,
      faults,
      faults,
      fc.integer({ min: 1, max: 6 }),
      async (count, receiveFaults, removeFaults, writeFaults, receivesMax) => {
        const queue = new MemoryQueue()
        Object.assign(queue, { receiveFaults, removeFaults, receivesMax })
        for (let i = 0; i < count; i++) queue.send(String(i), [line(i)])
        const { run, lines } = makeWorker(queue, writeFaults, true)
        await run()
        t.same(queue.stored, [])
        const kept = new Set(lines)
        for (const id of queue.deadLetters) kept.add(archiveLine(line(Number(id))).trimEnd())
        t.equal(kept.size, count)
      },
    ),
    { numRuns: 100 },
  )
})
