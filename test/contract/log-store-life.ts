/** The contract of a LogStore on concurrency: reads during appends, readers that stop early, closing. */

import type { Test } from 'tap'
import { readAll } from '../support/helper.ts'
import { A, begin, type OpenStore, readBlocks, type StoreTraits, stream, WHOLE } from './opened-store.ts'

export function testLife(t: Test, open: OpenStore, { countsStored }: StoreTraits): void {
  t.test('a read sees all appends that resolved before it started', async (t) => {
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

  t.test('a reader that stops early does not affect the store', async (t) => {
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

  t.test('close finishes accepted appends, and later ones are rejected', async (t) => {
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

  t.test(
    'figures count what is stored',
    { skip: countsStored ? false : 'this store does not count what is stored' },
    async (t) => {
      const opened = begin(t, open)
      await opened.push([stream(A, ['four', 'two']), stream({ b: 'b' }, ['x'])])
      await opened.push([stream(A, ['four'])])
      const { entries, streams, lineBytes, queueBytes, blocks } = opened.store.figures()
      t.same({ entries, streams, lineBytes, queueBytes }, { entries: 3, streams: 2, lineBytes: 8, queueBytes: 0 })
      t.ok(blocks >= 1)
      await opened.reopen()
      t.match(opened.store.figures(), { entries: 3, streams: 2, lineBytes: 8, queueBytes: 0, blocks })
    },
  )
}
