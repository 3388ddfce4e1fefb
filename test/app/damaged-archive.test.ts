import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { buildAwsTestApp } from '../aws/aws-test-app.ts'
import { testClient } from '../aws/test-client.ts'
import { BUCKET } from '../doubles/local-cloud.ts'
import { Random } from '../support/random.ts'
import { pushJson } from '../support/test-app.ts'

t.test('an object that cannot be read leaves the rest of the answer, with a warning', async (t) => {
  const damages: string[] = []
  const sourceDamaged = (name: string): void => void damages.push(name)
  const aws = await buildAwsTestApp(t, { MILLRACE_ARCHIVE_PATH: 'direct' }, undefined, { sourceDamaged })
  const { app, clock, cloud } = aws
  const random = new Random(5)
  const push = (line: string, ms: number) =>
    pushJson(app, [{ stream: { app: 'shop' }, values: [[String(clock.nowNs - BigInt(ms) * 1_000_000n), line]] }])
  await push(random.hex(40_000), 3000)
  await push('small', 1000)
  const [object] = await cloud.objects('logs/l0/')
  const s3 = new S3Client({ ...testClient(cloud.endpoints.get('s3') as string, 1), forcePathStyle: true })
  t.teardown(() => s3.destroy())
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: object?.key ?? '', Body: Buffer.from('broken') }))

  const range = `start=${clock.nowNs - 60_000_000_000n}&end=${clock.nowNs}`
  const ask = async (query: string) =>
    (await app.inject({ url: `/loki/api/v1/query_range?query=${encodeURIComponent(query)}&step=60&${range}` })).json()
  const lines = await ask('{app="shop"}')
  t.match(lines, {
    status: 'success',
    warnings: [/incomplete.*damaged/],
    data: { result: [{ values: [[/\d/, 'small']] }] },
  })
  const counts = await ask('sum(count_over_time({app="shop"}[1m]))')
  t.match(counts, { status: 'success', warnings: [/incomplete.*damaged/], data: { resultType: 'matrix' } })
  t.same(damages, [object?.key], 'and is reported')
})
