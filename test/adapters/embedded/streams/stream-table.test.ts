import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { hashOfKey } from '../../../../src/adapters/embedded/streams/stored-stream.ts'
import { StreamTable } from '../../../../src/adapters/embedded/streams/stream-table.ts'
import { STREAMS_SCHEMA } from '../../../../src/adapters/embedded/streams/streams-schema.ts'
import { formatLabels, type Labels } from '../../../../src/domain/labels.ts'

function openTable(t: Test): { db: DatabaseSync; table: () => StreamTable } {
  const db = new DatabaseSync(':memory:')
  t.teardown(() => db.close())
  db.exec(`CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT; ${STREAMS_SCHEMA}`)
  return { db, table: () => new StreamTable(db) }
}

const labelsOf = (value: string): Labels => [
  { name: 'app', value: 'shop' },
  { name: 'text', value },
]

t.test('a stream is found by its labels and its id, from memory and, after a restart, from disk', async (t) => {
  const { table } = openTable(t)
  const values = ['', 'plain', 'a "b" \\ \n', 'é 日本 \u{1f600}', '\u202e\u0007']
  const first = table()
  const ids = values.map((value) => first.insert(1, formatLabels(labelsOf(value)), labelsOf(value)).id)
  for (const each of [first, table()]) {
    for (const [i, value] of values.entries()) {
      const labels = labelsOf(value)
      const stream = { id: ids[i], tenant: 1, key: formatLabels(labels), labels }
      t.same(each.stream(1, stream.key), stream)
      t.same(each.storedStream(stream.id as number), stream)
      t.equal(each.stream(2, stream.key), undefined, 'of another tenant')
    }
    t.equal(each.size, values.length)
    t.equal(each.sizeOf(1), values.length)
    t.same(each.idsOf(1, 3).length, 3)
  }
})

t.test('label sets with the same hash are distinguished', async (t) => {
  const { db, table } = openTable(t)
  const keys = ['one', 'two'].map((value) => formatLabels(labelsOf(value))) as [string, string]
  const insert = db.prepare('INSERT INTO streams (tenant, hash, labels) VALUES (1, ?, ?)')
  for (const value of ['two', 'one']) insert.run(hashOfKey(keys[0]), JSON.stringify(['app', 'shop', 'text', value]))
  t.match(table().stream(1, keys[0]), { id: 2, key: keys[0] })
  t.equal(table().stream(1, keys[1]), undefined)
})

t.test('a stream whose transaction was rolled back is forgotten', async (t) => {
  const { db, table } = openTable(t)
  const streams = table()
  db.exec('BEGIN')
  const { id } = streams.insert(1, '{a="b"}', [{ name: 'a', value: 'b' }])
  db.exec('ROLLBACK')
  streams.forget(id, 1)
  t.equal(streams.stream(1, '{a="b"}'), undefined)
  t.equal(streams.streamById(id), undefined)
  t.throws(() => streams.storedStream(id), { code: 'store_damaged' })
  t.equal(streams.size, 0)
})
