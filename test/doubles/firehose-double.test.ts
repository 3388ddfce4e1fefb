import { gzipSync } from 'node:zlib'
import { Firehose } from '@aws-sdk/client-firehose'
import t, { type Test } from 'tap'
import { testClient } from '../aws/test-client.ts'
import { FixedClock } from '../support/helper.ts'
import { FirehoseDouble } from './firehose-double.ts'

const DeliveryStreamName = 'millrace'
const KEY =
  /^logs\/2026\/11\/21\/12\/millrace-1-2026-11-21-12-00-00-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\.gz$/

async function start(t: Test) {
  const clock = new FixedClock()
  const objects: { bucket: string; key: string; body: Buffer }[] = []
  const bucket = { isDown: false }
  const double = await FirehoseDouble.start({
    clock,
    putObject: async (bucketName, key, body) => {
      if (bucket.isDown) throw new Error('S3 is down')
      objects.push({ bucket: bucketName, key, body: Buffer.from(body) })
    },
  })
  const client = new Firehose(testClient(double.url))
  t.teardown(() => {
    client.destroy()
    return double.stop()
  })
  await client.createDeliveryStream({
    DeliveryStreamName,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::000000000000:role/firehose',
      BucketARN: 'arn:aws:s3:::archive',
      Prefix: 'logs/',
      FileExtension: '.gz',
      BufferingHints: { SizeInMBs: 1, IntervalInSeconds: 60 },
    },
  })
  const put = (...data: (string | Uint8Array)[]) =>
    client.putRecordBatch({
      DeliveryStreamName,
      Records: data.map((each) => ({ Data: typeof each === 'string' ? Buffer.from(each) : each })),
    })
  return { clock, double, client, objects, bucket, put }
}

t.test('a stream is described after its creation', async (t) => {
  const { client } = await start(t)
  const { DeliveryStreamDescription } = await client.describeDeliveryStream({ DeliveryStreamName })
  t.match(DeliveryStreamDescription, { DeliveryStreamStatus: 'ACTIVE', DeliveryStreamType: 'DirectPut' })
  const twice = client.createDeliveryStream({
    DeliveryStreamName,
    ExtendedS3DestinationConfiguration: { RoleARN: 'arn:r', BucketARN: 'arn:aws:s3:::archive' },
  })
  await t.rejects(twice, { name: 'ResourceInUseException' })
  const none = client.putRecord({ DeliveryStreamName: 'none', Record: { Data: Buffer.from('x') } })
  await t.rejects(none, { name: 'ResourceNotFoundException' })
})

t.test('records are in S3 after the interval, concatenated without separators', async (t) => {
  const { clock, double, objects, put, client } = await start(t)
  const answer = await put('a', gzipSync('b'))
  t.match(answer, { FailedPutCount: 0, RequestResponses: [{ RecordId: String }, { RecordId: String }] })
  clock.ms += 59_999
  await client.putRecord({ DeliveryStreamName, Record: { Data: Buffer.from('c') } })
  await double.deliverDue()
  t.equal(objects.length, 0, 'its time is not over')
  t.ok(double.pendingBytes > 0)
  clock.ms += 1
  await double.deliverDue()
  t.match(objects, [{ bucket: 'archive', key: KEY }])
  t.strictSame(objects[0]?.body, Buffer.concat([Buffer.from('a'), gzipSync('b'), Buffer.from('c')]))
  t.equal(double.pendingBytes, 0)
})

t.test('a full buffer is delivered early', async (t) => {
  const { double, objects, put } = await start(t)
  await put(Buffer.alloc(600_000, 'x'), Buffer.alloc(600_000, 'y'))
  await double.deliverDue()
  t.strictSame(
    objects.map(({ body }) => body.length),
    [1_200_000],
  )
})

t.test('objects rejected by S3 are kept and delivered later', async (t) => {
  const { double, objects, put, bucket } = await start(t)
  await put('a')
  bucket.isDown = true
  await t.rejects(double.deliver(), { message: 'S3 is down' })
  t.equal(double.pendingBytes, 1)
  bucket.isDown = false
  await double.deliver()
  t.equal(objects.length, 1)
})

t.test('a buffer may be delivered twice, with two names', async (t) => {
  const { double, objects, put } = await start(t)
  double.deliversTwice = true
  await put('a')
  await double.deliver()
  t.equal(objects.length, 2)
  t.not(objects[0]?.key, objects[1]?.key)
  t.strictSame(objects[0]?.body, objects[1]?.body)
})

t.test('calls beyond the limits are rejected as a whole', async (t) => {
  const { put, double } = await start(t)
  const rows: readonly (readonly [string, Buffer[], string, RegExp])[] = [
    ['no records', [], 'ValidationException', /at 'records'/],
    ['501 records', Array(501).fill(Buffer.from('x')), 'ValidationException', /less than or equal to 500/],
    [
      'a record of 1,000 KiB and a byte',
      [Buffer.from('x'), Buffer.alloc(1_024_001)],
      'ValidationException',
      /records\.2\.member\.data' .* less than or equal to 1024000/,
    ],
    ['more than 4 MiB', Array(5).fill(Buffer.alloc(1_000_000)), 'InvalidArgumentException', /4 MB/],
  ]
  for (const [name, records, error, message] of rows) await t.rejects(put(...records), { name: error, message }, name)
  t.equal(double.pendingBytes, 0)
  await t.resolves(put(Buffer.alloc(1_024_000)), 'the largest record is taken')
  await t.resolves(put(...Array(500).fill('x')), '500 records are taken')
})

t.test('individual records can fail', async (t) => {
  const { put, double, objects } = await start(t)
  double.failsRecord = (index) => index === 1
  const answer = await put('a', 'b', 'c')
  t.equal(answer.FailedPutCount, 1)
  t.match(answer.RequestResponses, [
    { RecordId: String },
    { ErrorCode: 'ServiceUnavailableException' },
    { RecordId: String },
  ])
  await double.deliver()
  t.equal(objects[0]?.body.toString(), 'ac')
})

t.test('with throttling, records beyond the quota of a second fail', async (t) => {
  const { put, double, clock } = await start(t)
  double.throttles = true
  const mebibyte = Buffer.alloc(1_000_000)
  t.equal((await put(mebibyte, mebibyte, mebibyte, mebibyte)).FailedPutCount, 0)
  t.equal((await put(mebibyte, mebibyte)).FailedPutCount, 1, 'the rest of 5 MiB is used up')
  await t.rejects(put(mebibyte), { name: 'ServiceUnavailableException' })
  clock.ms += 1000
  t.equal((await put(mebibyte)).FailedPutCount, 0)
})

t.test('a buffer may be delivered late, and after later ones', async (t) => {
  const { clock, double, objects, put } = await start(t)
  double.latenessMs = (index) => (index === 0 ? 3_600_000 : 0)
  await put('late')
  clock.ms += 60_000
  await double.deliverDue()
  await put('in time')
  clock.ms += 60_000
  await double.deliverDue()
  t.strictSame(
    objects.map(({ body }) => String(body)),
    ['in time'],
  )
  clock.ms += 3_540_000
  await double.deliverDue()
  t.strictSame(
    objects.map(({ body }) => String(body)),
    ['in time', 'late'],
  )
  t.match(objects[1]?.key, KEY, 'its name has the time of its oldest record')
})
