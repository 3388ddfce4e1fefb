import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { parseCognigyPage, parseProblem } from '../../../src/protocol/sources/cognigy-logs.ts'

const ENTRY = {
  _id: '507f1f77bcf86cd799439011',
  timestamp: '2026-11-21T12:00:00.123Z',
  type: 'warn',
  msg: 'a message',
  traceId: 't-1',
  meta: { flow: 'main', depth: 3, user: { id: 'u' } },
}
const MS = Date.UTC(2026, 10, 21, 12, 0, 0, 123)
const CURSOR = '507f1f77bcf86cd799439012'

const parse = (value: unknown) => parseCognigyPage(Buffer.from(JSON.stringify(value)))

const SHAPES: readonly (readonly [name: string, page: unknown, next: string | undefined])[] = [
  ['the types of the client, v2.1', { items: [ENTRY], total: 1, nextCursor: CURSOR, previousCursor: null }, CURSOR],
  ['the last page of it', { items: [ENTRY], total: 1, nextCursor: null, previousCursor: null }, undefined],
  ['v2.0', { items: [ENTRY], total: 1, next: CURSOR, previous: null }, CURSOR],
  ['v2.0 with empty texts for no cursor', { items: [ENTRY], total: 1, next: '', previous: '' }, undefined],
  [
    'HAL',
    {
      _embedded: { logEntry: [ENTRY] },
      _links: { next: { href: `https://a.b/new/v2.0/x/logs?limit=1&next=${CURSOR}` } },
    },
    CURSOR,
  ],
  [
    'HAL with a relative link',
    { _embedded: { logEntry: [ENTRY] }, _links: { next: { href: `?next=${CURSOR}` } } },
    CURSOR,
  ],
  ['the last page of HAL', { _embedded: { logEntry: [ENTRY] }, _links: { self: { href: '/x' } } }, undefined],
  ['HAL that writes a list of one as the thing itself', { _embedded: { logEntry: ENTRY } }, undefined],
]

for (const [name, page, next] of SHAPES) {
  t.test(`reads ${name}`, async (t) => {
    const parsed = parse(page)
    t.equal(parsed.next, next)
    t.same(parsed.entries, [
      {
        id: ENTRY._id,
        timestampMs: MS,
        level: 'warn',
        line: 'a message',
        metadata: [
          ['meta_flow', 'main'],
          ['meta_depth', '3'],
          ['meta_user', '{"id":"u"}'],
          ['trace_id', 't-1'],
          ['id', ENTRY._id],
        ],
        json: JSON.stringify(ENTRY),
      },
    ])
  })
}

t.test('an empty page must be declared empty', async (t) => {
  t.same(parse({ items: [], total: 0, nextCursor: null }), { entries: [], unreadable: 0, next: undefined })
  t.same(parse({ _embedded: { logEntry: [] } }).entries, [])
})

const REFUSED: readonly (readonly [name: string, body: string])[] = [
  ['nothing', ''],
  ['no JSON', '<html>sign in</html>'],
  ['JSON that was cut', '{"items":[{"_id":"secret-text'],
  ['an array', '[]'],
  ['an object of another shape', '{"data":[],"total":0}'],
  ['items that are no array', '{"items":{"0":1}}'],
  ['an empty embedding', '{"_embedded":{}}'],
  ['items without valid entries', '{"items":[{"text":"secret-text"}]}'],
  ['a cursor that is a number', '{"items":[],"next":7}'],
  ['a cursor with spaces', '{"items":[],"next":"a b"}'],
  ['a link without a cursor', '{"_embedded":{"logEntry":[]},"_links":{"next":{"href":"/logs?limit=1"}}}'],
]

for (const [name, body] of REFUSED) {
  t.test(`reports ${name}`, async (t) => {
    const error = t.throws(() => parseCognigyPage(Buffer.from(body)), { code: 'source_unavailable' }) as Error
    t.notMatch(error.message, /secret-text/)
  })
}

t.test('unusual entries are unchanged', async (t) => {
  const one = (entry: object) => parse({ items: [entry] }).entries[0]
  t.equal(one({ ...ENTRY, timestamp: MS })?.timestampMs, MS, 'a time as a number')
  t.equal(one({ ...ENTRY, timestamp: undefined })?.timestampMs, 0x507f1f77 * 1000, 'no time: that of the id')
  t.equal(one({ ...ENTRY, timestamp: 'soon' })?.timestampMs, 0x507f1f77 * 1000, 'an invalid time')
  t.equal(one({ ...ENTRY, type: 'loud' })?.level, 'unknown', 'a level that is not in the list')
  t.same(one({ ...ENTRY, type: 'loud' })?.metadata[0], ['type', 'loud'])
  t.equal(one({ ...ENTRY, msg: { a: 1 } })?.line, '{"a":1}', 'a message that is no text')
  t.match(one({ ...ENTRY, msg: undefined })?.line, /^\{"_id"/, 'no message')
  const anonymous = one({ ...ENTRY, _id: undefined })
  t.match(anonymous?.id, /^[0-9a-f]{32}$/, 'no id: one made of the text')
  t.equal(JSON.parse(anonymous?.json ?? '')._id, anonymous?.id, 'which its JSON then has')
  t.equal(one({ ...ENTRY, _id: undefined })?.id, anonymous?.id, 'the same for the same text')
  const numbers = parseCognigyPage(
    Buffer.from('{"items":[{"_id":"a","timestamp":"2026-11-21T12:00:00Z","n":9007199254740993}]}'),
  )
  t.match(numbers.entries[0]?.json, /9007199254740993/, 'numbers as they were written')
})

t.test('counts invalid items beside valid ones', async (t) => {
  t.match(parse({ items: [ENTRY, 7, { msg: 'x' }] }), { entries: [{ id: ENTRY._id }], unreadable: 2 })
})

t.test('only the code and the trace of a problem are shown', async (t) => {
  const problem = { title: 'secret', detail: 'secret', code: 1401, traceId: 'api-1' }
  t.equal(parseProblem(Buffer.from(JSON.stringify(problem))), 'code 1401, traceId api-1')
  t.equal(parseProblem(Buffer.from('{"code":"secret","traceId":"a secret"}')), '')
  t.equal(parseProblem(Buffer.from('<html>')), '')
})

t.test('any bytes give a page or a publishable error', async (t) => {
  const json = fc.json().map((text) => Buffer.from(text))
  const shaped = fc
    .record({ items: fc.array(fc.jsonValue()), next: fc.jsonValue() })
    .map((page) => Buffer.from(JSON.stringify(page)))
  const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), json, shaped), (body) => {
    try {
      const { entries, unreadable } = parseCognigyPage(body)
      return entries.length + unreadable >= 0
    } catch (error) {
      return error instanceof GatewayError && error.code === 'source_unavailable'
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
})
