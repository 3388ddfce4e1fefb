/** What every LogStore must do, whatever it keeps its blocks in: `logStoreContract` runs against each of them. */

import type { Test } from 'tap'
import { timeRange } from '../../src/domain/block.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import { equalityMatcher, type Matcher } from '../../src/domain/selector.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import type { AppendResult, LogStore, ReadBlock, ReadRequest } from '../../src/ports.ts'
import {
  asSorted,
  asStored,
  FixedClock,
  inOrder,
  makeBatch,
  openAdmission,
  type PlainStream,
  readAll,
} from '../helper.ts'

/** A store under test, with what the suite must be able to do to it. */
export interface OpenedStore {
  readonly store: LogStore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<LogStore>
  /** Lets the store do now whatever it does behind its callers. */
  settle(): Promise<void>
}

export interface ContractSettings {
  readonly duplicateWindowMs: number
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
}

/** Opens an empty store that closes itself when the test ends. */
export type OpenStore = (t: Test, clock: FixedClock, settings: ContractSettings) => OpenedStore

export const CONTRACT_SETTINGS: ContractSettings = { duplicateWindowMs: 3600_000, blockBytes: 1024 * 1024 }

const T0 = Date.UTC(2026, 10, 21, 11)
/** The instant `offset` nanoseconds after the suite's own beginning. */
const at = (offset: number | bigint): bigint => BigInt(T0) * 1_000_000n + BigInt(offset)
const WHOLE: ReadRequest = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' }

/** Streams of one entry a line, a nanosecond apart. */
function stream(labels: Record<string, string>, lines: readonly string[], first = 0): PlainStream {
  return { labels, entries: lines.map((line, i) => ({ ns: at(first + i), line })) }
}

export function logStoreContract(t: Test, open: OpenStore): void {
  t.test('append and read', async (t) => testReads(t, open))
  t.test('order', async (t) => testOrder(t, open))
  t.test('duplicates', async (t) => testDuplicates(t, open))
  t.test('ids', async (t) => testIds(t, open))
  t.test('selection', async (t) => testSelection(t, open))
  t.test('life', async (t) => testLife(t, open))
}

interface Opened extends OpenedStore {
  readonly clock: FixedClock
  push(streams: readonly PlainStream[], tenant?: string): Promise<AppendResult>
}

function begin(t: Test, open: OpenStore, settings: Partial<ContractSettings> = {}): Opened {
  const clock = new FixedClock()
  const opened = open(t, clock, { ...CONTRACT_SETTINGS, ...settings })
  let store = opened.store
  return {
    clock,
    get store() {
      return store
    },
    async reopen() {
      store = await opened.reopen()
      return store
    },
    settle: () => opened.settle(),
    push: (streams, tenant = 'fake') => store.append(makeBatch(streams, openAdmission(clock, tenant))),
  }
}

async function blocksOf(store: LogStore, request: Partial<ReadRequest> = {}): Promise<ReadBlock[]> {
  return readBlocks(store.read({ ...WHOLE, ...request }))
}

async function readBlocks(blocks: AsyncIterable<ReadBlock>): Promise<ReadBlock[]> {
  const read: ReadBlock[] = []
  for await (const block of blocks) read.push(block)
  return read
}

function testReads(t: Test, open: OpenStore): void {
  t.test('an empty store reads as nothing', async (t) => {
    const { store } = begin(t, open)
    t.same(await readAll(store), [])
    t.same(await store.streams({ ...WHOLE }), [])
    t.equal(store.trouble(), undefined)
  })

  const rows: [name: string, streams: PlainStream[]][] = [
    ['one entry', [stream({ app: 'a' }, ['one'])]],
    ['an empty line', [stream({ app: 'a' }, [''])]],
    ['bytes that are no ASCII', [stream({ app: 'ä€😀' }, ['Grüße 😀\u0000\n'])]],
    [
      'several streams',
      [stream({ app: 'a' }, ['1', '2']), stream({ app: 'b' }, ['3']), stream({ app: 'a', x: 'y' }, ['4'])],
    ],
    [
      'names of objects',
      [{ labels: objectNames('v'), entries: [{ ns: at(0), line: '__proto__', metadata: objectNames('m') }] }],
    ],
    [
      'the first and the last but one nanosecond',
      [
        {
          labels: { a: 'b' },
          entries: [
            { ns: at(0), line: 'x' },
            { ns: -9_223_372_035_000_000_000n, line: 'y' },
            { ns: 9_223_372_035_999_999_999n, line: 'z' },
          ],
        },
      ],
    ],
    [
      'times before 1970',
      [
        {
          labels: { a: 'b' },
          entries: [
            { ns: -1n, line: 'x' },
            { ns: -1_000_000_001n, line: 'y' },
            { ns: 0n, line: 'z' },
          ],
        },
      ],
    ],
    [
      'metadata and levels',
      [
        {
          labels: { a: 'b' },
          entries: [
            { ns: at(0), line: 'x', metadata: { trace_id: 'é', empty: '' } },
            { ns: at(1), line: 'y', metadata: { detected_level: 'error' } },
          ],
        },
      ],
    ],
    ['a line of a mebibyte', [stream({ a: 'b' }, ['x'.repeat(1024 * 1024)])]],
  ]
  for (const [name, streams] of rows) {
    t.test(`gives back ${name}`, async (t) => {
      const opened = begin(t, open)
      const count = streams.reduce((sum, { entries }) => sum + entries.length, 0)
      t.same(await opened.push(streams), { stored: count, duplicates: 0, takenIds: new Map() })
      t.same(asSorted(await readAll(opened.store)), asStored(streams))
      t.same(asSorted(await readAll(opened.store, { direction: 'backward' })), asStored(streams))
      await opened.reopen()
      t.same(asSorted(await readAll(opened.store)), asStored(streams))
      t.same(
        (await opened.store.streams(WHOLE)).map(formatLabels),
        [...new Set(streams.map((each) => formatLabels(sorted(each))))].sort(),
      )
    })
  }

  t.test('a batch without entries is durable at once and stores nothing', async (t) => {
    const { store, push } = begin(t, open)
    t.same(await push([]), { stored: 0, duplicates: 0, takenIds: new Map() })
    t.same(await blocksOf(store), [])
  })

  t.test('appends of one moment are all stored', async (t) => {
    const { store, push } = begin(t, open)
    const pushes = Array.from({ length: 30 }, (_, i) => [stream({ app: `a${i % 3}` }, [`line ${i}`], i)])
    const results = await Promise.all(pushes.map((streams) => push(streams)))
    t.ok(results.every(({ stored }) => stored === 1))
    t.same(asSorted(await readAll(store)), asStored(pushes.flat()))
    t.equal(store.figures().entries, 30)
  })
}

function objectNames(value: string): Record<string, string> {
  return Object.fromEntries(['__proto__', 'constructor', 'hasOwnProperty'].map((name) => [name, value]))
}

function sorted({ labels }: PlainStream): { name: string; value: string }[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, value }))
}

function testOrder(t: Test, open: OpenStore): void {
  t.test('blocks come oldest first or newest first, runs by rising time', async (t) => {
    const opened = begin(t, open, { blockBytes: 300 })
    for (const offset of [50, 10, 90, 30, 70, 0]) {
      await opened.push([
        stream(
          { app: 'a' },
          Array.from({ length: 25 }, (_, i) => `line ${i}`),
          offset,
        ),
      ])
    }
    const forward = await blocksOf(opened.store)
    const backward = await blocksOf(opened.store, { direction: 'backward' })
    t.ok(forward.length > 6, 'the small block size makes several blocks')
    const oldest = forward.map(({ block }) => timeRange(block).oldest)
    t.same(
      oldest,
      oldest.toSorted((a, b) => Number(a - b)),
    )
    const newest = backward.map(({ block }) => timeRange(block).newest)
    t.same(
      newest,
      newest.toSorted((a, b) => Number(b - a)),
    )
    for (const { block, runs } of forward) {
      for (const { start, end } of runs) {
        const times = [...block.timestamps.values.subarray(start, end)]
        t.same(
          times,
          times.toSorted((a, b) => Number(a - b)),
        )
      }
    }
  })

  t.test('entries of one nanosecond keep the order they arrived in', async (t) => {
    const opened = begin(t, open, { blockBytes: 200 })
    const lines = Array.from({ length: 40 }, (_, i) => `${(i * 7) % 40} arrives as ${i}`)
    for (const line of lines.slice(0, 20)) await opened.push([stream({ app: 'a' }, [line])])
    await Promise.all(lines.slice(20, 30).map((line) => opened.push([stream({ app: 'a' }, [line])])))
    await opened.push([{ labels: { app: 'a' }, entries: lines.slice(30).map((line) => ({ ns: at(0), line })) }])
    const expected = lines.map((line) => `{app="a"} ${at(0)} ${line} []`)
    t.same(inOrder(await readAll(opened.store)), expected)
    await opened.settle()
    t.same(inOrder(await readAll(opened.store)), expected)
    await opened.reopen()
    t.same(inOrder(await readAll(opened.store, { direction: 'backward' })), expected)
  })
}

interface DuplicateRow {
  readonly name: string
  /** Batches before, each an append of its own. */
  readonly before: readonly (readonly PlainStream[])[]
  readonly push: readonly PlainStream[]
  readonly stored: number
  readonly duplicates: number
}

const A = { app: 'a' }
const one = (line: string, offset = 0, metadata: Record<string, string> = {}): PlainStream => ({
  labels: A,
  entries: [{ ns: at(offset), line, metadata }],
})
const DUPLICATE_ROWS: readonly DuplicateRow[] = [
  {
    name: 'the same batch again',
    before: [[stream(A, ['1', '2']), stream({ b: 'b' }, ['3'])]],
    push: [stream(A, ['1', '2']), stream({ b: 'b' }, ['3'])],
    stored: 0,
    duplicates: 3,
  },
  {
    name: 'the same entry within one batch',
    before: [],
    push: [one('x'), one('y'), one('x')],
    stored: 2,
    duplicates: 1,
  },
  { name: 'another line', before: [[one('x')]], push: [one('y')], stored: 1, duplicates: 0 },
  { name: 'another nanosecond', before: [[one('x')]], push: [one('x', 1)], stored: 1, duplicates: 0 },
  {
    name: 'another stream',
    before: [[one('x')]],
    push: [{ ...one('x'), labels: { app: 'b' } }],
    stored: 1,
    duplicates: 0,
  },
  {
    name: 'other metadata',
    before: [[one('x', 0, { id: '1' })]],
    push: [one('x', 0, { id: '2' })],
    stored: 1,
    duplicates: 0,
  },
  {
    name: 'metadata where there was none',
    before: [[one('x')]],
    push: [one('x', 0, { id: '2' })],
    stored: 1,
    duplicates: 0,
  },
  {
    name: 'the same metadata in another order',
    before: [[one('x', 0, { a: '1', b: '2' })]],
    push: [one('x', 0, { b: '2', a: '1' })],
    stored: 0,
    duplicates: 1,
  },
  {
    name: 'another level',
    before: [[one('x', 0, { detected_level: 'info' })]],
    push: [one('x', 0, { detected_level: 'warn' })],
    stored: 1,
    duplicates: 0,
  },
  {
    name: 'the same level',
    before: [[one('x', 0, { detected_level: 'info' })]],
    push: [one('x', 0, { detected_level: 'info' })],
    stored: 0,
    duplicates: 1,
  },
  {
    name: 'an old half and a new half',
    before: [[stream(A, ['1', '2', '3'])]],
    push: [stream(A, ['1', '2', '3', '4', '5'])],
    stored: 2,
    duplicates: 3,
  },
  {
    name: 'a new line between two old ones',
    before: [[stream(A, ['1']), stream(A, ['3'], 2)]],
    push: [stream(A, ['1', '2', '3'])],
    stored: 1,
    duplicates: 2,
  },
  {
    name: 'old lines between new ones',
    before: [[stream(A, ['2'], 1), stream(A, ['4'], 3)]],
    push: [stream(A, ['1', '2', '3', '4', '5'])],
    stored: 3,
    duplicates: 2,
  },
  {
    name: 'entries of several batches before, out of order',
    before: [[one('3', 30)], [one('1', 10)], [one('2', 20)]],
    push: [one('2', 20), one('3', 30), one('1', 10), one('4', 15)],
    stored: 1,
    duplicates: 3,
  },
  {
    name: 'two new lines at an old nanosecond',
    before: [[one('x')]],
    push: [one('y'), one('x'), one('z'), one('y')],
    stored: 2,
    duplicates: 2,
  },
  {
    name: 'a line that joins two others',
    before: [[one('ab'), one('c', 1)]],
    push: [one('a'), one('bc', 1)],
    stored: 2,
    duplicates: 0,
  },
]

function testDuplicates(t: Test, open: OpenStore): void {
  for (const { name, before, push, stored, duplicates } of DUPLICATE_ROWS) {
    t.test(`${name}: ${stored} stored, ${duplicates} there before`, async (t) => {
      const opened = begin(t, open)
      for (const streams of before) await opened.push(streams)
      t.same(await opened.push(push), { stored, duplicates, takenIds: new Map() })
      t.same(asSorted(await readAll(opened.store)), [...new Set(asStored([...before.flat(), ...push]))].sort())
    })
    t.test(`${name}: the same after a reopen, in one moment or settled`, async (t) => {
      const opened = begin(t, open)
      for (const streams of before) await opened.push(streams)
      await opened.settle()
      await opened.reopen()
      t.match(await opened.push(push), { stored, duplicates })
      const together = begin(t, open)
      const results = await Promise.all([...before, push].map((streams) => together.push(streams)))
      t.match(results.at(-1), { stored, duplicates }, 'batches before it in one commit count as well')
      const all = await readAll(together.store)
      t.same(asSorted(all), asSorted(await readAll(opened.store)))
    })
  }

  t.test('a duplicate is found until the window ends, not after it', async (t) => {
    const opened = begin(t, open, { duplicateWindowMs: 60_000 })
    await opened.push([one('x')])
    opened.clock.ms += 60_000
    await opened.settle()
    t.match(await opened.push([one('x')]), { stored: 0, duplicates: 1 })
    opened.clock.ms += 1
    await opened.settle()
    t.match(await opened.push([one('x')]), { stored: 1, duplicates: 0 })
    opened.clock.ms += 60_001
    await opened.reopen()
    t.match(await opened.push([one('x')]), { stored: 1, duplicates: 0 })
  })
}

function testIds(t: Test, open: OpenStore): void {
  const withId = (id: string, line: string, offset = 0): PlainStream => ({
    labels: A,
    entries: [{ ns: at(offset), line, id }],
  })

  t.test('an id that was taken leaves its entry out and tells the time of the first', async (t) => {
    const opened = begin(t, open)
    t.same(await opened.push([withId('a', 'x', 5), withId('__proto__', 'p', 6)]), {
      stored: 2,
      duplicates: 0,
      takenIds: new Map(),
    })
    const again = {
      stored: 1,
      duplicates: 2,
      takenIds: new Map([
        ['__proto__', at(6)],
        ['a', at(5)],
      ]),
    }
    const result = await opened.push([withId('__proto__', 'other', 9), withId('a', 'y', 7), withId('b', 'z', 8)])
    t.same(result, again)
    t.same([...result.takenIds.keys()], ['__proto__', 'a'], 'in the order of the batch')
    await opened.settle()
    await opened.reopen()
    t.match(await opened.push([withId('b', 'w', 1)]), { stored: 0, duplicates: 1, takenIds: new Map([['b', at(8)]]) })
    t.same(
      (await readAll(opened.store)).map(({ line }) => line),
      ['x', 'p', 'z'],
    )
  })

  t.test('an id counts within its batch, its commit and its tenant only', async (t) => {
    const opened = begin(t, open)
    const [first, second, other] = await Promise.all([
      opened.push([withId('a', 'x', 1), withId('a', 'y', 2)]),
      opened.push([withId('a', 'z', 3)]),
      opened.push([withId('a', 'x', 1)], 'other'),
    ])
    t.same(first, { stored: 1, duplicates: 1, takenIds: new Map([['a', at(1)]]) })
    t.same(second, { stored: 0, duplicates: 1, takenIds: new Map([['a', at(1)]]) })
    t.same(other, { stored: 1, duplicates: 0, takenIds: new Map() })
  })
}

function testSelection(t: Test, open: OpenStore): void {
  t.test('tenants see their own entries only, __proto__ among them', async (t) => {
    const opened = begin(t, open)
    await Promise.all(['a', 'b', '__proto__'].map((tenant) => opened.push([stream(A, [`of ${tenant}`])], tenant)))
    t.match(await opened.push([stream(A, ['of a'])], 'b'), { stored: 1 }, 'no duplicate of another tenant')
    for (const tenant of ['a', '__proto__']) {
      t.same(
        (await readAll(opened.store, { tenant })).map(({ line }) => line),
        [`of ${tenant}`],
      )
      t.equal((await opened.store.streams({ ...WHOLE, tenant })).length, 1)
    }
    for (const tenant of ['', 'A', 'toString']) t.same(await readAll(opened.store, { tenant }), [])
  })

  const streams = [
    stream({ app: 'a', env: 'x' }, ['ax']),
    stream({ app: 'b', env: 'x' }, ['bx']),
    stream({ app: 'b' }, ['b']),
  ]
  const notB: Matcher = { name: 'app', operator: '!~', value: 'b', test: (value) => value !== 'b' }
  const matcherRows: [name: string, matchers: Matcher[], lines: string[]][] = [
    ['no matcher', [], ['ax', 'b', 'bx']],
    ['equality', [equalityMatcher('app', '=', 'b')], ['b', 'bx']],
    ['two matchers', [equalityMatcher('app', '=', 'b'), equalityMatcher('env', '=', 'x')], ['bx']],
    ['an absent label', [equalityMatcher('env', '=', '')], ['b']],
    ['inequality', [equalityMatcher('env', '!=', '')], ['ax', 'bx']],
    ['a regular expression of the caller', [notB], ['ax']],
    ['a label of objects', [equalityMatcher('__proto__', '!=', '')], []],
    ['nothing at all', [equalityMatcher('app', '=', 'c')], []],
  ]
  for (const [name, matchers, lines] of matcherRows) {
    t.test(`selects by ${name}`, async (t) => {
      const opened = begin(t, open)
      await opened.push(streams)
      t.same((await readAll(opened.store, { matchers })).map(({ line }) => line).sort(), lines)
      t.equal((await opened.store.streams({ ...WHOLE, matchers })).length, lines.length)
    })
  }

  const rangeRows: [name: string, start: number, end: number, lines: string[]][] = [
    ['the whole', 0, 5, ['0', '1', '2', '3', '4']],
    ['without its end', 1, 3, ['1', '2']],
    ['one nanosecond', 2, 3, ['2']],
    ['nothing between equal bounds', 2, 2, []],
    ['nothing between bounds that are swapped', 3, 1, []],
    ['before the first', -5, 0, []],
    ['after the last', 5, 10, []],
    ['over the border of the last', 4, 10, ['4']],
  ]
  for (const [name, start, end, lines] of rangeRows) {
    t.test(`takes the time range [start, end): ${name}`, async (t) => {
      const opened = begin(t, open)
      await opened.push([stream(A, ['0', '1', '2', '3', '4'])])
      const range = { start: at(start), end: at(end) }
      for (const direction of ['forward', 'backward'] as const) {
        t.same(
          (await readAll(opened.store, { ...range, direction })).map(({ line }) => line),
          lines,
        )
      }
      for (const { runs } of await blocksOf(opened.store, range))
        t.ok(runs.length > 0 && runs.every((run) => run.start < run.end))
    })
  }

  t.test('streams() tells the streams of the range, sorted by their text', async (t) => {
    const opened = begin(t, open)
    const hour = 3600 * 1e9 // nanoseconds
    await opened.push([stream({ z: '1' }, ['z']), stream({ a: '2' }, ['a'])])
    await opened.push([stream({ late: '1' }, ['l'], 20 * hour)])
    const range = { tenant: 'fake', matchers: [], start: at(0), end: at(hour) }
    t.same((await opened.store.streams(range)).map(formatLabels), ['{a="2"}', '{z="1"}'])
    t.same((await opened.store.streams({ ...range, end: NS_MAX })).map(formatLabels), [
      '{a="2"}',
      '{late="1"}',
      '{z="1"}',
    ])
    t.same(await opened.store.streams({ ...range, start: at(40 * hour), end: NS_MAX }), [])
  })

  t.test('wants is told the range of a block and skips it with false', async (t) => {
    const opened = begin(t, open)
    for (const offset of [0, 100, 200]) await opened.push([stream(A, [`${offset}`, 'end'], offset)])
    const asked = new Set<string>()
    const wants = (oldest: bigint, newest: bigint): boolean => {
      asked.add(`${oldest} ${newest}`)
      return newest < at(200) && oldest >= at(100)
    }
    t.same(
      (await readAll(opened.store, { wants })).map(({ line }) => line),
      ['100', 'end'],
    )
    t.same(
      [...asked],
      [0, 100, 200].map((offset) => `${at(offset)} ${at(offset + 1)}`),
    )
  })

  t.test('without text the columns are whole', async (t) => {
    const opened = begin(t, open)
    await opened.push([
      {
        labels: A,
        entries: [
          { ns: at(0), line: 'four', metadata: { k: 'v' } },
          { ns: at(1), line: '' },
        ],
      },
    ])
    const [given] = await blocksOf(opened.store, { withoutText: true })
    t.equal(given?.block.count, 2)
    t.same([...(given?.block.timestamps.values ?? [])], [at(0), at(1)])
    t.same([...(given?.block.lineEnds ?? [])], [4, 4], 'line lengths are columns')
    t.ok(given?.runs.every(({ key }) => key === '{app="a"}'))
  })
}

function testLife(t: Test, open: OpenStore): void {
  t.test('a read sees what resolved before it began, all along', async (t) => {
    const opened = begin(t, open, { blockBytes: 300 })
    const early = Array.from({ length: 20 }, (_, i) => stream(A, [`early ${i}`], i * 10))
    for (const each of early) await opened.push([each])
    const lines: string[] = []
    let late = 0
    for await (const { block, runs } of opened.store.read(WHOLE)) {
      const text = Buffer.from(block.text).toString()
      for (const run of runs)
        for (let i = run.start; i < run.end; i++)
          lines.push(text.slice(i === 0 ? 0 : block.lineEnds[i - 1], block.lineEnds[i]))
      if (late < 15) await opened.push([stream(A, [`late ${late}`], 1000 + late++)])
      if (late === 3) await opened.settle()
    }
    t.same(
      lines.filter((line) => line.startsWith('early')).sort(),
      early.map((_, i) => `early ${i}`).sort(),
      'each once',
    )
    t.equal((await readAll(opened.store)).length, 20 + late)
  })

  t.test('a reader that stops early leaves the store as it was', async (t) => {
    const opened = begin(t, open)
    for (const offset of [0, 10, 20]) await opened.push([stream(A, [`${offset}`], offset)])
    for await (const _ of opened.store.read(WHOLE)) break
    await opened.push([stream(A, ['30'], 30)])
    t.equal((await readAll(opened.store)).length, 4)
  })

  t.test('an abort signal ends a read with its reason', async (t) => {
    const opened = begin(t, open)
    for (const offset of [0, 10, 20]) await opened.push([stream(A, [`${offset}`], offset)])
    const reason = new Error('the client went away')
    await t.rejects(readBlocks(opened.store.read(WHOLE, AbortSignal.abort(reason))), reason)
    await t.rejects(opened.store.streams(WHOLE, AbortSignal.abort(reason)), reason)
    const controller = new AbortController()
    let given = 0
    const reading = (async () => {
      for await (const _ of opened.store.read(WHOLE, controller.signal)) {
        given++
        controller.abort(reason)
      }
    })()
    await t.rejects(reading, reason)
    t.equal(given, 1)
  })

  t.test('close finishes what was accepted, and nothing is taken after it', async (t) => {
    const opened = begin(t, open)
    const results = Array.from({ length: 10 }, (_, i) => opened.push([stream(A, [`${i}`], i)]))
    const store = opened.store
    const closings = [store.close(), store.close()]
    await t.rejects(opened.push([stream(A, ['late'], 99)]), { code: 'store_unavailable' })
    t.ok((await Promise.all(results)).every(({ stored }) => stored === 1))
    await Promise.all(closings)
    await store.close()
    await t.rejects(opened.push([stream(A, ['late'], 99)]), { code: 'store_unavailable' })
    await t.rejects(readAll(store), { code: 'store_unavailable' })
    await t.rejects(store.streams(WHOLE), { code: 'store_unavailable' })
    await opened.reopen()
    t.equal((await readAll(opened.store)).length, 10)
  })

  t.test('figures tell what is there', async (t) => {
    const opened = begin(t, open)
    await opened.push([stream(A, ['four', 'two']), stream({ b: 'b' }, ['x'])])
    await opened.push([stream(A, ['four'])])
    const { entries, streams, lineBytes, queueBytes, blocks } = opened.store.figures()
    t.same({ entries, streams, lineBytes, queueBytes }, { entries: 3, streams: 2, lineBytes: 8, queueBytes: 0 })
    t.ok(blocks >= 1)
    await opened.reopen()
    t.match(opened.store.figures(), { entries: 3, streams: 2, lineBytes: 8, queueBytes: 0, blocks })
  })
}
