import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { decodeSubscription } from '../../../src/protocol/incidents/cloudwatch-subscription.ts'

const pack = (text: string | Uint8Array): string => gzipSync(text).toString('base64')
const packJson = (value: unknown): string => pack(JSON.stringify(value))
const EVENT = { id: 'event-0', timestamp: 1704067200000, message: 'ERROR: Connection failed' }
const DATA = {
  messageType: 'DATA_MESSAGE',
  owner: '123456789012',
  logGroup: '/aws/lambda/test',
  logStream: 'test-stream',
  subscriptionFilters: ['errors'],
  logEvents: [EVENT],
}

t.test('decodes a subscription’s delivery', async (t) => {
  t.same(decodeSubscription(packJson(DATA)), {
    isData: true,
    logGroup: '/aws/lambda/test',
    logStream: 'test-stream',
    events: [{ id: 'event-0', ms: 1704067200000, message: 'ERROR: Connection failed' }],
    faults: 0,
  })
})

t.test('an absent message type counts as data', async (t) => {
  const { messageType: _, ...rest } = DATA
  t.equal(decodeSubscription(packJson(rest)).events.length, 1)
})

t.test('a control message has no events', async (t) => {
  const control = { ...DATA, messageType: 'CONTROL_MESSAGE', logGroup: '', logStream: '' }
  t.match(decodeSubscription(packJson(control)), { isData: false, events: [] })
})

t.test('an invalid event is counted, and does not affect others', async (t) => {
  const bad = [null, 1, 'x', [], {}, { ...EVENT, id: 7 }, { ...EVENT, timestamp: '1' }, { ...EVENT, timestamp: 1.5 }]
  const more = [
    { ...EVENT, timestamp: 1e300 },
    { ...EVENT, message: null },
  ]
  const { events, faults } = decodeSubscription(packJson({ ...DATA, logEvents: [...bad, EVENT, ...more] }))
  t.equal(events.length, 1)
  t.equal(faults, 10)
})

const REFUSED: readonly (readonly [name: string, data: string, code: string])[] = [
  ['nothing', '', 'body_malformed'],
  ['no base64', '%%%', 'body_malformed'],
  ['no gzip', Buffer.from('hello').toString('base64'), 'body_malformed'],
  ['cut gzip', packJson(DATA).slice(0, 40), 'body_malformed'],
  ['no JSON', pack('{'), 'body_malformed'],
  ['an array', pack('[]'), 'body_malformed'],
  ['no events', packJson({ ...DATA, logEvents: {} }), 'body_malformed'],
  ['a bomb', pack(Buffer.alloc(64 * 1024 * 1024)), 'body_too_large'],
  ['too much base64', 'A'.repeat(9 * 1024 * 1024), 'body_too_large'],
]
for (const [name, data, code] of REFUSED) {
  t.test(`refuses ${name}`, async (t) => t.throws(() => decodeSubscription(data), { name: 'GatewayError', code }))
}

t.test('any text, any bytes and any JSON give a result or a GatewayError', async (t) => {
  const data = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.base64String(),
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => pack(bytes)),
    fc.json().map(pack),
    fc.record({ logGroup: fc.string(), logStream: fc.string(), logEvents: fc.array(fc.jsonValue()) }).map(packJson),
  )
  fc.assert(
    fc.property(data, (text) => {
      try {
        decodeSubscription(text)
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
