import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { ECR } from '@aws-sdk/client-ecr'
import { Firehose } from '@aws-sdk/client-firehose'
import { KMS } from '@aws-sdk/client-kms'
import { S3 } from '@aws-sdk/client-s3'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { SSM } from '@aws-sdk/client-ssm'
import t from 'tap'
import { motoClient } from './moto-client.ts'

interface Leftover {
  readonly kind: string
  readonly name: string
  readonly remove: (() => Promise<void>) | undefined
}

// @ts-expect-error a script of plain JavaScript, which runs without the types
const cleanup = await import('../../scripts/cleanup.mjs')
const findLeftovers: (stage: string, options: object) => Promise<Leftover[]> = cleanup.findLeftovers

const options = { ...motoClient(), forcePathStyle: true }
const stage = `s${Date.now().toString(36)}`
const s3 = new S3(options)

/** One resource of each kind, with the tags and names of the stage. */
async function leaveBehind(of: string): Promise<void> {
  const bucket = `millrace-${of}-archive`
  const tags = { project: 'millrace', stage: of }
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  await s3.createBucket({ Bucket: bucket })
  await s3.putBucketTagging({ Bucket: bucket, Tagging: { TagSet: Tags } })
  await s3.putBucketVersioning({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } })
  for (const body of ['one', 'two']) await s3.putObject({ Bucket: bucket, Key: 'logs/x.gz', Body: body })
  await s3.deleteObject({ Bucket: bucket, Key: 'logs/x.gz' })
  await new DynamoDB(options).createTable({
    TableName: `millrace-${of}-table`,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    Tags,
  })
  await new SQS(options).createQueue({ QueueName: `millrace-${of}-ingest`, tags })
  await new SNS(options).createTopic({ Name: `millrace-${of}-alerts`, Tags })
  await new SSM(options).putParameter({ Name: `/millrace/${of}/users`, Type: 'SecureString', Value: 'agent:x', Tags })
  await new SecretsManager(options).createSecret({ Name: `millrace/${of}/first-user`, SecretString: '{}', Tags })
  const logs = new CloudWatchLogs(options)
  await logs.createLogGroup({ logGroupName: `/millrace/${of}/delivery`, tags })
  await logs.createLogGroup({ logGroupName: `/aws/lambda/millrace-${of}-gateway` })
  await new KMS(options).createKey({ Tags: Tags.map(({ Key, Value }) => ({ TagKey: Key, TagValue: Value })) })
  await new CognitoIdentityProvider(options).createUserPool({
    PoolName: `millrace-${of}`,
    DeletionProtection: 'ACTIVE',
    UserPoolTags: tags,
  })
  await new ECR(options).createRepository({ repositoryName: `millrace-${of}-images`, tags: Tags })
  await new Firehose(options).createDeliveryStream({
    DeliveryStreamName: `millrace-${of}`,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::123456789012:role/delivery',
      BucketARN: `arn:aws:s3:::${bucket}`,
    },
    Tags,
  })
}

t.test('resources left by a stage are found and removed, those of other stages are not', async (t) => {
  const others = [`${stage}-2`, `${stage}2`]
  for (const each of [stage, ...others]) await leaveBehind(each)
  const found = await findLeftovers(stage, options)
  t.comment(found.map(({ kind, name }) => `${kind} ${name}`).join('; '))
  for (const kind of ['queue', 'topic', 'table', 'bucket', 'parameter', 'secret', 'log group']) {
    t.ok(
      found.some((each) => each.kind === kind),
      kind,
    )
  }
  const counts = new Map<string, number>()
  for (const each of others) counts.set(each, (await findLeftovers(each, options)).length)
  for (const { remove } of found) await remove?.()
  t.same(await findLeftovers(stage, options), [])
  for (const { kind, remove } of found) {
    if (remove) await t.resolves(remove(), `${kind}: removing it again is no error`)
  }
  for (const each of others) t.equal((await findLeftovers(each, options)).length, counts.get(each), each)
})
