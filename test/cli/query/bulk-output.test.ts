/** The form that the bulk API demands, and ids that make a copy repeatable. */

import t from 'tap'
import { formatBulk } from '../../../src/cli/query/bulk-output.ts'
import { listen } from '../asking.ts'

interface Action {
  readonly index: { readonly _index: string; readonly _id: string }
}

/** Splits as the API does: by newlines, of which the last must be there; an action, then its document. */
function readBulk(body: string): { action: Action; document: Record<string, unknown> }[] {
  if (!body.endsWith('\n')) throw new Error('the body must end with a newline')
  const lines = body.slice(0, -1).split('\n')
  if (lines.length % 2 !== 0) throw new Error('an action without its document')
  return Array.from({ length: lines.length / 2 }, (_, at) => ({
    action: JSON.parse(lines[2 * at] as string),
    document: JSON.parse(lines[2 * at + 1] as string),
  }))
}

const ENTRY = {
  ns: 1_795_000_000_123_456_789n,
  labels: [{ name: 'app', value: 'shop' }],
  stream: '{app="shop"}',
  line: 'two\nlines "quoted" \u2028',
  metadata: [{ name: 'trace.id', value: 't1' }],
  parsed: [],
}

t.test('an entry is an action and a document, each on one line', async (t) => {
  const [{ action, document } = { action: undefined, document: {} }, ...rest] = readBulk(formatBulk(ENTRY, 'error'))
  t.same(rest, [])
  t.equal(action?.index._index, 'millrace-2026.11.18')
  t.ok(Buffer.byteLength(action?.index._id ?? '') <= 512, 'the longest id that is taken')
  t.same(document, {
    '@timestamp': '2026-11-18T11:06:40.123456789Z',
    timestamp_ns: '1795000000123456789',
    message: ENTRY.line,
    level: 'error',
    labels: { app: 'shop' },
    metadata: { 'trace.id': 't1' },
  })
})

t.test('equal entries have equal ids, others do not', async (t) => {
  const idOf = (change: Partial<typeof ENTRY>) => readBulk(formatBulk({ ...ENTRY, ...change }, ''))[0]?.action.index._id
  const id = idOf({})
  t.equal(idOf({}), id)
  for (const change of [{ ns: ENTRY.ns + 1n }, { stream: '{app="b"}' }, { line: 'other' }, { metadata: [] }]) {
    t.not(idOf(change), id, JSON.stringify(Object.keys(change)))
  }
})

t.test('a query of many lines is one body, and the same body when it is run again', async (t) => {
  const { run, push, clock } = await listen(t)
  const values = Array.from({ length: 3 }, (_, at) => [String(clock.nowNs - BigInt(at + 1)), `level=error line ${at}`])
  await push([{ stream: { app: 'shop', __proto__x: 'a' }, values }])
  const copy = () => run(['query', '{app="shop"}', '--output', 'bulk', '--direction', 'forward'])
  const { out, code } = await copy()
  t.equal(code, 0)
  const documents = readBulk(out)
  t.same(
    documents.map(({ document }) => document['message']),
    ['level=error line 2', 'level=error line 1', 'level=error line 0'],
  )
  t.match(documents[0]?.document, { level: 'error', labels: { app: 'shop', service_name: 'shop' } })
  t.equal(new Set(documents.map(({ action }) => action.index._id)).size, 3)
  t.equal((await copy()).out, out)
})

t.test('a metric query has no documents', async (t) => {
  const { run } = await listen(t)
  const { code, notes } = await run(['query', '1+1', '--instant', '--output', 'bulk'])
  t.equal(code, 2)
  t.match(notes, '--output bulk is for log queries')
})
