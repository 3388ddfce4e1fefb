// Lists, and removes, what a stage leaves behind after `sst remove`: resources with `removal: retain`, and log groups that
// AWS creates by itself. `npm run cleanup -- --stage dev --dry-run` first; then without --dry-run.
import { parseArgs } from 'node:util'
import { CloudWatchLogsClient, DeleteLogGroupCommand, paginateDescribeLogGroups } from '@aws-sdk/client-cloudwatch-logs'
import {
  CognitoIdentityProviderClient,
  DeleteUserPoolCommand,
  DescribeUserPoolCommand,
  UpdateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider'
import { DeleteTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb'
import { DeleteRepositoryCommand, ECRClient } from '@aws-sdk/client-ecr'
import { DeleteDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose'
import { DescribeKeyCommand, KMSClient, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import { paginateGetResources, ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { DeleteBucketCommand, DeleteObjectsCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3'
import { DeleteSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { DeleteTopicCommand, SNSClient } from '@aws-sdk/client-sns'
import { DeleteQueueCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs'
import { DeleteParametersCommand, SSMClient } from '@aws-sdk/client-ssm'
import { isProtected } from '../infra/stages.ts'

const USAGE = 'npm run cleanup -- --stage STAGE [--dry-run] [--confirm STAGE]'
/** The shortest wait that KMS allows: until then the deletion can be cancelled. */
const KEY_DELETION_DAYS = 7

/** The functions of a stage, as their log groups name them. infra/check holds this list to the deployment. */
export const FUNCTION_NAMES = ['gateway', 'worker', 'compactor', 'poller', 'logalertprocessor', 'testlogemitter']

if (import.meta.main) await main()

async function main() {
  const { values } = parseArgs({
    options: { stage: { type: 'string' }, 'dry-run': { type: 'boolean', default: false }, confirm: { type: 'string' } },
  })
  const { stage, confirm } = values
  if (stage === undefined || !/^[a-z0-9-]{1,30}$/.test(stage))
    fail(`--stage is missing or not a stage; usage: ${USAGE}`)
  if (isProtected(stage) && !values['dry-run'] && confirm !== stage) {
    fail(`${stage} is protected: its logs exist nowhere else. Add --confirm ${stage} to delete them for good`)
  }
  const leftovers = await findLeftovers(stage)
  for (const { kind, name, remove } of leftovers) {
    if (remove === undefined) console.log(`not removed by this script, remove it by hand: ${kind} ${name}`)
    else console.log(`${values['dry-run'] ? 'would remove' : 'removing'} ${kind} ${name}`)
    if (!values['dry-run']) await remove?.()
  }
  console.log(`${leftovers.length} left behind by ${stage}`)
}

/**
 * What a stage left behind: `{ kind, name, remove() }` each; `remove` is undefined for kinds this script does not delete.
 * Resources are matched by the tags `project` and `stage` that sst.config.ts puts on each, never by a prefix of their
 * name: `dev` is a prefix of `dev-2`. Log groups that AWS creates carry no tags; they are matched by their whole name.
 * A missing resource is no error, so an interrupted run can be repeated.
 */
export async function findLeftovers(stage, options = {}) {
  const clients = makeClients(options)
  const tagged = await findTagged(clients, stage)
  const names = new Set(tagged.map(({ name }) => name))
  const untagged = await findLogGroups(clients, stage)
  return [...tagged, ...untagged.filter(({ name }) => !names.has(name))]
}

function makeClients(options) {
  return {
    tagging: new ResourceGroupsTaggingAPIClient(options),
    s3: new S3Client({ forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined, ...options }),
    sqs: new SQSClient(options),
    sns: new SNSClient(options),
    dynamodb: new DynamoDBClient(options),
    firehose: new FirehoseClient(options),
    ssm: new SSMClient(options),
    secrets: new SecretsManagerClient(options),
    logs: new CloudWatchLogsClient(options),
    cognito: new CognitoIdentityProviderClient(options),
    kms: new KMSClient(options),
    ecr: new ECRClient(options),
  }
}

async function findTagged(clients, stage) {
  const filters = [
    { Key: 'project', Values: ['millrace'] },
    { Key: 'stage', Values: [stage] },
  ]
  const found = []
  for await (const page of paginateGetResources({ client: clients.tagging }, { TagFilters: filters })) {
    for (const { ResourceARN: arn } of page.ResourceTagMappingList ?? []) {
      const leftover = await leftoverOf(clients, arn)
      if (leftover !== undefined) found.push(leftover)
    }
  }
  return found
}

/** `arn:partition:service:region:account:resource`; the resource may hold colons of its own. */
async function leftoverOf(clients, arn) {
  const [, , service, , , ...rest] = arn.split(':')
  const resource = rest.join(':')
  const [type, path = resource] = splitOnce(resource, /[/:]/)
  const make = REMOVERS[`${service}:${type}`] ?? REMOVERS[service]
  if (make === undefined) return { kind: `${service} ${type}`, name: arn, remove: undefined }
  return make(clients, { arn, resource, path })
}

/** How each kind is removed, by service or by service and type of resource. `undefined` if it needs no removal. */
const REMOVERS = {
  'firehose:deliverystream': ({ firehose }, { path: name }) =>
    leftover('stream', name, 'ResourceNotFoundException', () =>
      firehose.send(new DeleteDeliveryStreamCommand({ DeliveryStreamName: name })),
    ),
  sqs: ({ sqs }, { resource: name }) =>
    leftover('queue', name, 'QueueDoesNotExist', async () => {
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }))
      await sqs.send(new DeleteQueueCommand({ QueueUrl }))
    }),
  sns: ({ sns }, { arn, resource: name }) =>
    leftover('topic', name, 'NotFoundException', () => sns.send(new DeleteTopicCommand({ TopicArn: arn }))),
  'dynamodb:table': ({ dynamodb }, { path: name }) =>
    leftover('table', name, 'ResourceNotFoundException', async () => {
      await dynamodb.send(new UpdateTableCommand({ TableName: name, DeletionProtectionEnabled: false }))
      await dynamodb.send(new DeleteTableCommand({ TableName: name }))
    }),
  s3: ({ s3 }, { resource: name }) =>
    leftover('bucket', name, 'NoSuchBucket', async () => {
      await emptyBucket(s3, name)
      await s3.send(new DeleteBucketCommand({ Bucket: name }))
    }),
  // The ARN omits the leading slash of the name. Missing names are reported, not thrown.
  'ssm:parameter': ({ ssm }, { path }) =>
    leftover('parameter', `/${path}`, undefined, () => ssm.send(new DeleteParametersCommand({ Names: [`/${path}`] }))),
  // Immediately: a name that is scheduled for deletion cannot be deployed again.
  'secretsmanager:secret': ({ secrets }, { arn, path: name }) =>
    leftover('secret', name, 'ResourceNotFoundException', () =>
      secrets.send(new DeleteSecretCommand({ SecretId: arn, ForceDeleteWithoutRecovery: true })),
    ),
  'logs:log-group': ({ logs }, { path: name }) => logGroup(logs, name.replace(/:\*$/, '')),
  'cognito-idp:userpool': ({ cognito }, { path: id }) =>
    leftover('user pool', id, 'ResourceNotFoundException', async () => {
      await unprotectPool(cognito, id)
      await cognito.send(new DeleteUserPoolCommand({ UserPoolId: id }))
    }),
  'kms:key': async ({ kms }, { path: id }) => {
    const { KeyMetadata: key } = await kms.send(new DescribeKeyCommand({ KeyId: id }))
    if (key.KeyState === 'PendingDeletion') return undefined
    return leftover(`key (deleted in ${KEY_DELETION_DAYS} days)`, id, 'NotFoundException', () =>
      kms.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: KEY_DELETION_DAYS })),
    )
  },
  'ecr:repository': ({ ecr }, { path: name }) =>
    leftover('image repository', name, 'RepositoryNotFoundException', () =>
      ecr.send(new DeleteRepositoryCommand({ repositoryName: name, force: true })),
    ),
}

/** All versions of all objects, in pages of a thousand. */
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

/** An update resets every setting that it does not repeat; the pool is deleted next, so only the protection matters. */
async function unprotectPool(client, id) {
  const { UserPool: pool } = await client.send(new DescribeUserPoolCommand({ UserPoolId: id }))
  if (pool.DeletionProtection !== 'ACTIVE') return
  await client.send(new UpdateUserPoolCommand({ UserPoolId: id, DeletionProtection: 'INACTIVE' }))
}

/** Log groups by full name: Lambda recreates a function's group if a late call logs after the stack is gone. */
async function findLogGroups({ logs }, stage) {
  const found = []
  for (const name of FUNCTION_NAMES.map((each) => `/aws/lambda/millrace-${stage}-${each}`)) {
    for await (const { logGroups: groups = [] } of paginateDescribeLogGroups(
      { client: logs },
      { logGroupNamePrefix: name },
    )) {
      if (groups.some((group) => group.logGroupName === name)) found.push(logGroup(logs, name))
    }
  }
  return found
}

function logGroup(client, name) {
  return leftover('log group', name, 'ResourceNotFoundException', () =>
    client.send(new DeleteLogGroupCommand({ logGroupName: name })),
  )
}

/** `act` removes it; the error `goneName` means that it is already gone. */
function leftover(kind, name, goneName, act) {
  const remove = async () => {
    try {
      await act()
    } catch (error) {
      if (error.name !== goneName) throw error
    }
  }
  return { kind, name, remove }
}

function splitOnce(text, separator) {
  const at = text.search(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function fail(text) {
  console.error(text)
  process.exit(2)
}
