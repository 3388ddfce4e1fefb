import snappy from 'snappyjs'
import t from 'tap'
import { type Batch, type BatchLimits, gatherBatches, type TimeOf } from '../../../src/cli/push/batches.ts'
import type { ReadLines } from '../../../src/cli/push/read-lines.ts'
import type { Wait } from '../../../src/kit/backoff.ts'
import { PUSH_REQUEST } from '../../../src/protocol/loki/loki-push-encode.ts'
import { PushWriter } from '../../../src/protocol/loki/loki-push-writer.ts'

const NEVER = () => new Promise<void>(() => undefined)
const LIMITS = { bytesMax: 1e6, waitMs: 1000 }

interface Options {
  readonly limits?: BatchLimits
  readonly timeOf?: TimeOf
  readonly wait?: Wait
  readonly stop?: AbortSignal
}

function gather(reads: AsyncIterable<ReadLines>, options: Options = {}): AsyncGenerator<Batch> {
  const { limits = LIMITS, timeOf = () => undefined, wait = NEVER, stop } = options
  return gatherBatches(reads, new PushWriter('{a="b"}'), limits, timeOf, { wait, stop })
}

function read(lines: readonly string[], firstNumber = 1, atMs = 1000): ReadLines {
  const bytes = lines.map((line) => Buffer.from(line))
  return { lines: bytes, numbers: lines.map((_, i) => firstNumber + i), tooLong: [], atMs, bytes: 0 }
}

async function* from(reads: readonly ReadLines[]): AsyncGenerator<ReadLines> {
  yield* reads
}

interface Decoded {
  readonly streams: { entries: { timestamp: { seconds: string; nanos: number }; line: string }[] }[]
}

function entriesOf({ entries, numbers }: Batch): { ns: bigint; line: string }[] {
  const message = PUSH_REQUEST.decode(snappy.uncompress(entries.body(0, numbers.length)))
  const { streams } = PUSH_REQUEST.toObject(message, { longs: String, defaults: true }) as Decoded
  return (streams[0]?.entries ?? []).map(({ timestamp, line }) => {
    return { ns: BigInt(timestamp.seconds) * 1_000_000_000n + BigInt(timestamp.nanos), line }
  })
}

async function linesOf(batches: AsyncIterable<Batch>): Promise<string[][]> {
  const all: string[][] = []
  for await (const batch of batches) all.push(entriesOf(batch).map(({ line }) => line))
  return all
}

t.test('a batch is sent when it has enough bytes, and the rest with the end of the input', async (t) => {
  const ten = (letter: string) => letter.repeat(10)
  const reads = [read([ten('a'), ten('b'), ten('c')]), read([ten('d'), ten('e')], 4)]
  t.strictSame(await linesOf(gather(from(reads), { limits: { bytesMax: 30, waitMs: 1000 } })), [
    [ten('a'), ten('b')],
    [ten('c'), ten('d')],
    [ten('e')],
  ])
})

t.test('a batch is sent when its first line has waited long enough', async (t) => {
  const waits: PromiseWithResolvers<void>[] = []
  const wait = () => {
    const made = Promise.withResolvers<void>()
    waits.push(made)
    return made.promise
  }
  const more = Promise.withResolvers<void>()
  const reads = (async function* () {
    yield read(['a'])
    await more.promise
    yield read(['b'], 2)
  })()
  const batches = gather(reads, { wait })
  const first = batches.next()
  while (waits.length === 0) await new Promise(setImmediate)
  waits[0]?.resolve()
  t.strictSame((await first).value?.numbers, [1])
  more.resolve()
  t.strictSame((await batches.next()).value?.numbers, [2])
  t.match(await batches.next(), { done: true })
})

t.test('a stop sends the lines read so far, even if the input never ends', async (t) => {
  const stop = new AbortController()
  const reads = (async function* () {
    yield read(['a', 'b'])
    await new Promise(setImmediate)
    stop.abort()
    await NEVER()
  })()
  t.strictSame(await linesOf(gather(reads, { stop: stop.signal })), [['a', 'b']])
})

t.test('lines have the time at which they were read, and keep their order', async (t) => {
  const reads = [read(['a', 'b'], 1, 1000), read(['c'], 3, 1000), read(['d'], 4, 2000)]
  const times: bigint[] = []
  for await (const batch of gather(from(reads))) times.push(...entriesOf(batch).map(({ ns }) => ns))
  t.strictSame(times, [1_000_000_000n, 1_000_000_001n, 1_000_000_002n, 2_000_000_000n])
})

t.test('a line that states no time follows the line above', async (t) => {
  const timeOf = (line: Uint8Array) => (line[0] === 0x20 ? undefined : BigInt(Buffer.from(line).toString()))
  const times: bigint[] = []
  for await (const batch of gather(from([read(['500', ' at f', ' at g', '700'])]), { timeOf })) {
    times.push(...entriesOf(batch).map(({ ns }) => ns))
  }
  t.strictSame(times, [500n, 501n, 502n, 700n])
})
