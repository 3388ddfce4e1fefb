import t from 'tap'
import { makeBatch, openAdmission } from '../../../support/helper.ts'
import { buildTestApp } from '../../../support/test-app.ts'

t.test('the status has what came in, what was refused, the store and the queries', async (t) => {
  const { app, store, clock } = await buildTestApp(t)
  const entries = [1n, 7200n].map((seconds) => ({ ns: clock.nowNs - seconds * 1_000_000_000n, line: 'a line' }))
  await store.append(makeBatch([{ labels: { app: 'shop' }, entries }], openAdmission(clock)))
  const refused = await app.inject({
    method: 'POST',
    url: '/loki/api/v1/push',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      streams: [
        {
          stream: { app: 'x' },
          values: [
            [String(clock.nowNs), 'ok'],
            [String(clock.nowNs / 1_000_000_000n), 'line'],
          ],
        },
      ],
    }),
  })
  t.equal(refused.statusCode, 400)
  const { statusCode, headers, body } = await app.inject('/status')
  t.equal(statusCode, 200)
  t.match(headers['content-type'], /^application\/json/)
  t.match(JSON.parse(body), {
    home: 'embedded',
    trouble: null,
    startedAt: new Date(clock.nowMs()).toISOString(),
    lastHour: { lines: 2, bytes: 8, streams: 2 },
    store: { entries: 3 },
    queries: { running: 1, waiting: 0 },
  })
  const { process } = JSON.parse(body)
  t.equal(process.accepted, 1)
  t.strictSame(process.refused, [{ reason: 'invalid_timestamp', lines: 1 }])
})
