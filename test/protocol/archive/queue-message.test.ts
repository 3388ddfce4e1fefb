import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { decodeQueueMessage } from '../../../src/protocol/archive/queue-message.ts'
import { archiveLine, bodyOf, linesOf, messageBody } from '../../support/queue-messages.ts'

const HOUR_NS = 3600_000_000_000n
const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z
const HOUR = Number(NOON / HOUR_NS)

t.test('keeps the bytes of a message whose entries share an hour', async (t) => {
  const body = messageBody([
    { ns: NOON + 5n, line: 'b' },
    { ns: NOON, line: 'a' },
  ])
  const [part, ...others] = await decodeQueueMessage(body)
  t.same(others, [])
  t.match(part, { hour: HOUR, oldest: NOON, newest: NOON + 5n, entries: 2 })
  t.equal(Buffer.from(part?.content ?? []).toString('base64'), body)
})

t.test('splits a message by the hours of its entries, and keeps their order within an hour', async (t) => {
  const lines = [
    { ns: NOON, line: 'noon' },
    { ns: NOON - 1n, line: 'before "noon"\n' },
    { ns: NOON + 1n, line: 'after' },
  ]
  const parts = await decodeQueueMessage(messageBody(lines))
  t.match(parts, [
    { hour: HOUR - 1, oldest: NOON - 1n, newest: NOON - 1n, entries: 1 },
    { hour: HOUR, oldest: NOON, newest: NOON + 1n, entries: 2 },
  ])
  const wanted = lines.map((line) => archiveLine(line).trimEnd())
  t.same(
    parts.map(({ content }) => linesOf(content)),
    [[wanted[1]], [wanted[0], wanted[2]]],
  )
})

t.test('reads a message of several gzip members', async (t) => {
  const members = [archiveLine({ ns: NOON, line: 'a' }), archiveLine({ ns: NOON + 1n, line: 'b' })].map((text) =>
    gzipSync(text),
  )
  const [part] = await decodeQueueMessage(Buffer.concat(members).toString('base64'))
  t.match(part, { entries: 2, newest: NOON + 1n })
})

t.test('skips empty lines, also if a message is split', async (t) => {
  const lines = [archiveLine({ ns: NOON - 1n, line: 'a' }), '\n \t\r\n', archiveLine({ ns: NOON, line: 'b' })]
  const parts = await decodeQueueMessage(bodyOf(lines.join('')))
  t.same(
    parts.map(({ content }) => linesOf(content).length),
    [1, 1],
  )
})

const LINE = archiveLine({ ns: NOON, line: 'secret' })
const GZIP = gzipSync(LINE)

const refused: readonly (readonly [name: string, body: string, says: RegExp])[] = [
  ['a body that is no base64', `*${GZIP.toString('base64').slice(1)}`, /not base64/],
  ['base64 that was cut', GZIP.toString('base64').slice(0, -3), /not base64/],
  ['an empty body', '', /not gzip/],
  ['bytes that are no gzip', Buffer.from(LINE).toString('base64'), /not gzip/],
  ['gzip that was cut', GZIP.subarray(0, -9).toString('base64'), /not gzip/],
  ['zeros behind the gzip', Buffer.concat([GZIP, Buffer.alloc(5)]).toString('base64'), /behind its gzip/],
  ['text behind the gzip', Buffer.concat([GZIP, Buffer.from('text')]).toString('base64'), /not gzip/],
  ['a last line that is not whole', bodyOf(LINE.trimEnd()), /last line is incomplete/],
  ['a line that is no JSON', bodyOf(`${LINE}secret\n`), /1 of its lines/],
  ['a line without a time', bodyOf('{"tenant":"a","labels":{},"line":"secret"}\n'), /1 of its lines/],
  ['a time beyond nanoseconds', bodyOf(LINE.replace('2026', '2400')), /1 of its lines/],
  ['no lines', bodyOf('\n\n'), /no lines/],
]

for (const [name, body, says] of refused) {
  t.test(`rejects ${name}, and does not show its contents`, async (t) => {
    const error = await decodeQueueMessage(body).catch((cause: unknown) => cause)
    t.match(error, { code: 'body_malformed', message: says })
    t.notMatch(error, { message: /secret/ })
  })
}

t.test('refuses a message that inflates to more than the limit', async (t) => {
  const bomb = gzipSync(Buffer.alloc(1_000_001, 0x20)).toString('base64')
  await t.rejects(decodeQueueMessage(bomb, 1_000_000), { code: 'body_too_large', message: /more than 1000000 bytes/ })
})

t.test('returns parts or a rejection for any bytes, as text, base64 or gzip', async () => {
  const wrap = fc.constantFrom(
    (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1'),
    (bytes: Uint8Array) => Buffer.from(bytes).toString('base64'),
    (bytes: Uint8Array) => gzipSync(bytes).toString('base64'),
    (bytes: Uint8Array) => gzipSync(Buffer.concat([Buffer.from(LINE), bytes, Buffer.from('\n')])).toString('base64'),
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), wrap, async (bytes, form) => {
      try {
        return (await decodeQueueMessage(form(bytes), 10_000)).length > 0
      } catch (error) {
        return error instanceof GatewayError
      }
    }),
    { numRuns: 500 },
  )
})

t.test('every line is in the part of its hour, once', async (t) => {
  const line = fc.record({ ns: fc.bigInt({ min: NOON - 3n * HOUR_NS, max: NOON + HOUR_NS }), line: fc.string() })
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
      const parts = await decodeQueueMessage(messageBody(lines))
      const hours = [...new Set(lines.map(({ ns }) => Number(ns / HOUR_NS)))].sort((a, b) => a - b)
      const wanted = hours.map((hour) => lines.filter(({ ns }) => Number(ns / HOUR_NS) === hour))
      t.same(
        parts.map((part) => [part.hour, part.entries, linesOf(part.content)]),
        hours.map((hour, index) => {
          const of = wanted[index] ?? []
          return [hour, of.length, of.map((each) => archiveLine(each).trimEnd())]
        }),
      )
    }),
    { numRuns: 100 },
  )
})
