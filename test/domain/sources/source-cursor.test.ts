import fc from 'fast-check'
import t from 'tap'
import { advanceCursor, boundIds, firstCursor, withDoubt } from '../../../src/domain/sources/source-cursor.ts'
import type { SourceEntry } from '../../../src/domain/sources/source-entry.ts'

const MINUTE = 60_000
const NOW = 1_795_262_400_000
const entryAt = (timestampMs: number, id = `id-${timestampMs}`): SourceEntry => ({
  id,
  timestampMs,
  level: 'info',
  line: '',
  metadata: [],
  json: '{}',
})
const WALK = { isSweep: true, isFrontier: true, startedMs: NOW, overlapMs: 5 * MINUTE }

t.test('the cursor follows the newest entry, and the overlap follows the cursor', async (t) => {
  const first = firstCursor(NOW - 60 * MINUTE, NOW)
  const stored = [entryAt(NOW - 10 * MINUTE), entryAt(NOW - MINUTE)]
  const cursor = advanceCursor(first, { ...WALK, stored, positionMs: NOW })
  t.match(cursor, { lastTsMs: NOW - MINUTE, sweptMs: NOW - 6 * MINUTE })
  t.same([...cursor.ids.keys()], [`id-${NOW - MINUTE}`], 'ids behind the overlap are not needed')
})

t.test('an interrupted walk moves the cursor only as far as it came', async (t) => {
  const cursor = { ...firstCursor(NOW - 60 * MINUTE, 0), lastTsMs: NOW - 20 * MINUTE }
  const stored = [entryAt(NOW - 50 * MINUTE)]
  const moved = advanceCursor(cursor, { ...WALK, stored, positionMs: NOW - 50 * MINUTE, isFrontier: false })
  t.match(moved, { lastTsMs: NOW - 20 * MINUTE, sweptMs: NOW - 50 * MINUTE })
})

t.test('doubt only grows', async (t) => {
  const cursor = firstCursor(0, 100)
  t.equal(withDoubt(cursor, 50).idsFromMs, 100)
  t.equal(withDoubt(cursor, 150).idsFromMs, 150)
})

t.test(
  'whatever comes: the cursor never goes back, never passes the clock, and knows every id it says it knows',
  async (t) => {
    const offsets = fc.array(fc.array(fc.integer({ min: -60 * MINUTE, max: 10 * MINUTE }), { maxLength: 30 }), {
      maxLength: 10,
    })
    const property = fc.property(offsets, fc.integer({ min: 1, max: 40 }), (runs, idsMax) => {
      let cursor = firstCursor(NOW - 60 * MINUTE, 0)
      const all = new Map<string, number>()
      for (const [i, run] of runs.entries()) {
        const startedMs = NOW + i * MINUTE
        const stored = run.map((offset, k) => entryAt(startedMs + offset, `${i}-${k}`))
        for (const { id, timestampMs } of stored) all.set(id, timestampMs)
        const before = cursor
        const advance = { ...WALK, stored, positionMs: startedMs, startedMs }
        cursor = boundIds(advanceCursor(cursor, advance), idsMax)
        if (cursor.lastTsMs < before.lastTsMs || cursor.lastTsMs > startedMs || cursor.sweptMs < before.sweptMs)
          return false
        if (cursor.ids.size > idsMax) return false
      }
      const { ids, idsFromMs, sweptMs } = cursor
      return [...all].every(([id, ms]) => ids.has(id) || ms < Math.max(idsFromMs, sweptMs))
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
  },
)
