import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { SSM } from '@aws-sdk/client-ssm'
import t from 'tap'
import { motoClient } from './moto-client.ts'

interface Leftover {
  readonly kind: string
  readonly name: string
  remove(): Promise<void>
}

// @ts-expect-error a script of plain JavaScript, which runs without the types
const cleanup = await import('../../scripts/cleanup.mjs')
const findLeftovers: (stage: string, options: object) => Promise<Leftover[]> = cleanup.findLeftovers

const options = { ...motoClient(), forcePathStyle: true }
const stage = `s${Date.now().toString(36)}`
const s3 = new S3(options)

/** One of each kind that carries the name of the stage. */
async function leaveBehind(of: string): Promise<void> {
  const bucket = `millrace-${of}-archive`
  await s3.createBucket({ Bucket: bucket })
  await s3.putBucketVersioning({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } })
  for (const body of ['one', 'two']) await s3.putObject({ Bucket: bucket, Key: 'logs/x.gz', Body: body })
  await s3.deleteObject({ Bucket: bucket, Key: 'logs/x.gz' })
  await new DynamoDB(options).createTable({
    TableName: `millrace-${of}-table`,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
  })
  await new SQS(options).createQueue({ QueueName: `millrace-${of}-ingest` })
  await new SNS(options).createTopic({ Name: `millrace-${of}-alerts` })
  await new SSM(options).putParameter({ Name: `/millrace/${of}/users`, Type: 'SecureString', Value: 'agent:x' })
  await new CloudWatchLogs(options).createLogGroup({ logGroupName: `/aws/lambda/millrace-${of}-gateway` })
  await new Firehose(options).createDeliveryStream({
    DeliveryStreamName: `millrace-${of}`,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::123456789012:role/delivery',
      BucketARN: `arn:aws:s3:::${bucket}`,
    },
  })
}

t.test('what a stage left behind is found, nothing of another stage, and removed for good', async (t) => {
  const other = `${stage}x`
  await leaveBehind(stage)
  await leaveBehind(other)
  const found = await findLeftovers(stage, options)
  t.same(
    found.map(({ kind, name }) => `${kind} ${name}`),
    [
      `stream millrace-${stage}`,
      `queue millrace-${stage}-ingest`,
      `topic millrace-${stage}-alerts`,
      `table millrace-${stage}-table`,
      `bucket millrace-${stage}-archive`,
      `parameter /millrace/${stage}/users`,
      `log group /aws/lambda/millrace-${stage}-gateway`,
    ],
  )
  for (const leftover of found) await leftover.remove()
  t.same(await findLeftovers(stage, options), [])
  for (const leftover of found) await t.resolves(leftover.remove(), `${leftover.kind}: removing it again is no error`)
  t.equal((await findLeftovers(other, options)).length, 7)
})
