/** The contract of a LogStore on the results of reads and their order. */

import type { Test } from 'tap'
import { timeRange } from '../../src/domain/entries/block.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import { asSorted, asStored, inOrder, type PlainStream, readAll } from '../support/helper.ts'
import { appendAll, at, begin, blocksOf, type OpenStore, type StoreTraits, stream, WHOLE } from './opened-store.ts'

export function testReads(t: Test, open: OpenStore, { countsStored }: StoreTraits): void {
  t.test('an empty store reads as nothing', async (t) => {
    const { store } = begin(t, open)
    t.same(await readAll(store), [])
    t.same(await store.streams({ ...WHOLE }), [])
    t.equal(store.trouble(), undefined)
  })

  t.test('what a reader throws at a summary ends the read as it is', async (t) => {
    const { store, push } = begin(t, open)
    await push([stream({ app: 'a' }, ['one'])])
    const refusal = new Error('too many series')
    let offers = 0
    const takes = (): boolean => {
      offers++
      throw refusal
    }
    const failure = await readAll(store, { takes }).then(
      () => undefined,
      (error: unknown) => error,
    )
    t.equal(failure, offers === 0 ? undefined : refusal)
    t.equal((await readAll(store)).length, 1)
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
    t.test(`returns ${name}`, async (t) => {
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

  t.test('concurrent appends are all stored', async (t) => {
    const { store, push } = begin(t, open)
    const pushes = Array.from({ length: 30 }, (_, i) => [stream({ app: `a${i % 3}` }, [`line ${i}`], i)])
    const results = await Promise.all(pushes.map((streams) => push(streams)))
    t.ok(results.every(({ stored }) => stored === 1))
    t.same(asSorted(await readAll(store)), asStored(pushes.flat()))
    if (countsStored) t.equal(store.figures().entries, 30)
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

export function testOrder(t: Test, open: OpenStore, traits: StoreTraits): void {
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
    const pushes = lines.slice(20, 30).map((line) => () => opened.push([stream({ app: 'a' }, [line])]))
    await appendAll(pushes, traits)
    await opened.push([{ labels: { app: 'a' }, entries: lines.slice(30).map((line) => ({ ns: at(0), line })) }])
    const expected = lines.map((line) => `{app="a"} ${at(0)} ${line} []`)
    t.same(inOrder(await readAll(opened.store)), expected)
    await opened.settle()
    t.same(inOrder(await readAll(opened.store)), expected)
    await opened.reopen()
    t.same(inOrder(await readAll(opened.store, { direction: 'backward' })), expected)
  })
}
