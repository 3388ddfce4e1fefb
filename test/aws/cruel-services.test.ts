/** The aws home over services that are as slow and as strict as AWS may be. */

import t from 'tap'
import { SHARDS } from '../../src/adapters/aws/recent-items.ts'
import { pushJson, storedLines } from '../support/test-app.ts'
import { buildAwsTestApp } from './aws-test-app.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

t.test('objects of Firehose that come late, and behind later ones, are found as soon as they are there', async (t) => {
  const aws = await buildAwsTestApp(t)
  const { clock, cloud } = aws
  const push = async (line: string) => {
    await pushJson(aws.app, [{ stream: { app: 'shop' }, values: [[String(clock.nowNs), line]] }])
  }
  cloud.firehose.latenessMs = (index) => (index === 0 ? 40 * MINUTE_MS : 0)
  await push('late')
  await cloud.advance(clock, 2 * MINUTE_MS)
  await push('in time')
  await cloud.advance(clock, 2 * MINUTE_MS)
  t.same((await storedLines(aws)).toSorted(), ['in time', 'late'], 'the late one is a recent item')
  // Everything is read, and what lies in the bucket is loaded: the late object is one that the reader has not seen.
  await cloud.advance(clock, 36 * MINUTE_MS)
  t.same((await storedLines(aws)).toSorted(), ['in time', 'late'])
  await cloud.advance(clock, 2 * MINUTE_MS)
  t.equal((await cloud.objects()).length, 2)
  await cloud.advance(clock, 2 * HOUR_MS)
  t.same((await storedLines(aws)).toSorted(), ['in time', 'late'], 'recent items are over: it is in the bucket')
  t.same((await storedLines(await buildAwsTestApp(t, {}, aws))).toSorted(), ['in time', 'late'])
})

t.test(
  'pushes beyond the quota of their partitions are answered 503 in words, and stored when they are sent again',
  async (t) => {
    const aws = await buildAwsTestApp(t)
    const { clock, cloud } = aws
    cloud.dynamodb.throttles = true
    cloud.dynamodb.quotas.unitsPerSecond = { write: 2, read: 3000 }
    const push = (line: string) => {
      const streams = [{ stream: { app: 'shop' }, values: [[String(clock.nowNs), line]] }]
      const headers = { 'content-type': 'application/json' }
      const payload = JSON.stringify({ streams })
      return aws.app.inject({ method: 'POST', url: '/loki/api/v1/push', headers, payload })
    }
    const lines = Array.from({ length: 3 * SHARDS }, (_, i) => `line ${i}`)
    const responses = await Promise.all(lines.map(push))
    const statuses = responses.map(({ statusCode }) => statusCode)
    t.strictSame([...new Set(statuses)].sort(), [200, 503])
    const refused = responses.find(({ statusCode }) => statusCode === 503)
    t.match(refused?.body, /DynamoDB .* is throttling; retry later/)
    clock.ms += 1000
    cloud.dynamodb.throttles = false
    for (const [i, line] of lines.entries()) if (statuses[i] === 503) t.equal((await push(line)).statusCode, 200)
    t.same((await storedLines(aws)).toSorted(), lines.toSorted(), 'each once')
  },
)
