// Creates what the aws home keeps its logs in, where it is not there yet: for an emulator. On AWS, sst.config.ts does.
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns'
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'

const { MILLRACE_TABLE, MILLRACE_BUCKET, MILLRACE_FIREHOSE_STREAM, MILLRACE_QUEUE_URL, MILLRACE_ALERT_SNS_TOPIC } =
  process.env
const RECEIVES_MAX = 5
const FOURTEEN_DAYS_SECONDS = '1209600'
/** What the services say, each in its words, to somebody who creates what is there. */
const IS_THERE = ['ResourceInUseException', 'BucketAlreadyOwnedByYou', 'BucketAlreadyExists', 'QueueAlreadyExists']

await create(`table ${MILLRACE_TABLE}`, () =>
  new DynamoDBClient().send(
    new CreateTableCommand({
      TableName: MILLRACE_TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        ...['pk', 'sk', 'listKey', 'seenKey', 'workShard'].map((name) => attribute(name, 'S')),
        attribute('workAtMs', 'N'),
      ],
      KeySchema: keys('pk', 'sk'),
      GlobalSecondaryIndexes: [
        index('incidentList', 'listKey', 'seenKey'),
        index('incidentWork', 'workShard', 'workAtMs'),
      ],
    }),
  ),
)
await create(`bucket ${MILLRACE_BUCKET}`, () =>
  new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: MILLRACE_BUCKET })),
)
await create(`stream ${MILLRACE_FIREHOSE_STREAM}`, () =>
  new FirehoseClient().send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: MILLRACE_FIREHOSE_STREAM,
      ExtendedS3DestinationConfiguration: {
        RoleARN: 'arn:aws:iam::000000000000:role/firehose',
        BucketARN: `arn:aws:s3:::${MILLRACE_BUCKET}`,
        Prefix: 'logs/',
        ErrorOutputPrefix: 'errors/',
        CompressionFormat: 'UNCOMPRESSED', // records are gzip members already
        BufferingHints: { IntervalInSeconds: 60, SizeInMBs: 5 },
      },
    }),
  ),
)
await create('queue, with its dead letters', createQueues)
if (MILLRACE_ALERT_SNS_TOPIC) {
  const name = MILLRACE_ALERT_SNS_TOPIC.split(':').at(-1)
  await create(`topic ${name}`, () => new SNSClient().send(new CreateTopicCommand({ Name: name })))
}

function attribute(AttributeName, AttributeType) {
  return { AttributeName, AttributeType }
}

function keys(hash, range) {
  return [
    { AttributeName: hash, KeyType: 'HASH' },
    { AttributeName: range, KeyType: 'RANGE' },
  ]
}

function index(IndexName, hash, range) {
  return { IndexName, KeySchema: keys(hash, range), Projection: { ProjectionType: 'KEYS_ONLY' } }
}

async function createQueues() {
  const queues = new SQSClient()
  const name = MILLRACE_QUEUE_URL.split('/').at(-1)
  const deadLetters = await queues.send(
    new CreateQueueCommand({
      QueueName: `${name}-dead-letters`,
      Attributes: { MessageRetentionPeriod: FOURTEEN_DAYS_SECONDS },
    }),
  )
  const { Attributes } = await queues.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetters.QueueUrl, AttributeNames: ['QueueArn'] }),
  )
  const redrive = { deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: RECEIVES_MAX }
  await queues.send(
    new CreateQueueCommand({
      QueueName: name,
      Attributes: { VisibilityTimeout: '180', RedrivePolicy: JSON.stringify(redrive) },
    }),
  )
}

async function create(what, command) {
  try {
    await command()
    console.log(`created: ${what}`)
  } catch (error) {
    if (!IS_THERE.includes(error.name)) throw error
    console.log(`there already: ${what}`)
  }
}
