import fc from 'fast-check'
import t from 'tap'
import { literalOf } from '../../../src/domain/incidents/line-literal.ts'
import { LineMask, patternText } from '../../../src/domain/incidents/line-mask.ts'
import { costOf, leastCostOf } from '../../support/cpu-time.ts'

const MASK = new LineMask()
function linePattern(line: string): string {
  const bytes = Buffer.from(line)
  MASK.read(bytes, 0, bytes.length)
  return patternText(MASK.bytes.subarray(0, MASK.length))
}

/** Lines of one kind. */
const SAME: readonly (readonly [name: string, pattern: string, ...lines: string[]])[] = [
  [
    'numbers',
    'ERROR: Failure <n>',
    'ERROR: Failure 0',
    'ERROR: Failure 17',
    'ERROR: Failure -3.5e7',
    'ERROR: Failure 99%',
  ],
  [
    'times and addresses',
    '<time> ERROR connecting to <address> failed after <n>ms',
    '2026-11-21T10:00:00.123Z ERROR connecting to 10.0.0.1:5432 failed after 30ms',
    '2026-11-21 10:00:00,123 +0100 ERROR connecting to 192.168.0.17 failed after 1.5ms',
    '2026/11/21 10:00:00 ERROR connecting to fe80::1ff:fe23:4567:890a failed after 2ms',
  ],
  [
    'ids',
    'request <id> of <uuid> failed',
    'request aZ3kP9xQ of 8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e failed',
    'request 7x9y1z of 00000000-0000-0000-0000-000000000000 failed',
  ],
  ['hexadecimal', 'fault at <hex>', 'fault at 0xdeadbeef', 'fault at 7f9c4b2a11ff'],
  [
    'quoted values',
    'cannot open <quoted>',
    'cannot open "/etc/passwd"',
    'cannot open "a \\" b"',
    "cannot open 'x.txt'",
  ],
  [
    'paths',
    'GET /users/<n>/orders<query> <n>',
    'GET /users/42/orders?page=2&size=9 500',
    'GET /users/7/orders?x=%20 502',
  ],
  ['people', 'mail to <email> bounced', 'mail to bob@example.com bounced', 'mail to a.b+c@mail.example.co.uk bounced'],
  ['lists', 'shards <n> are down', 'shards 1, 2, 3 are down', 'shards 4 are down'],
  ['pods', 'pod shop-<id>-<id> died', 'pod shop-7f9c4b-x2k5d died', 'pod shop-1a2b3c-9z8y7 died'],
  [
    'JSON',
    'user <n> not found: NoSuchUser',
    '{"level":"error","msg":"user 42 not found","error":"NoSuchUser","at":1}',
    '{"trace":"abc","message":"user 7 not found","err":{"type":"NoSuchUser","stack":"…"}}',
  ],
  ['JSON without a message', '{status, path}', '{"status":500,"path":"/a"}', '{"status":502,"path":"/b"}'],
  [
    'logfmt',
    'db down: timeout <n>ms',
    'level=error msg="db down" err="timeout 5ms"',
    'msg="db down" n=3 error="timeout 7ms"',
  ],
  ['stack traces', 'Error: no', 'Error: no\n    at a.js:1:2', '\n\nError: no\n    at b.js:3:4'],
  ['colours', 'ERROR no', '\u001b[31mERROR\u001b[0m no', 'ERROR no'],
  ['Lambda', '<time> <uuid> ERROR no', '2026-11-21T10:00:00.123Z\t8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e\tERROR\tno\n'],
]
for (const [name, pattern, ...lines] of SAME) {
  t.test(`${name} make no difference`, async (t) => {
    for (const line of lines) t.equal(linePattern(line), pattern, JSON.stringify(line))
  })
}

t.test('a line in which nothing shows has a pattern as well', async (t) => {
  for (const line of ['', ' \t', '\u001b[31m\u001b[0m', '{"message":"\\u001b[0m"}'])
    t.equal(linePattern(line), '<empty>')
})

t.test('other words make a difference', async (t) => {
  const patterns = ['db is down', 'db is up', 'cache is down', 'deadbeef facade', 'v1 is down'].map(linePattern)
  t.equal(new Set(patterns).size, patterns.length)
  t.equal(linePattern('deadbeef facade decade'), 'deadbeef facade decade', 'words of the letters a to f are words')
})

t.test('the literal is the longest text of the pattern that is in the line', async (t) => {
  for (const [line, literal] of [
    ['ERROR 5 connecting to database failed', 'connecting to database failed'],
    ['2026-11-21T10:00:00Z\tERROR\tno such table', 'no such table'],
    ['{"msg":"it said \\"no\\" to the payment 7 of bob"}', 'to the payment'],
    ['1 2 3', undefined],
    ['a 1 b', undefined],
  ] as const) {
    t.equal(literalOf(linePattern(line), line), literal, line)
  }
})

/** Each of these once caused a scan to the end of the line from every position. */
const SLOW: readonly (readonly [name: string, line: string])[] = [
  ['escaped quotes', `"${'\\"'.repeat(2047)}`],
  ['escaped single quotes', "\\'".repeat(2048)],
  ['blank lines in front of a message', JSON.stringify({ message: `${' '.repeat(4000)}\nx` })],
  ['logfmt without an end', ' msg="\\'.repeat(680)],
  ['dots that could be a domain', 'a.'.repeat(2048)],
]
for (const [name, line] of SLOW) {
  t.test(`a hundred lines of ${name} take no longer than others`, async (t) => {
    const cost = leastCostOf(() => {
      for (let i = 0; i < 100; i++) linePattern(line)
    })
    t.ok(cost < 500, `a hundred took ${cost} units`)
  })
}

t.test('JSON in text is masked, whatever its values are', async (t) => {
  const [one, two] = ['bob', 'alice in chains'].map((user) => linePattern(`failed: {\\"user\\":\\"${user}\\"}`))
  t.equal(one, two)
})

t.test('any line has a pattern, in linear time, and masking a pattern does not change it', async (t) => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.constantFrom(
      '"',
      "'",
      '\\',
      '{',
      'a@',
      '1:',
      '::',
      '?a=',
      '0x',
      '1a',
      '- ',
      'msg="',
      '\u001b[',
      '<n>',
      ', ',
      '\ud800',
    ),
    fc.nat().map(String),
  )
  const line = fc.oneof(
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
    fc.tuple(piece, fc.integer({ min: 1, max: 4000 })).map(([text, times]) => text.repeat(times).slice(0, 100_000)),
  )
  let greatest = 0
  fc.assert(
    fc.property(line, (text) => {
      let pattern = ''
      greatest = Math.max(
        greatest,
        costOf(() => {
          pattern = linePattern(text)
        }),
      )
      const literal = literalOf(pattern, text)
      return (
        pattern.length <= 300 &&
        pattern.isWellFormed() &&
        !/[\r\n]/.test(pattern) &&
        linePattern(text) === pattern &&
        (literal === undefined || text.includes(literal))
      )
    }),
    { numRuns: 1500 },
  )
  t.ok(greatest < 500, `the slowest took ${greatest} units`)
})
