import fc from 'fast-check'
import t from 'tap'
import { readQueryAnswer, readStreams } from '../../src/cli/client-answer.ts'
import { withoutControls } from '../../src/cli/controls.ts'
import { formatEntry, formatLocal, OUTPUTS } from '../../src/cli/query/query-output.ts'
import { formatSeriesAnswer } from '../../src/cli/query/query-table.ts'
import { GatewayError } from '../../src/domain/errors.ts'

const FUZZ = { numRuns: 2000 }

/** JSON in the shape of responses, with arbitrary leaves. */
const anything = fc.jsonValue({ maxDepth: 3 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 30, arbitrary }, { weight: 1, arbitrary: anything })
const names = fc.dictionary(fc.oneof(fc.constant('__proto__'), fc.string()), maybe(fc.string()))
const point = maybe(fc.tuple(maybe(fc.double()), maybe(fc.string())))
const value = maybe(fc.tuple(maybe(fc.bigInt().map(String)), maybe(fc.string()), maybe(fc.record({ parsed: names }))))
const answer = fc.record({
  data: maybe(
    fc.record({
      resultType: fc.constantFrom('streams', 'matrix', 'vector', 'scalar', 'trees'),
      result: maybe(
        fc.array(
          maybe(
            fc.record({ stream: names, metric: names, values: maybe(fc.array(fc.oneof(point, value))), value: point }),
          ),
        ),
      ),
    }),
  ),
})

t.test('any response is shown, or rejected with a message', async (t) => {
  let shown = 0
  fc.assert(
    fc.property(
      fc.oneof({ weight: 4, arbitrary: answer }, anything),
      fc.constantFrom(...OUTPUTS),
      fc.boolean(),
      (json, output, hasColors) => {
        try {
          const read = readQueryAnswer(json, 'backward')
          if (read.kind !== 'lines') formatSeriesAnswer(read, output)
          else for (const entry of read.entries) formatEntry(entry, output, hasColors)
          shown++
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
        }
      },
    ),
    FUZZ,
  )
  t.ok(shown > 50, `${shown} answers were shown`)
})

t.test('the JSON of a line parses to the same values', async (t) => {
  const stream = fc.dictionary(fc.oneof(fc.constant('__proto__'), fc.string({ minLength: 1 })), fc.string())
  fc.assert(
    fc.property(stream, fc.string({ unit: 'binary' }), (labels, line) => {
      const [entry] = readStreams([{ stream: labels, values: [['1', line]] }])
      if (entry === undefined) return false
      const back = JSON.parse(formatEntry(entry, 'json', false))
      return back.line === line && JSON.stringify(sorted(back.labels)) === JSON.stringify(sorted(labels))
    }),
    FUZZ,
  )
  t.pass('for any labels and lines')
})

const sorted = (object: object): unknown[] => Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1))

t.test('text is one line without control characters other than our own', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (line) => {
      const [entry] = readStreams([{ stream: { app: line }, values: [['1', line]] }])
      if (entry === undefined) return false
      const text = formatEntry(entry, 'text', false)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not be in the output
      return text.endsWith('\n') && !/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/.test(text.slice(0, -1))
    }),
    FUZZ,
  )
  t.equal(withoutControls('a\tb\u0000\u007f'), 'a\tb\u2400\u2421')
})

t.test('a time is shown in local time, and is the same instant', async (t) => {
  for (const ms of [0, -1, 1_795_262_400_123, 4_102_444_799_999, -2_000_000_000_000]) {
    const text = formatLocal(BigInt(ms) * 1_000_000n)
    t.match(text, /^-?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/)
    // Before 1900 zone offsets had seconds, which ISO 8601 cannot express.
    if (ms >= 0) t.equal(Date.parse(text), ms)
  }
})
