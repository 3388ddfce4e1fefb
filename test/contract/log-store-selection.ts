/** The contract of a LogStore on the selection of entries: tenants, matchers, times, columns. */

import type { Test } from 'tap'
import type { RunSummary } from '../../src/domain/entries/run-summary.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import { equalityMatcher, type Matcher } from '../../src/domain/selector.ts'
import { NS_MAX } from '../../src/domain/time.ts'
import { readAll } from '../support/helper.ts'
import { A, at, begin, blocksOf, type OpenStore, type StoreTraits, stream, WHOLE } from './opened-store.ts'

export function testSelection(t: Test, open: OpenStore, { wantsExactly }: StoreTraits): void {
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

  t.test('streams() returns the streams of the range, sorted by text', async (t) => {
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

  t.test('wants receives the range of a block and skips it with false', async (t) => {
    const opened = begin(t, open)
    for (const offset of [0, 100, 200]) await opened.push([stream(A, [`${offset}`, 'end'], offset)])
    const asked = new Set<string>()
    const wants = (oldest: bigint, newest: bigint): boolean => {
      asked.add(`${oldest} ${newest}`)
      return newest >= at(100) && oldest <= at(101)
    }
    const lines = (await readAll(opened.store, { wants })).map(({ line }) => line)
    if (wantsExactly) {
      t.same(lines, ['100', 'end'])
      t.same(
        [...asked],
        [0, 100, 200].map((offset) => `${at(offset)} ${at(offset + 1)}`),
      )
    } else t.ok(lines.includes('100') && lines.includes('end'), 'what is wanted is given')
    t.same(await readAll(opened.store, { wants: () => false }), [])
  })

  t.test('what takes accepts does not come as entries, and everything else does', async (t) => {
    const opened = begin(t, open)
    const hour = 3600 * 1e9 // nanoseconds
    await opened.push([stream(A, ['0', '1'], 0), stream({ app: 'b' }, ['b'], 1), stream(A, ['late'], hour)])
    for (const accepts of [() => true, () => false, ({ newest }: RunSummary) => newest < at(hour / 2)]) {
      let taken = 0
      const takes = (run: RunSummary): boolean => {
        if (!accepts(run)) return false
        t.equal(
          run.counts.reduce((sum, { entries }) => sum + entries, 0),
          run.entries,
        )
        t.ok(run.oldest >= at(1) && run.newest < at(2 * hour), 'only what is all in the range is offered')
        taken += run.entries
        return true
      }
      const read = await readAll(opened.store, { takes, start: at(1), end: at(2 * hour) })
      t.equal(taken + read.length, 3)
    }
    await t.rejects(
      async () => {
        const takes = (): boolean => {
          throw new Error('refused')
        }
        await readAll(opened.store, { takes })
        throw new Error('refused')
      },
      { message: 'refused' },
      'what it throws ends the read',
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
