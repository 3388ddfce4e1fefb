import { gunzipSync, gzipSync } from 'node:zlib'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import t from 'tap'
import { ArchiveBucket } from '../../src/adapters/aws/archive-bucket.ts'
import { FirehoseRecords } from '../../src/adapters/aws/write/firehose-records.ts'
import { SYSTEM_PACING } from '../../src/homes/machine.ts'
import { collect, motoClient, uniqueName } from './moto-client.ts'

const s3 = new S3({ ...motoClient(), forcePathStyle: true })
const firehose = new Firehose(motoClient())
t.teardown(() => {
  s3.destroy()
  firehose.destroy()
})

async function openBucket() {
  const Bucket = uniqueName('archive')
  await s3.createBucket({ Bucket })
  return { Bucket, bucket: new ArchiveBucket(async () => s3, Bucket) }
}

async function read(bucket: ArchiveBucket, key: string): Promise<Buffer | undefined> {
  const body = await bucket.get(key)
  if (body === undefined) return undefined
  return Buffer.concat(await collect(body))
}

t.test('objects are put, read and listed', async (t) => {
  const { bucket } = await openBucket()
  const body = gzipSync('{"line":"x"}\n')
  await bucket.put('logs/2026/11/21/12/late_1_2_a.gz', body)
  await bucket.put('logs/2026/11/21/13/late_3_4_b.gz', Buffer.from('b'))
  t.strictSame(await read(bucket, 'logs/2026/11/21/12/late_1_2_a.gz'), body)
  t.equal(await read(bucket, 'logs/none'), undefined)
  await bucket.put('logs/2026/11/21/13/late_3_4_b.gz', Buffer.from('again'))
  t.equal((await read(bucket, 'logs/2026/11/21/13/late_3_4_b.gz'))?.toString(), 'again', 'a put replaces')
  const [page] = await collect(bucket.list({ prefix: 'logs/2026/11/21/', delimiter: '/' }))
  t.strictSame(page?.folders, ['logs/2026/11/21/12/', 'logs/2026/11/21/13/'])
  const after = 'logs/2026/11/21/12/late_1_2_a.gz'
  const [rest] = await collect(bucket.list({ prefix: 'logs/', startAfter: after }))
  t.match(rest?.objects, [{ key: 'logs/2026/11/21/13/late_3_4_b.gz', bytes: 5 }])
})

t.test('a listing has more than a thousand objects', async (t) => {
  const { bucket } = await openBucket()
  const keys = Array.from({ length: 1003 }, (_, at) => `logs/${String(at).padStart(5, '0')}`)
  for (let at = 0; at < keys.length; at += 50) {
    await Promise.all(keys.slice(at, at + 50).map((key) => bucket.put(key, Buffer.from('x'))))
  }
  const pages = await collect(bucket.list({ prefix: 'logs/' }))
  t.ok(pages.length > 1)
  t.strictSame(
    pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
    keys,
  )
})

t.test('records accepted by Firehose are in the bucket', async (t) => {
  const { Bucket, bucket } = await openBucket()
  const DeliveryStreamName = uniqueName('stream')
  await firehose.createDeliveryStream({
    DeliveryStreamName,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::123456789012:role/firehose',
      BucketARN: `arn:aws:s3:::${Bucket}`,
      Prefix: 'logs/',
    },
  })
  const records = new FirehoseRecords(async () => firehose, DeliveryStreamName, SYSTEM_PACING)
  await records.put([gzipSync('one\n'), gzipSync('two\n')])
  const pages = await collect(bucket.list({ prefix: 'logs/' }))
  const keys = pages.flatMap(({ objects }) => objects.map(({ key }) => key))
  const bodies = await Promise.all(keys.map((key) => read(bucket, key)))
  const lines = bodies.map((body) => gunzipSync(body ?? '').toString()).join('')
  t.equal(lines, 'one\ntwo\n', 'members lie one behind the other')
})
