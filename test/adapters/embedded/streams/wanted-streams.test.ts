import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { StreamTable } from '../../../../src/adapters/embedded/streams/stream-table.ts'
import { STREAMS_SCHEMA } from '../../../../src/adapters/embedded/streams/streams-schema.ts'
import { WantedStreams } from '../../../../src/adapters/embedded/streams/wanted-streams.ts'
import { formatLabels } from '../../../../src/domain/labels.ts'
import { equalityMatcher } from '../../../../src/domain/selector.ts'

/** More than a tenant may have to be matched in advance. */
const MANY = 10_001

for (const [streams, count] of [
  [20, 2],
  [MANY, undefined],
] as const) {
  t.test(`of ${streams} streams those of the selector are wanted`, async (t) => {
    const db = new DatabaseSync(':memory:')
    t.teardown(() => db.close())
    db.exec(`CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT; ${STREAMS_SCHEMA}; BEGIN`)
    const table = new StreamTable(db)
    for (let i = 0; i < streams; i++) {
      const labels = [{ name: 'app', value: `${i % 10}` }]
      table.insert(1, formatLabels([...labels, { name: 'id', value: `${i}` }]), labels)
    }
    let pauses = 0
    const pause = async (): Promise<void> => void pauses++
    const wanted = await WantedStreams.open(table, 1, [equalityMatcher('app', '=', '3')], pause)
    t.equal(wanted.count, count)
    const ids = Array.from({ length: streams }, (_, i) => i + 1)
    for (const id of ids) {
      if (wanted.has(id) !== ((id - 1) % 10 === 3)) t.fail(`stream ${id}`)
      await wanted.rest(pause)
    }
    t.equal(pauses, Math.floor(streams / 500), 'it pauses while it matches')
    t.ok(wanted.has(streams + 1), 'a stream that is not stored is for the block to report')
  })
}
