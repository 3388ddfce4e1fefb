/** Metric and log queries have the same answers in both homes, wherever the aws home has their lines from. */

import { globSync } from 'node:fs'
import t from 'tap'
import { BUCKET } from '../doubles/local-cloud.ts'
import { askCases, formatComparison, loadCases } from '../language/comparison.ts'
import { PLAIN } from '../loki-details/loki-client.ts'
import { FixedClock } from '../support/helper.ts'
import { buildTestApp, pushJson, storedLines, type TestApp } from '../support/test-app.ts'
import { buildAwsTestApp } from './aws-test-app.ts'

const NOW_MS = new FixedClock().nowMs()
const FILES = globSync('test/language/cases/*.txt').sort()
/** Longer than any line is recent. */
const WINDOW_MS = 2 * 3600_000
const JSON_TYPE = { 'content-type': 'application/json' }

async function listen({ app }: TestApp): Promise<{ url: string; headers: Record<string, string> }> {
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), headers: {} }
}

for (const path of ['firehose', 'direct']) {
  t.test(`both homes answer all cases alike, with the path ${path}`, async (t) => {
    const env = { ...PLAIN, MILLRACE_ARCHIVE_PATH: path, MILLRACE_ARCHIVE_BUCKETS: '4' }
    const embedded = await buildTestApp(t, PLAIN)
    const aws = await buildAwsTestApp(t, env)
    const options = {
      left: await listen(embedded),
      right: await listen(aws),
      files: FILES,
      nowMs: NOW_MS,
      run: 'homes',
    }
    await loadCases(options)
    const recent = await askCases(options)
    t.ok(recent.compared > 400, `${recent.compared} queries`)
    t.equal(formatComparison(recent), `${recent.compared} queries, 0 with a difference`, 'before it is archived')

    await aws.archive()
    for (const { clock } of [embedded, aws]) clock.ms += WINDOW_MS
    // What the first container has read, it still holds.
    const other = await buildAwsTestApp(t, env, aws)
    const archived = await askCases({ ...options, right: await listen(other) })
    t.equal(formatComparison(archived), `${recent.compared} queries, 0 with a difference`, 'from the archive')
  })
}

t.test('what is archived is read from the bucket alone', async (t) => {
  const aws = await buildAwsTestApp(t)
  const ns = String(aws.clock.nowNs - 1_000_000_000n)
  await pushJson(aws.app, [{ stream: { app: 'shop' }, values: [[ns, 'paid']] }])
  await aws.app.inject({ method: 'POST', url: '/logs', headers: JSON_TYPE, payload: '{"message":"sent"}' })
  await aws.archive()
  t.match(await storedLines(await buildAwsTestApp(t, {}, aws)), ['paid', /"sent"/])
  aws.cloud.queues.emptyBucket(BUCKET)
  t.strictSame(await storedLines(await buildAwsTestApp(t, {}, aws)), [])
})
