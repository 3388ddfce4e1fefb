import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import t, { type Test } from 'tap'
import { CloudWatchSink } from '../../../../src/adapters/aws/poller/cloudwatch-sink.ts'
import type { SourceEntry } from '../../../../src/domain/sources/source-entry.ts'
import { testClient } from '../../../aws/test-client.ts'
import { FakeCloudWatch, named } from '../../../cognigy/fake-cloudwatch.ts'
import { CloudWatchLogsDouble } from '../../../doubles/cloudwatch-logs-double.ts'
import { FixedClock } from '../../../support/helper.ts'

const PROJECT = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }
const GROUP = 'cognigy-logs'
const STREAM = 'lambda-poller-stream'
const NOBODY: ReadonlySet<string> = new Set()
const NOW = new FixedClock().ms

const entryOf = (i: number, timestampMs = NOW - 1000 + i, msg = `message ${i}`): SourceEntry => {
  const _id = (0x69200000 + i).toString(16).padStart(24, '0')
  const json = JSON.stringify({ _id, timestamp: new Date(timestampMs).toISOString(), msg })
  return { id: _id, timestampMs, level: 'info', line: msg, metadata: [], json }
}
const entries = (count: number): SourceEntry[] => Array.from({ length: count }, (_, i) => entryOf(i))

const fakeSink = (tokens?: { load(): Promise<string | undefined>; save(id: string, token: string): Promise<void> }) => {
  const fake = new FakeCloudWatch(() => NOW)
  const waits: number[] = []
  const sink = new CloudWatchSink({
    client: fake.client,
    group: GROUP,
    streamOf: () => STREAM,
    tokens,
    wait: async (ms) => void waits.push(ms),
    random: () => 1,
  })
  const messages = () => (fake.streams.get(`${GROUP}/${STREAM}`) ?? []).map(({ message }) => message)
  const puts = () => fake.calls.filter(({ name }) => name === 'PutLogEvents')
  return { fake, sink, waits, messages, puts }
}

const doubleSink = async (t: Test) => {
  const double = await CloudWatchLogsDouble.start({ clock: new FixedClock() })
  const client = new CloudWatchLogsClient(testClient(double.url))
  t.teardown(async () => {
    client.destroy()
    await double.stop()
  })
  const sink = new CloudWatchSink({
    client,
    group: GROUP,
    streamOf: () => STREAM,
    wait: async () => {},
    random: () => 0,
  })
  return { double, sink, messages: () => double.events(GROUP, STREAM).map(({ message }) => message) }
}

t.test('creates group and stream, and writes each entry as one event through the SDK', async (t) => {
  const { sink, messages } = await doubleSink(t)
  const outcome = await sink.write(PROJECT, entries(3), NOBODY)
  t.same(outcome, { stored: 3, duplicates: 0, oversized: 0, rejected: new Map() })
  t.same(
    messages(),
    entries(3).map(({ json }) => json),
  )
})

t.test('creates a stream without permission to create groups', async (t) => {
  const { sink, fake, messages } = fakeSink()
  fake.groups.add(GROUP)
  fake.fault = (name) => {
    if (name === 'CreateLogGroup') throw named('AccessDeniedException')
  }
  t.match(await sink.write(PROJECT, entries(1), NOBODY), { stored: 1 })
  t.equal(messages().length, 1)
})

t.test('stays within the limits of a call: events, bytes, time span', async (t) => {
  const { sink, messages } = await doubleSink(t)
  const many = [
    ...Array.from({ length: 10_050 }, (_, i) => entryOf(i, NOW - 50 * 3600_000)),
    ...Array.from({ length: 12 }, (_, i) => entryOf(20_000 + i, NOW - 3600_000, 'é'.repeat(100_000))),
    entryOf(30_000, NOW),
  ]
  t.match(await sink.write(PROJECT, many, NOBODY), { stored: many.length })
  t.equal(messages().length, many.length)
})

t.test('an entry larger than a call is split, and its parts concatenate to the whole', async (t) => {
  const { sink, messages } = await doubleSink(t)
  const rows = [
    ['one-byte characters', 'x'.repeat(1_048_550)],
    ['multi-byte characters', '𝄞é€'.repeat(200_000)],
    ['characters that JSON escapes', '\u0001"\\'.repeat(200_000)],
  ] as const
  for (const [i, [name, text]] of rows.entries()) {
    const entry = entryOf(i, NOW, text)
    const before = messages().length
    t.match(await sink.write(PROJECT, [entry], NOBODY), { stored: 1, oversized: 1 }, name)
    const parts = messages()
      .slice(before)
      .map((message) => JSON.parse(message))
    t.equal(parts.map(({ text }) => text).join(''), entry.json, name)
    t.match(parts[0], { _id: entry.id, millracePart: `1/${parts.length}` })
    t.match(await sink.write(PROJECT, [entry], new Set([entry.id])), { stored: 0, duplicates: 1 }, `${name}, again`)
  }
})

t.test('looks up doubtful entries, and writes only missing ones', async (t) => {
  const { sink, messages } = await doubleSink(t)
  await sink.write(PROJECT, entries(2500), NOBODY)
  const more = entries(2600)
  const outcome = await sink.write(PROJECT, more, new Set(more.map(({ id }) => id)))
  t.match(outcome, { stored: 100, duplicates: 2500 })
  t.equal(new Set(messages()).size, 2600)
  t.equal(messages().length, 2600)
})

t.test('looks up nothing if no entry is doubtful', async (t) => {
  const { sink, fake } = fakeSink()
  await sink.write(PROJECT, entries(3), NOBODY)
  fake.calls.length = 0
  await sink.write(PROJECT, [entryOf(7)], NOBODY)
  t.same(
    fake.calls.map(({ name }) => name),
    ['PutLogEvents'],
  )
})

t.test('a call with an unknown outcome is not retried; the next lookup finds its events', async (t) => {
  for (const name of ['TimeoutError', 'ServiceUnavailableException', 'InternalFailure', 'ECONNRESET']) {
    const { sink, fake, messages, puts } = fakeSink()
    await sink.write(PROJECT, [entryOf(9)], NOBODY)
    const before = puts().length
    fake.fault = (call, isDone) => {
      if (call === 'PutLogEvents' && isDone) throw named(name)
    }
    await t.rejects(sink.write(PROJECT, entries(3), NOBODY), { code: 'store_unavailable' }, name)
    t.equal(puts().length, before + 1, 'not repeated')
    fake.fault = () => {}
    const ids = new Set(entries(3).map(({ id }) => id))
    t.match(await sink.write(PROJECT, entries(3), ids), { stored: 0, duplicates: 3 })
    t.equal(messages().length, 4)
  }
})

t.test('a throttled call is retried with increasing waits', async (t) => {
  const { sink, fake, waits } = fakeSink()
  await sink.write(PROJECT, [entryOf(9)], NOBODY)
  let refusals = 3
  fake.fault = (_call, isDone) => {
    if (!isDone && refusals-- > 0) throw named('ThrottlingException')
  }
  t.match(await sink.write(PROJECT, entries(2), NOBODY), { stored: 2 })
  t.same(waits, [400, 800, 1600])
  refusals = 100
  await t.rejects(sink.write(PROJECT, [entryOf(5)], NOBODY), { code: 'store_unavailable' }, 'but not forever')
})

t.test('stores the sequence tokens of old endpoints', async (t) => {
  const kept = new Map<string, string>()
  const tokens = {
    load: async () => kept.get(PROJECT.id),
    save: async (id: string, token: string) => void kept.set(id, token),
  }
  const { sink, fake, messages, puts } = fakeSink(tokens)
  fake.needsTokens = true
  kept.set(PROJECT.id, 'a token of another stream')
  await sink.write(PROJECT, entries(2), NOBODY)
  t.match(kept.get(PROJECT.id), /^[0-9a-f]{64}$/)
  await sink.write(PROJECT, [entryOf(7)], NOBODY)
  t.equal(puts().at(-1)?.input['sequenceToken'] !== undefined, true)
  t.equal(messages().length, 3)
  let isFirst = true
  fake.fault = (call, isDone) => {
    if (call !== 'PutLogEvents' || !isDone || !isFirst) return
    isFirst = false
    throw Object.assign(named('DataAlreadyAcceptedException'), { expectedSequenceToken: 'next' })
  }
  t.match(await sink.write(PROJECT, [entryOf(8)], NOBODY), { stored: 1 }, 'a batch accepted before counts as accepted')
  t.equal(kept.get(PROJECT.id), 'next')
})

t.test('reports entries that CloudWatch rejects permanently', async (t) => {
  const { sink } = await doubleSink(t)
  const day = 24 * 3600_000
  const outcome = await sink.write(
    PROJECT,
    [entryOf(1, NOW - 15 * day), entryOf(2, NOW), entryOf(3, NOW + 3 * 3600_000)],
    NOBODY,
  )
  t.equal(outcome.stored, 1)
  t.same([...outcome.rejected].sort(), [
    ['too_new', 1],
    ['too_old', 1],
  ])
})

t.test('events of other writers are skipped', async (t) => {
  const { sink, fake } = fakeSink()
  await sink.write(PROJECT, [entryOf(1)], NOBODY)
  const stream = fake.streams.get(`${GROUP}/${STREAM}`) ?? []
  for (const message of ['plain text', '7', 'null', '{"_id":7}', '[]']) stream.push({ timestamp: NOW - 999, message })
  t.match(await sink.write(PROJECT, [entryOf(1)], new Set([entryOf(1).id])), { duplicates: 1 })
})

t.test('missing permissions are an error that does not contain the entries', async (t) => {
  const { sink, fake } = fakeSink()
  fake.fault = () => {
    throw named('AccessDeniedException')
  }
  const error = await sink.write(PROJECT, [entryOf(1, NOW, 'a private message')], NOBODY).catch((cause) => cause)
  t.match(error, { code: 'store_unavailable', message: /AccessDeniedException/ })
  t.notMatch(error.message, /private/)
})
