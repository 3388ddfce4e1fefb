import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  LEVEL_FIELDS,
  LEVELS,
  levelCode,
  levelOfLabels,
  levelOfSeverityNumber,
} from '../../../src/domain/levels/level.ts'
import { levelOfLine } from '../../../src/domain/levels/line-level.ts'
import { costOf } from '../../support/cpu-time.ts'
import { toLabels } from '../../support/helper.ts'

function levelOf(t: Test, line: string): string {
  const bytes = Buffer.from(`error ${line} fatal`)
  const level = LEVELS[levelOfLine(bytes, 6, bytes.length - 6)] as string
  t.equal(
    level,
    LEVELS[levelOfLine(Buffer.from(line), 0, Buffer.byteLength(line))],
    'what is around the line does not count',
  )
  return level
}

/** Evidence inside the line: a JSON field, a logfmt field, else a word. */
const LINES: [name: string, line: string, level: string][] = [
  ['nothing', '', 'unknown'],
  ['spaces', ' \t\n', 'unknown'],
  ['no word', 'GET /index.html 200', 'unknown'],

  ['a JSON field', '{"level":"warn","msg":"x"}', 'warn'],
  ['a JSON field among white space', ' { "msg" : "x" , "level" : "error" } \n', 'error'],
  ['each name in its own case', '{"SeverityText":"Fatal"}', 'fatal'],
  ['a JSON field with a dot', '{"log.level":"debug"}', 'debug'],
  ['a JSON key in another case: no field, but a word after it', '{"LeVel":"warn"}', 'warn'],
  ['a JSON field two objects deep', '{"a":{"level":"debug"}}', 'debug'],
  ['a JSON field three objects deep: no field, but its word', '{"a":{"b":{"level":"debug"}},"c":"error"}', 'debug'],
  ['the first JSON field of the document, not of the list', '{"severity":"info","level":"error"}', 'info'],
  ['a JSON field that is no string: the next one', '{"level":30,"severity":"error"}', 'error'],
  ['a JSON field inside an array does not count', '{"a":[{"level":"debug"}],"level":"warn"}', 'warn'],
  ['a JSON value that is called level', '{"a":"level","b":"x"}', 'unknown'],
  ['a JSON key with escaped quotes before it', '{"m\\"level\\":\\"x":1,"level":"info"}', 'info'],
  ['a JSON field with an unknown word: the words of the line', '{"level":"loud","msg":"an error"}', 'error'],
  ['a JSON field with an unknown word alone', '{"level":"loud"}', 'unknown'],
  ['JSON that breaks off', '{"level":"warn","x":"}', 'warn'],

  ['a logfmt field', 'ts=1 level=warn msg="an error"', 'warn'],
  ['a logfmt field in quotes', 'level="error" msg=x', 'error'],
  ['a logfmt key in any case', 'LeVeL=debug', 'debug'],
  ['the most trusted logfmt key', 'severity=info level=error', 'error'],
  ['a logfmt key that only ends like one', 'mylevel=error x=1 info', 'error'],
  ['a logfmt key that only begins like one', 'levels=fatality warn', 'warn'],
  ['a logfmt field inside a quoted value', 'msg="level=error" lvl=info', 'info'],
  ['a logfmt field with an unknown word: the words of the line', 'level=loud a warning', 'warn'],
  ['a logfmt key without a value: the words of the line', 'level= info', 'info'],
  ['short forms in a field', 'lvl=wrn', 'warn'],
  ['an open quote', 'level="error', 'error'],

  ['a word at the beginning', 'ERROR something broke', 'error'],
  ['a word at the end', 'something is an error', 'error'],
  ['a word in brackets', '[Warning] disk', 'warn'],
  ['a word before a colon', 'info: started', 'info'],
  ['a word after a colon does not count', 'x:error', 'unknown'],
  ['a word inside a word does not count', 'terrorize informed debugger', 'unknown'],
  ['the earliest word', 'info about an error', 'info'],
  ['a word on the second line', 'first\nERROR\nthird', 'error'],
  ['err', '(err) x', 'error'],
  ['critical', 'CRITICAL!', 'critical'],
  ['trace and fatal', 'a|trace|fatal', 'trace'],
  ['short forms do not count as words', 'dbg inf wrn trc x', 'unknown'],
  ['a word before a full stop does not count', 'an error.', 'unknown'],
  ['letters beyond ASCII around a word', 'äerror errorä', 'unknown'],
]
for (const [name, line, level] of LINES) {
  t.test(`${name}: ${level}`, async (t) => t.equal(levelOf(t, line), level))
}

const WORDS: [word: string, level: string][] = [
  ['trace', 'trace'],
  ['TRC', 'trace'],
  ['Debug', 'debug'],
  ['dbg', 'debug'],
  ['info', 'info'],
  ['inf', 'info'],
  ['INFORMATION', 'info'],
  ['warn', 'warn'],
  ['wrn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['err', 'error'],
  ['critical', 'critical'],
  ['fatal', 'fatal'],
  ['unknown', 'unknown'],
  ['notice', ''],
  ['', ''],
  ['__proto__', ''],
  ['constructor', ''],
]
t.test('level words in any case', async (t) => {
  for (const [word, level] of WORDS) t.equal(LEVELS[levelCode(word)], level, word)
})

t.test('severity numbers of OTLP', async (t) => {
  const rows: [text: string, level: string][] = [
    ['0', 'unknown'],
    ['1', 'trace'],
    ['4', 'trace'],
    ['5', 'debug'],
    ['8', 'debug'],
    ['9', 'info'],
    ['12', 'info'],
    ['13', 'warn'],
    ['16', 'warn'],
    ['17', 'error'],
    ['20', 'error'],
    ['21', 'fatal'],
    ['24', 'fatal'],
    ['25', 'unknown'],
    ['-1', 'unknown'],
    ['no number', 'info'],
    ['', 'info'],
    ['1.5', 'info'],
  ]
  for (const [text, level] of rows) t.equal(LEVELS[levelOfSeverityNumber(text)], level, `"${text}"`)
})

t.test('of several labels the most trusted name counts', async (t) => {
  t.equal(levelOfLabels(toLabels({ severity: 'a', LEVEL: 'b', app: 'c' })), 'b')
  t.equal(levelOfLabels(toLabels({ app: 'level' })), undefined)
  for (const field of LEVEL_FIELDS) t.equal(levelOfLabels(toLabels({ [field]: 'x' })), 'x', field)
})

t.test('any bytes have a level, whatever is around them', async () => {
  const pieces = fc.array(
    fc.constantFrom(
      '{',
      '}',
      '"',
      ':',
      'level',
      'lvl',
      '=',
      ' ',
      'error',
      'warn',
      '\\',
      '[',
      ']',
      ',',
      '\n',
      'x',
      'no',
      '0',
      'ERR',
      '-',
      '\u001b[31m',
      'null',
      'E1129',
      '<131>',
      '(s)',
      'crit',
      '.',
    ),
    { maxLength: 25 },
  )
  const line = fc.oneof(
    pieces.map((each) => Buffer.from(each.join(''))),
    fc.uint8Array({ maxLength: 60 }),
  )
  fc.assert(
    fc.property(line, fc.uint8Array({ maxLength: 10 }), (each, around) => {
      const inside = Buffer.concat([around, each, around])
      const code = levelOfLine(inside, around.length, around.length + each.length)
      return code > 0 && code < LEVELS.length && code === levelOfLine(each, 0, each.length)
    }),
    { numRuns: 20_000 },
  )
})

t.test('a long line of anything is looked at once', async (t) => {
  for (const piece of ['{"', '{"a":', 'level=', '"\\', 'e', '[', 'error:', 'level="']) {
    const line = Buffer.from(piece.repeat(2 ** 18))
    t.ok(costOf(() => void levelOfLine(line, 0, line.length)) < 2000, `${piece} repeated`)
  }
})
