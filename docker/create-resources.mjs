// Creates what the aws home keeps its logs in, where it is not there yet: for an emulator, from the list that the
// deployment is made from too (infra/resources.ts).
import { CloudWatchLogsClient, CreateLogGroupCommand, PutMetricFilterCommand } from '@aws-sdk/client-cloudwatch-logs'
import { CreateTableCommand, DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb'
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose'
import { CreateBucketCommand, PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns'
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'
import {
  errorFilterRequest,
  lifecycleRequest,
  queueAttributes,
  streamRequest,
  tableRequest,
  ttlRequest,
} from '../infra/emulated.ts'
import { stageSettings } from '../infra/stages.ts'

const STAGE = 'dev'
const settings = stageSettings(STAGE)
const {
  MILLRACE_TABLE: table,
  MILLRACE_BUCKET: bucket,
  MILLRACE_FIREHOSE_STREAM: stream,
  MILLRACE_QUEUE_URL: queueUrl,
  MILLRACE_DEAD_LETTER_URL: deadLetterUrl,
  MILLRACE_ALERT_SNS_TOPIC: topicArn,
  MILLRACE_ALERT_LOG_GROUPS: logGroups = '',
} = process.env
/** What the services say, each in its words, to somebody who creates what is there. */
const IS_THERE = [
  'ResourceInUseException',
  'ResourceAlreadyExistsException',
  'BucketAlreadyOwnedByYou',
  'BucketAlreadyExists',
  'QueueAlreadyExists',
]

const dynamodb = new DynamoDBClient()
await create(`table ${table}`, () => dynamodb.send(new CreateTableCommand(tableRequest(table))))
// Asked for again, it is a fault in the words of a validation.
await create('its time to live', () => dynamodb.send(new UpdateTimeToLiveCommand(ttlRequest(table))), /already enabled/)
const s3 = new S3Client({ forcePathStyle: true })
await create(`bucket ${bucket}`, () => s3.send(new CreateBucketCommand({ Bucket: bucket })))
await create('its lifecycle', () =>
  s3.send(new PutBucketLifecycleConfigurationCommand(lifecycleRequest(bucket, settings))),
)
await create(`stream ${stream}`, () =>
  new FirehoseClient().send(new CreateDeliveryStreamCommand(streamRequest(stream, bucket, settings))),
)
await create('queue, with its dead letters', createQueues)
if (topicArn) await create(`topic ${nameOf(topicArn, ':')}`, createTopic)
for (const group of logGroups.split(',').filter(Boolean)) await createLogGroup(group)

async function createQueues() {
  const queues = new SQSClient()
  const deadLetters = await queues.send(
    new CreateQueueCommand({ QueueName: nameOf(deadLetterUrl, '/'), Attributes: queueAttributes() }),
  )
  const { Attributes } = await queues.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLetters.QueueUrl, AttributeNames: ['QueueArn'] }),
  )
  await queues.send(
    new CreateQueueCommand({ QueueName: nameOf(queueUrl, '/'), Attributes: queueAttributes(Attributes.QueueArn) }),
  )
}

async function createTopic() {
  await new SNSClient().send(new CreateTopicCommand({ Name: nameOf(topicArn, ':') }))
}

async function createLogGroup(group) {
  const logs = new CloudWatchLogsClient()
  await create(`log group ${group}`, () => logs.send(new CreateLogGroupCommand({ logGroupName: group })))
  await create('its count of errors', () =>
    logs.send(new PutMetricFilterCommand(errorFilterRequest(group, STAGE, settings))),
  )
}

function nameOf(urlOrArn, separator) {
  return urlOrArn.split(separator).at(-1)
}

async function create(what, command, isThere = /^$/) {
  try {
    await command()
    console.log(`created: ${what}`)
  } catch (error) {
    if (!IS_THERE.includes(error.name) && !isThere.test(error.message)) throw error
    console.log(`there already: ${what}`)
  }
}
