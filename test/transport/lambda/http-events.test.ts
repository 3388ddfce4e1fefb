import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { type HttpEvent, readHttpEvent, toProxyEvent } from '../../../src/transport/lambda/http-events.ts'
import { type EventParts, eventAlb, eventAlbLists, eventV1, eventV2, SOURCE_IP } from '../../lambda/events.ts'

const SOURCES: readonly (readonly [string, (parts: EventParts) => HttpEvent])[] = [
  ['2.0', eventV2],
  ['1.0', eventV1],
  ['a load balancer', eventAlb],
  ['a load balancer with header lists', eventAlbLists],
]

const paramsOf = (path: string) => [...new URL(path, 'http://localhost').searchParams]

for (const [source, make] of SOURCES) {
  t.test(`the query is complete from ${source}`, async (t) => {
    const query = 'query=%7Bapp%3D%22a%2Cb%22%7D%20%7C%3D%20%22100%25%22&start=1&end='
    t.same(paramsOf(toProxyEvent(make({ query })).path), [
      ['query', '{app="a,b"} |= "100%"'],
      ['start', '1'],
      ['end', ''],
    ])
  })

  t.test(`the client address comes from ${source}`, async (t) => {
    t.equal(toProxyEvent(make({})).requestContext.identity.sourceIp, SOURCE_IP)
  })

  t.test(`headers are read from ${source}`, async (t) => {
    t.equal(toProxyEvent(make({ headers: { 'x-scope-orgid': 'a' } })).headers['x-scope-orgid'], 'a')
  })
}

for (const [source, make] of SOURCES.filter(([name]) => name !== 'a load balancer')) {
  t.test(`repeated parameters are preserved from ${source}`, async (t) => {
    const { path } = toProxyEvent(make({ query: 'match[]=%7Ba%3D%221%22%7D&match[]=%7Bb%3D%222%22%7D' }))
    t.same(paramsOf(path), [
      ['match[]', '{a="1"}'],
      ['match[]', '{b="2"}'],
    ])
  })
}

const PATHS: readonly (readonly [string, HttpEvent, string])[] = [
  ['a stage prefix is removed from the path', eventV2({ path: '/prod/ready', stage: 'prod' }), '/ready'],
  ['nor in 1.0', eventV1({ path: '/prod/ready', stage: 'prod' }), '/ready'],
  [
    'a path that only starts like the stage is unchanged',
    eventV2({ path: '/production', stage: 'prod' }),
    '/production',
  ],
  ['what API Gateway decoded is no query', eventV2({ path: '/a?b#c d\u00e9' }), '/a%3Fb%23c%20d%C3%A9'],
  [
    'an encoded path is unchanged',
    eventV2({ path: '/loki/api/v1/label/a%20b/values' }),
    '/loki/api/v1/label/a%20b/values',
  ],
]
for (const [name, event, path] of PATHS) {
  t.test(name, async (t) => t.equal(toProxyEvent(event).path, path))
}

t.test('cookies of 2.0 are one header', async (t) => {
  t.equal(toProxyEvent({ ...eventV2(), cookies: ['a=1', 'b=2'] }).headers['cookie'], 'a=1; b=2')
})

const OTHERS: readonly (readonly [string, unknown])[] = [
  ['a queue', { Records: [{ eventSource: 'aws:sqs', body: '{}' }] }],
  ['a schedule', { source: 'aws.events', 'detail-type': 'Scheduled Event' }],
  ['an authorizer', { type: 'REQUEST', requestContext: {} }],
  ['nothing', null],
  ['a text', 'hello'],
]
for (const [name, event] of OTHERS) {
  t.test(`an event of ${name} is rejected`, async (t) => {
    t.throws(() => readHttpEvent(event), { code: 'config_invalid', message: /not an HTTP request/ })
  })
}

t.test('any path and query give a valid target, from every source', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 30 })
  fc.assert(
    fc.property(text, text, (path, query) => {
      for (const make of [eventV2, eventAlb, eventAlbLists]) {
        const target = toProxyEvent(make({ path: `/${path}`, query })).path
        if (!target.startsWith('/')) throw new Error(`not a path: ${target}`)
        new URL(`http://localhost${target}`)
      }
    }),
    { numRuns: 500 },
  )
  t.pass('500 pairs')
})

t.test('any JSON is accepted or rejected', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (event) => {
      try {
        readHttpEvent(event)
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
      }
    }),
  )
  t.pass('none brings it down')
})
