import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { CognigyClient, parseRetryAfter } from '../../../src/adapters/outside/cognigy-client.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { Fault } from '../../cognigy/fake-server.ts'
import { PROJECT, startSource } from '../../cognigy/source-parts.ts'
import { FixedClock } from '../../support/helper.ts'

const QUERY = { limit: 100, sort: 'timestamp:asc' } as const

/** A sequence of faults, then none. */
const inTurn = (faults: readonly Fault[]) => {
  const left = [...faults]
  return () => left.shift()
}

const failureOf = async (t: Test, work: Promise<unknown>): Promise<GatewayError> => {
  const error = await work.then(
    () => undefined,
    (cause) => cause,
  )
  if (error instanceof GatewayError) return error
  t.fail('a GatewayError was expected')
  throw error
}

/** A client of a server with the `listener`. */
const clientOf = async (t: Test, listener: RequestListener) => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const clock = new FixedClock()
  const client = new CognigyClient({
    settings: {
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`,
      apiVersion: 'v2.1',
      levels: ['error', 'fatal'],
      requestsPerFiveMinutes: 1000,
      timeoutMs: 10_000,
      bodyBytesMax: 100_000,
    },
    apiKey: async () => 'very-secret',
    clock,
    wait: async (ms) => {
      clock.ms += ms
    },
    signalAfter: () => new AbortController().signal,
    random: () => 0,
  })
  return { client, clock, budget: { take: () => true, untilMs: clock.monotonicMs() + 45_000 } }
}

t.test('sends requests as documented', async (t) => {
  const { client, budget } = await clientOf(t, (request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    t.equal(url.pathname, `/base/new/v2.1/projects/${PROJECT.id}/logs`)
    t.same(
      [...url.searchParams],
      [
        ['limit', '100'],
        ['sort', 'timestamp:asc'],
        ['startDate', '1970-01-01T00:00:01.000Z'],
        ['next', 'abc'],
        ['type', 'error'],
        ['type', 'fatal'],
      ],
    )
    t.equal(request.headers['x-api-key'], 'very-secret')
    t.equal(request.headers.accept, 'application/json')
    t.equal(request.headers['accept-encoding'], 'gzip')
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipSync('{"items":[],"nextCursor":null}'))
  })
  t.same(await client.getPage(PROJECT, { ...QUERY, startMs: 1000, next: 'abc' }, budget), {
    entries: [],
    unreadable: 0,
    next: undefined,
  })
})

const PASSING: readonly Fault[] = ['status_500', 'status_503', 'cut', 'truncated', 'bad_gateway_page']

for (const fault of PASSING) {
  t.test(`retries after ${fault}, three times, with increasing waits`, async (t) => {
    const { client, budget, waits, fake, clock } = await startSource(t, { nextFault: inTurn([fault, fault, fault]) })
    fake.add(PROJECT.id, { ms: clock.ms })
    t.match(await client.getPage(PROJECT, QUERY, budget()), { entries: [{ level: 'info' }] })
    t.same(waits, [1000, 2000, 4000], 'half of 2, 4 and 8 seconds')
  })

  t.test(`gives up after ${fault} four times`, async (t) => {
    const { client, budget } = await startSource(t, { nextFault: () => fault })
    t.match(await failureOf(t, client.getPage(PROJECT, QUERY, budget())), { code: 'source_unavailable' })
  })
}

t.test('a server that does not answer is left after the time-out', async (t) => {
  const { client, budget } = await startSource(t, { nextFault: inTurn(['stall']) })
  t.match(await client.getPage(PROJECT, QUERY, budget()), { entries: [] })
})

const RETRY_AFTER = [
  ['seconds', '17'],
  ['a date', new Date(new FixedClock().ms + 17_000).toUTCString()],
] as const

for (const [name, value] of RETRY_AFTER) {
  t.test(`waits for the Retry-After in ${name}`, async (t) => {
    let calls = 0
    const { client, budget, clock } = await clientOf(t, (_request, response) => {
      if (calls++ > 0) response.end('{"items":[]}')
      else response.writeHead(429, { 'retry-after': value }).end()
    })
    const startedMs = clock.ms
    t.match(await client.getPage(PROJECT, QUERY, budget), { entries: [] })
    t.equal(clock.ms - startedMs, 17_000)
  })
}

t.test('does not wait beyond the end of the run', async (t) => {
  const { client, budget, waits, fake, clock } = await startSource(t)
  fake.options = { ...fake.options, requestsMax: 1 }
  await client.getPage(PROJECT, QUERY, budget())
  clock.ms += 1000
  const error = await failureOf(t, client.getPage(PROJECT, QUERY, budget()))
  t.match(error.message, /responded with 429 \(code 1429, traceId api-trace-1\)/)
  t.same(waits, [], 'the five minutes would end after the run')
})

t.test('reads Retry-After', async (t) => {
  t.equal(parseRetryAfter('3', 0), 3000)
  t.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:05 GMT', 1000), 4000)
  t.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:05 GMT', 9000), 0, 'a date that has passed')
  t.equal(parseRetryAfter('soon', 0), undefined)
  t.equal(parseRetryAfter(null, 0), undefined)
})

t.test('errors contain neither the key nor the content of the response', async (t) => {
  for (const status of [401, 403, 404, 418, 500, 511]) {
    const { client, budget } = await clientOf(t, (_request, response) => {
      response.writeHead(status).end('{"title":"very-secret","detail":"an entry","code":7}')
    })
    const error = await failureOf(t, client.getPage(PROJECT, QUERY, budget))
    t.equal(error.code, 'source_unavailable')
    t.match(error.message, new RegExp(`responded with ${status}`))
    t.notMatch(`${error.message} ${JSON.stringify(error)}`, /very-secret|an entry/)
  }
})

t.test('a rejected key is fetched again, once', async (t) => {
  const keys = ['old', 'fake-key']
  const { client, budget, fake } = await startSource(t, {}, {}, async (isRefused) => {
    if (isRefused) keys.shift()
    return keys[0] as string
  })
  t.match(await client.getPage(PROJECT, QUERY, budget()), { entries: [] })
  t.same(
    fake.requests.map(({ status }) => status),
    [401, 200],
  )
  const { client: other, fake: otherFake, budget: otherBudget } = await startSource(t, {}, {}, async () => 'wrong')
  t.match(await failureOf(t, other.getPage(PROJECT, QUERY, otherBudget())), { message: /responded with 401/ })
  t.equal(otherFake.requests.length, 1, 'the same key is not retried')
})

t.test('parameters that the server rejects are not a failure of the source', async (t) => {
  const { client, budget } = await startSource(t)
  t.equal(await client.getPage(PROJECT, { ...QUERY, next: 'none' }, budget()), 'refused')
})

t.test('follows no redirects, which would leak the key', async (t) => {
  let followed = 0
  const { client, budget } = await clientOf(t, (request, response) => {
    if (request.url === '/elsewhere') followed++
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  t.match(await failureOf(t, client.getPage(PROJECT, QUERY, budget)), { code: 'source_unavailable' })
  t.equal(followed, 0)
})

t.test('reads at most the limit of a response, also after decompression', async (t) => {
  const { client, budget } = await clientOf(t, (_request, response) => {
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipSync(Buffer.alloc(5_000_000, 0x20)))
  })
  t.match(await failureOf(t, client.getPage(PROJECT, QUERY, budget)), { code: 'body_too_large' })
})

t.test('stays within the rate limit in any five minutes', async (t) => {
  const { client, budget, clock, fake } = await startSource(t, { requestsMax: 100 }, { requestsPerFiveMinutes: 100 })
  for (let i = 0; i < 150; i++) {
    t.not(await client.getPage(PROJECT, QUERY, budget(1, 600_000)), 'spent')
  }
  t.notOk(fake.requests.some(({ status }) => status === 429))
  t.ok(clock.ms > new FixedClock().ms + 250_000)
})

t.test('reports a spent budget, and sends no more requests', async (t) => {
  const { client, budget, clock, fake } = await startSource(t)
  t.equal(await client.getPage(PROJECT, QUERY, budget(0)), 'spent')
  t.equal(await client.getPage(PROJECT, QUERY, { take: () => true, untilMs: clock.monotonicMs() }), 'spent')
  t.same(fake.requests, [])
})
