import fc from 'fast-check'
import t from 'tap'
import { levelPattern } from '../../../../src/adapters/aws/incidents/level-pattern.ts'
import { LEVELS } from '../../../../src/domain/levels/level.ts'
import { FIELD_NAMES } from '../../../../src/domain/levels/level-fields.ts'
import { WORDS_BY_LETTER } from '../../../../src/domain/levels/level-words.ts'
import { levelOfLine } from '../../../../src/domain/levels/line-level.ts'
import { CAPITAL_FORMS, LEVEL_LINES } from '../../../domain/levels/level-lines.ts'
import { parseFilterPattern } from '../../../doubles/filter-pattern.ts'

/** The levels that MILLRACE_INCIDENT_LEVEL takes, each with its code and what its pattern lets through. */
const CONFIGURED = LEVELS.slice(1).map((level) => {
  const lets = parseFilterPattern(levelPattern(level))
  return { level, code: LEVELS.indexOf(level), lets }
})

function codeOf(line: string): number {
  const bytes = Buffer.from(line)
  return levelOfLine(bytes, 0, bytes.length)
}

const LINES = [...LEVEL_LINES.map(([, line]) => line), ...CAPITAL_FORMS]

t.test('no line of the table that counts is missed, whatever level is configured', async (t) => {
  t.ok(LINES.length >= 250, `${LINES.length} lines`)
  for (const { level, code, lets } of CONFIGURED) {
    const counted = LINES.filter((line) => codeOf(line) >= code)
    t.same(
      counted.filter((line) => !lets(line)),
      [],
      `${level}: ${counted.length} lines count`,
    )
  }
})

t.test('a line counts as well with a newline behind it, as Lambda writes it', async (t) => {
  for (const { level, code, lets } of CONFIGURED) {
    const missed = LINES.filter((line) => codeOf(line) >= code && !lets(`  ${line}\n`))
    t.same(missed, [], level)
  }
})

t.test('the 18 forms in capitals, and four more, raise at the level error and pass its pattern', async (t) => {
  const lets = parseFilterPattern(levelPattern('error'))
  t.ok(CAPITAL_FORMS.length >= 18)
  for (const line of CAPITAL_FORMS) t.ok(LEVELS[codeOf(line)] === 'error' && lets(line), line)
})

t.test('lines that say nothing of a level stay out, and most of the milder ones', async (t) => {
  const lets = parseFilterPattern(levelPattern('error'))
  for (const line of [
    'START RequestId: 8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e Version: $LATEST',
    'REPORT RequestId: 8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e Duration: 2.11 ms Billed Duration: 3 ms',
    '{"level":30,"time":1795255200000,"msg":"listening"}',
    '2026-11-29T12:00:00Z INFO listening on 0.0.0.0:80',
    'level=info msg=listening',
  ]) {
    t.notOk(lets(line), line)
  }
  const mild = LINES.filter((line) => codeOf(line) < LEVELS.indexOf('error'))
  const passed = mild.filter(lets)
  t.ok(passed.length < 0.8 * mild.length, `${passed.length} of ${mild.length} milder lines pass`)
})

t.test('a pattern is one that CloudWatch takes: 1,024 characters, and none below warn', async (t) => {
  for (const level of LEVELS.slice(1)) {
    const pattern = levelPattern(level)
    t.ok(pattern.length <= 1024, `${level}: ${pattern.length} characters`)
    t.equal(pattern === '', !['warn', 'error', 'critical', 'fatal'].includes(level), level)
  }
})

const WORDS = [
  ...new Set(WORDS_BY_LETTER.flatMap((words = []) => words.map(({ bytes }) => Buffer.from(bytes).toString()))),
]
const inSomeCase = fc
  .tuple(fc.constantFrom(...WORDS, ...FIELD_NAMES), fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }))
  .map(([word, isUpper]) => [...word].map((char, i) => (isUpper[i] ? char.toUpperCase() : char)).join(''))
const part = fc.oneof(
  inSomeCase,
  fc.constantFrom(...FIELD_NAMES),
  fc.nat(700).map(String),
  fc.constantFrom('00', '050', '003', 's', '@l', 'E', 'F', 'W', 'E1129', 'E/T', '<3>', '<131>', 'x', 'no', 'null', '_'),
  fc.constantFrom('"', ':', '=', ' ', '{', '}', '[', ']', ',', ';', '.', '-', '/', '#', '\t', '\n', '\\'),
  fc.constantFrom('\u001b[31m', '\u001b[0m', '\\u001b[31m', '\\x1b[1;31m'),
)
const parts = fc.array(part, { maxLength: 12 })
const line = fc.oneof(
  parts.map((all) => all.join('')),
  parts.map((all) => `{${all.join('')}}`),
  fc
    .tuple(fc.constantFrom('', ' ', '\t'), fc.constantFrom(...FIELD_NAMES, 's'), fc.constantFrom('', ' '), part, part)
    .map(([space, key, gap, first, second]) => `{${space}"${key}"${gap}:${space}"${first}${second}"}`),
  fc.tuple(inSomeCase, part, part).map(([key, first, second]) => `${key}=${first}${second} x=1`),
)

t.test('no line that is made of what the level rule looks for is missed', async () => {
  fc.assert(
    fc.property(line, (text) => {
      const code = codeOf(text)
      return CONFIGURED.every(({ code: min, lets }) => code < min || lets(text))
    }),
    { numRuns: 20_000, seed: 7 },
  )
})
