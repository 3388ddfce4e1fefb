import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { formatCursor, parseCursor } from '../../../src/protocol/sources/source-cursor-format.ts'

const NOW = 1_795_262_400_000
const ms = fc.integer({ min: 0, max: NOW * 2 })

t.test('every cursor is read back as it was written', async (t) => {
  const cursors = fc.record({
    lastTsMs: ms,
    sweptMs: ms,
    checkedMs: ms,
    idsFromMs: ms,
    ids: fc.array(fc.tuple(fc.string({ minLength: 1, unit: 'binary' }), ms)).map((pairs) => new Map(pairs)),
  })
  const property = fc.property(
    cursors,
    fc.option(fc.record({ resume: fc.string(), topMs: ms }, { noNullPrototype: true }), { nil: undefined }),
    (plain, walk) => {
      const cursor = walk === undefined ? plain : { ...plain, walk }
      return sorted(parseCursor(formatCursor(cursor))) === sorted(cursor)
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }))
})

/** A cursor as text, independent of the order of its members and ids. */
function sorted(cursor: object): string {
  const members = Object.entries(cursor).map(([name, value]) => [
    name,
    value instanceof Map ? [...value].sort() : value,
  ])
  return JSON.stringify(members.sort())
}

t.test('any text is a cursor or store_damaged', async (t) => {
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map((json) => `{"version":1,"lastTsMs":1,"sweptMs":1,"checkedMs":1,"idsFromMs":1,"ids":${json}}`),
  )
  const property = fc.property(texts, (text) => {
    try {
      return parseCursor(text).ids instanceof Map
    } catch (error) {
      return error instanceof GatewayError && error.code === 'store_damaged'
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})
