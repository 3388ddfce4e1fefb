// Lists, and removes, what a stage leaves behind after `sst remove`: log groups that AWS makes by itself, and what
// `removal: retain` keeps. `node scripts/cleanup.mjs --stage dev --dry-run` first; then without --dry-run.
// A stage that is called production wants `--yes-delete-production` too: its logs are gone for good.
import { parseArgs } from 'node:util'
import { CloudWatchLogsClient, DeleteLogGroupCommand, paginateDescribeLogGroups } from '@aws-sdk/client-cloudwatch-logs'
import { DeleteTableCommand, DynamoDBClient, paginateListTables, UpdateTableCommand } from '@aws-sdk/client-dynamodb'
import { DeleteDeliveryStreamCommand, FirehoseClient, ListDeliveryStreamsCommand } from '@aws-sdk/client-firehose'
import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { DeleteTopicCommand, paginateListTopics, SNSClient } from '@aws-sdk/client-sns'
import { DeleteQueueCommand, paginateListQueues, SQSClient } from '@aws-sdk/client-sqs'
import { DeleteParametersCommand, paginateGetParametersByPath, SSMClient } from '@aws-sdk/client-ssm'

const USAGE = 'node scripts/cleanup.mjs --stage STAGE [--dry-run]'

if (import.meta.main) await main()

async function main() {
  const { values } = parseArgs({
    options: {
      stage: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      'yes-delete-production': { type: 'boolean', default: false },
    },
  })
  const { stage } = values
  if (stage === undefined || !/^[a-z0-9-]{1,30}$/.test(stage)) fail(`no stage came; usage: ${USAGE}`)
  if (stage === 'production' && !values['dry-run'] && !values['yes-delete-production']) {
    fail('production holds logs that nobody else has; add --yes-delete-production to delete them for good')
  }
  const found = await findLeftovers(stage)
  for (const { kind, name } of found) console.log(`${values['dry-run'] ? 'would remove' : 'removing'} ${kind} ${name}`)
  if (!values['dry-run']) for (const leftover of found) await leftover.remove()
  console.log(`${found.length} left behind by ${stage}`)
}

/**
 * What carries the stage's name: `{ kind, name, remove() }` each. Removing what is gone already is no error, so that a
 * run that was cut can be run again.
 */
export async function findLeftovers(stage, options = {}) {
  const s3 = new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined, ...options })
  const lists = await Promise.all([
    findStreams(new FirehoseClient(options), stage),
    findQueues(new SQSClient(options), stage),
    findTopics(new SNSClient(options), stage),
    findTables(new DynamoDBClient(options), stage),
    findBuckets(s3, stage),
    findParameters(new SSMClient(options), stage),
    findLogGroups(new CloudWatchLogsClient(options), stage),
  ])
  return lists.flat()
}

async function findStreams(client, stage) {
  const { DeliveryStreamNames: names = [] } = await client.send(new ListDeliveryStreamsCommand({ Limit: 10_000 }))
  return names
    .filter((name) => name === `millrace-${stage}`)
    .map((name) => ({
      kind: 'stream',
      name,
      remove: gone('ResourceNotFoundException', () =>
        client.send(new DeleteDeliveryStreamCommand({ DeliveryStreamName: name })),
      ),
    }))
}

async function findQueues(client, stage) {
  const found = []
  for await (const { QueueUrls: urls = [] } of paginateListQueues(
    { client, pageSize: 1000 },
    { QueueNamePrefix: `millrace-${stage}-` },
  )) {
    for (const url of urls) {
      const remove = gone('QueueDoesNotExist', () => client.send(new DeleteQueueCommand({ QueueUrl: url })))
      found.push({ kind: 'queue', name: url.slice(url.lastIndexOf('/') + 1), remove })
    }
  }
  return found
}

async function findTopics(client, stage) {
  const found = []
  for await (const { Topics: topics = [] } of paginateListTopics({ client }, {})) {
    for (const { TopicArn: arn } of topics) {
      const name = arn.slice(arn.lastIndexOf(':') + 1)
      if (!name.startsWith(`millrace-${stage}-`)) continue
      found.push({ kind: 'topic', name, remove: () => client.send(new DeleteTopicCommand({ TopicArn: arn })) })
    }
  }
  return found
}

async function findTables(client, stage) {
  const found = []
  for await (const { TableNames: names = [] } of paginateListTables({ client }, {})) {
    for (const name of names.filter((each) => each.startsWith(`millrace-${stage}-`))) {
      const remove = gone('ResourceNotFoundException', async () => {
        await client.send(new UpdateTableCommand({ TableName: name, DeletionProtectionEnabled: false }))
        await client.send(new DeleteTableCommand({ TableName: name }))
      })
      found.push({ kind: 'table', name, remove })
    }
  }
  return found
}

async function findBuckets(client, stage) {
  const { Buckets: buckets = [] } = await client.send(new ListBucketsCommand({}))
  return buckets
    .filter(({ Name: name }) => name.startsWith(`millrace-${stage}-`))
    .map(({ Name: name }) => ({
      kind: 'bucket',
      name,
      remove: gone('NoSuchBucket', async () => {
        await emptyBucket(client, name)
        await client.send(new DeleteBucketCommand({ Bucket: name }))
      }),
    }))
}

/** All versions of all objects, a page of a thousand at a time. */
async function emptyBucket(client, bucket) {
  for (;;) {
    const page = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, MaxKeys: 1000 }))
    const objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
      Key,
      VersionId,
    }))
    if (objects.length === 0) return
    const { Errors: errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
    )
    if (errors.length > 0) throw new Error(`${errors.length} objects of ${bucket} stay: ${errors[0].Code}`)
  }
}

async function findParameters(client, stage) {
  const names = []
  for await (const { Parameters: page = [] } of paginateGetParametersByPath(
    { client },
    { Path: `/millrace/${stage}/`, Recursive: true },
  )) {
    names.push(...page.map(({ Name: name }) => name))
  }
  // Names that are not there are told, not thrown.
  return names.map((name) => ({
    kind: 'parameter',
    name,
    remove: () => client.send(new DeleteParametersCommand({ Names: [name] })),
  }))
}

async function findLogGroups(client, stage) {
  const found = []
  for (const prefix of [
    `/aws/lambda/millrace-${stage}-`,
    `/millrace/${stage}/`,
    `/aws/vendedlogs/apis/millrace-${stage}-`,
  ]) {
    for await (const { logGroups: groups = [] } of paginateDescribeLogGroups(
      { client },
      { logGroupNamePrefix: prefix },
    )) {
      for (const { logGroupName: name } of groups) {
        const remove = gone('ResourceNotFoundException', () =>
          client.send(new DeleteLogGroupCommand({ logGroupName: name })),
        )
        found.push({ kind: 'log group', name, remove })
      }
    }
  }
  return found
}

/** `act`, for which it is fine that the thing is gone already. */
function gone(errorName, act) {
  return async () => {
    try {
      await act()
    } catch (error) {
      if (error.name !== errorName) throw error
    }
  }
}

function fail(text) {
  console.error(text)
  process.exit(2)
}
