/** The contract of a LogStore on duplicates: which entries are equal. */

import type { Test } from 'tap'
import { asSorted, asStored, type PlainStream, readAll } from '../support/helper.ts'
import { A, at, begin, type OpenStore, type StoreTraits, stream } from './opened-store.ts'

interface DuplicateRow {
  readonly name: string
  /** Earlier batches, each in its own append. */
  readonly before: readonly (readonly PlainStream[])[]
  readonly push: readonly PlainStream[]
  readonly stored: number
  readonly duplicates: number
}

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

export function testDuplicates(t: Test, open: OpenStore, { reportsDuplicates }: StoreTraits): void {
  // If duplicates of other batches are not reported, reads must still return them once, so the stored entries are compared.
  for (const { name, before, push, stored, duplicates } of DUPLICATE_ROWS) {
    t.test(`${name}: ${stored} stored, ${duplicates} there before`, async (t) => {
      const opened = begin(t, open)
      for (const streams of before) await opened.push(streams)
      const result = await opened.push(push)
      if (reportsDuplicates) t.same(result, { stored, duplicates, takenIds: new Map() })
      else t.equal(result.stored + result.duplicates, stored + duplicates)
      t.same(asSorted(await readAll(opened.store)), [...new Set(asStored([...before.flat(), ...push]))].sort())
    })
    t.test(`${name}: the same after a reopen, immediately or settled`, async (t) => {
      const opened = begin(t, open)
      for (const streams of before) await opened.push(streams)
      await opened.settle()
      await opened.reopen()
      const result = await opened.push(push)
      if (reportsDuplicates) t.match(result, { stored, duplicates })
      const together = begin(t, open)
      const results = await Promise.all([...before, push].map((streams) => together.push(streams)))
      if (reportsDuplicates)
        t.match(results.at(-1), { stored, duplicates }, 'batches before it in one commit count as well')
      const all = await readAll(together.store)
      t.same(asSorted(all), asSorted(await readAll(opened.store)))
    })
  }

  t.test(
    'a duplicate is found until the window ends, not after it',
    { skip: reportsDuplicates ? false : 'this store finds duplicates when it reads' },
    async (t) => {
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
    },
  )
}

export function testIds(t: Test, open: OpenStore): void {
  const withId = (id: string, line: string, offset = 0): PlainStream => ({
    labels: A,
    entries: [{ ns: at(offset), line, id }],
  })

  t.test('a used id drops its entry and returns the time of the first', async (t) => {
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
