import fc from 'fast-check'
import t from 'tap'
import { idFault, idOfBytes, idOfText, SPAN_ID_BYTES, TRACE_ID_BYTES } from '../../../src/protocol/otlp/otlp-id.ts'

const TRACE = '5b8efff798038103d269b633813fc60c'
const SPAN = 'eee19b7ec3c1b174'
const raw = (hex: string): Buffer => Buffer.from(hex, 'hex')

t.test('reads the forms in which ids are sent', async (t) => {
  const rows: [form: string, text: string, bytes: number, wanted: string | undefined][] = [
    ['none', '', TRACE_ID_BYTES, ''],
    ['hex', TRACE, TRACE_ID_BYTES, TRACE],
    ['hex in capitals', TRACE.toUpperCase(), TRACE_ID_BYTES, TRACE],
    ['hex of a span', SPAN, SPAN_ID_BYTES, SPAN],
    ['hex with 0x', `0x${SPAN}`, SPAN_ID_BYTES, SPAN],
    ['a UUID', '5B8EFFF7-9803-8103-d269-b633813fc60c', TRACE_ID_BYTES, TRACE],
    ['base64', raw(TRACE).toString('base64'), TRACE_ID_BYTES, TRACE],
    ['base64 of a span', raw(SPAN).toString('base64'), SPAN_ID_BYTES, SPAN],
    ['base64 without padding', raw(TRACE).toString('base64').replaceAll('=', ''), TRACE_ID_BYTES, TRACE],
    ['base64url', raw(`fb${'ff'.repeat(15)}`).toString('base64url'), TRACE_ID_BYTES, `fb${'ff'.repeat(15)}`],
    ['base64 of hex digits', Buffer.from(TRACE).toString('base64'), TRACE_ID_BYTES, TRACE],
    ['base64 of hex digits of a span', Buffer.from(SPAN).toString('base64'), SPAN_ID_BYTES, SPAN],
    ['a span in place of a trace', SPAN, TRACE_ID_BYTES, undefined],
    ['a trace in place of a span', TRACE, SPAN_ID_BYTES, undefined],
    ['a word', 'xyz', TRACE_ID_BYTES, undefined],
    ['too few digits', TRACE.slice(1), TRACE_ID_BYTES, undefined],
    ['decimal digits', '12345678901234567890', TRACE_ID_BYTES, undefined],
    ['a UUID of a span', '5b8efff7-9803-8103-d269-b633813fc60c', SPAN_ID_BYTES, undefined],
    ['base64 with left-over bits', `${'A'.repeat(21)}B==`, TRACE_ID_BYTES, undefined],
  ]
  for (const [form, text, bytes, wanted] of rows) t.equal(idOfText(text, bytes), wanted, form)
})

t.test('reads bytes, and hex digits sent as bytes', async (t) => {
  t.equal(idOfBytes(raw(TRACE), TRACE_ID_BYTES), TRACE)
  t.equal(idOfBytes(Buffer.from(TRACE.toUpperCase()), TRACE_ID_BYTES), TRACE)
  t.equal(idOfBytes(raw(SPAN), SPAN_ID_BYTES), SPAN)
  t.equal(idOfBytes(Buffer.alloc(0), SPAN_ID_BYTES), '')
  t.equal(idOfBytes(Buffer.from(TRACE, 'base64'), TRACE_ID_BYTES), TRACE, 'digits taken for base64')
  t.equal(idOfBytes(Buffer.from(SPAN, 'base64'), SPAN_ID_BYTES), SPAN)
  t.equal(idOfBytes(Buffer.alloc(5), TRACE_ID_BYTES), undefined)
})

t.test('any input is an id or undefined', async (t) => {
  const isId = (id: string | undefined): boolean => id === undefined || /^(?:[0-9a-f]{32})?$/.test(id)
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.string(), (bytes, text) => {
        return isId(idOfBytes(Buffer.from(bytes), TRACE_ID_BYTES)) && isId(idOfText(text, TRACE_ID_BYTES))
      }),
    ),
  )
})

t.test('reports what was expected', async (t) => {
  t.equal(idFault('spanId', '5 bytes'), 'log record has a spanId of 5 bytes; send 8 bytes, or 16 hex digits in JSON')
})
