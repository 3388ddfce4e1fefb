import t from 'tap'
import { encodeOtlpResponse, encodeOtlpStatus } from '../../../src/protocol/otlp/otlp-response.ts'
import { schema } from './otlp-cases.ts'

/** Decodes with the schema; 64-bit integers as text. */
function read(type: string, bytes: Uint8Array): object {
  const messageType = schema.lookupType(type)
  return messageType.toObject(messageType.decode(bytes), { longs: String })
}
const json = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes))

t.test('answers full success with an empty message', async (t) => {
  t.equal(encodeOtlpResponse(undefined, 'protobuf').length, 0)
  t.strictSame(json(encodeOtlpResponse(undefined, 'json')), {})
})

t.test('encodes a partial success in both encodings', async (t) => {
  const rows: [name: string, entries: number, message: string][] = [
    ['one', 1, 'too old'],
    ['many', 2 ** 31 - 1, 'é'.repeat(1000)],
    ['a count without a message', 300, ''],
  ]
  for (const [name, entries, message] of rows) {
    const partialSuccess = { rejectedLogRecords: String(entries), ...(message === '' ? {} : { errorMessage: message }) }
    t.strictSame(
      read('ExportLogsServiceResponse', encodeOtlpResponse({ entries, message }, 'protobuf')),
      { partialSuccess },
      name,
    )
    t.match(json(encodeOtlpResponse({ entries, message }, 'json')), { partialSuccess }, name)
  }
  t.strictSame(read('ExportLogsServiceResponse', encodeOtlpResponse({ entries: 0, message: 'careful' }, 'protobuf')), {
    partialSuccess: { errorMessage: 'careful' },
  })
})

t.test('encodes an error as a status with its message', async (t) => {
  for (const message of ['', 'body is not valid OTLP protobuf', 'é'.repeat(20_000)]) {
    t.strictSame(read('Status', encodeOtlpStatus(message, 'protobuf')), message === '' ? {} : { message })
    t.strictSame(json(encodeOtlpStatus(message, 'json')), { message })
  }
})
