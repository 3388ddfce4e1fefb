/** What keeps logs: the key, the bucket, Firehose before it, the table, the queue with its dead letters. */

import type { StageSettings } from './stages.ts'

export type Storage = ReturnType<typeof createStorage>

/** Lambda's time-out of the worker; the queue hides a message six times as long, as AWS advises. */
export const WORKER_SECONDS = 60
const DEAD_LETTER_SECONDS = 14 * 86_400
const RECEIVES_MAX = 5
const MESSAGE_BYTES_MAX = 1_048_576

export function createStorage(settings: StageSettings) {
  const key = settings.customerKey ? createKey() : undefined
  const bucket = createBucket(settings, key)
  const table = createTable(key)
  const deadLetters = createQueue('DeadLetters', key, { messageRetentionSeconds: DEAD_LETTER_SECONDS })
  const queue = createQueue('Ingest', key, {}, deadLetters)
  const stream = createStream(settings, bucket, key)
  return { key, bucket, table, queue, deadLetters, stream }
}

/** One key for all that is stored; CloudWatch and SNS use it too, so their services are named. */
function createKey(): aws.kms.Key {
  const account = aws.getCallerIdentityOutput({}).accountId
  const region = aws.getRegionOutput({}).region
  const policy = aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        sid: 'Account',
        principals: [{ type: 'AWS', identifiers: [$interpolate`arn:aws:iam::${account}:root`] }],
        actions: ['kms:*'],
        resources: ['*'],
      },
      {
        sid: 'Services',
        principals: [
          {
            type: 'Service',
            identifiers: [$interpolate`logs.${region}.amazonaws.com`, 'sns.amazonaws.com', 'cloudwatch.amazonaws.com'],
          },
        ],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        resources: ['*'],
        conditions: [{ test: 'StringEquals', variable: 'aws:SourceAccount', values: [account] }],
      },
    ],
  })
  return new aws.kms.Key('DataKey', {
    description: `millrace ${$app.stage}: logs, queue, table, parameters`,
    enableKeyRotation: true,
    deletionWindowInDays: 7,
    policy: policy.json,
  })
}

function createBucket(settings: StageSettings, key: aws.kms.Key | undefined): sst.aws.Bucket {
  const { archiveDays, infrequentAccessDays, versioning } = settings
  // The component blocks public access and refuses requests without TLS by itself.
  const bucket = new sst.aws.Bucket('Archive', { versioning, cors: false })
  new aws.s3.BucketServerSideEncryptionConfiguration('ArchiveEncryption', {
    bucket: bucket.name,
    rules: [
      {
        applyServerSideEncryptionByDefault:
          key === undefined ? { sseAlgorithm: 'AES256' } : { sseAlgorithm: 'aws:kms', kmsMasterKeyId: key.arn },
        bucketKeyEnabled: key !== undefined,
      },
    ],
  })
  new aws.s3.BucketLifecycleConfiguration('ArchiveLifecycle', {
    bucket: bucket.name,
    rules: [
      {
        id: 'unfinished',
        status: 'Enabled',
        filter: { prefix: '' },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
      ...(archiveDays === undefined
        ? []
        : [{ id: 'expire', status: 'Enabled', filter: { prefix: '' }, expiration: { days: archiveDays } }]),
      ...(infrequentAccessDays === undefined
        ? []
        : [
            {
              id: 'seldom-read',
              status: 'Enabled',
              filter: { prefix: 'logs/' },
              transitions: [{ days: infrequentAccessDays, storageClass: 'STANDARD_IA' }],
            },
          ]),
      ...(versioning
        ? [
            {
              id: 'old-versions',
              status: 'Enabled',
              filter: { prefix: '' },
              noncurrentVersionExpiration: { noncurrentDays: 30 },
            },
          ]
        : []),
    ],
  })
  return bucket
}

/** Recent items, ids of posted logs, the index of streams, incidents: one table, keys that spread. */
function createTable(key: aws.kms.Key | undefined): sst.aws.Dynamo {
  return new sst.aws.Dynamo('Table', {
    fields: {
      pk: 'string',
      sk: 'string',
      listKey: 'string',
      seenKey: 'string',
      workShard: 'string',
      workAtMs: 'number',
    },
    primaryIndex: { hashKey: 'pk', rangeKey: 'sk' },
    // Incidents by state and by when they were last seen, and what is to be sent or closed by when.
    globalIndexes: {
      incidentList: { hashKey: 'listKey', rangeKey: 'seenKey', projection: 'keys-only' },
      incidentWork: { hashKey: 'workShard', rangeKey: 'workAtMs', projection: 'keys-only' },
    },
    ttl: 'expiresAt',
    deletionProtection: $app.stage === 'production',
    transform: {
      table: {
        pointInTimeRecovery: { enabled: true },
        serverSideEncryption: { enabled: true, ...(key !== undefined && { kmsKeyArn: key.arn }) },
      },
    },
  })
}

function createQueue(
  name: string,
  key: aws.kms.Key | undefined,
  args: Partial<aws.sqs.QueueArgs>,
  deadLetters?: sst.aws.Queue,
): sst.aws.Queue {
  return new sst.aws.Queue(name, {
    visibilityTimeout: `${WORKER_SECONDS * 6} seconds`,
    ...(deadLetters !== undefined && { dlq: { queue: deadLetters.arn, retry: RECEIVES_MAX } }),
    transform: {
      queue: {
        maxMessageSize: MESSAGE_BYTES_MAX,
        messageRetentionSeconds: DEAD_LETTER_SECONDS,
        ...(key === undefined
          ? { sqsManagedSseEnabled: true }
          : { kmsMasterKeyId: key.arn, kmsDataKeyReusePeriodSeconds: 3600 }),
        ...args,
      },
    },
  })
}

/** Records come as gzip members of lines: Firehose only joins them, so its own compression stays off. */
function createStream(
  { buffer, logDays }: StageSettings,
  bucket: sst.aws.Bucket,
  key: aws.kms.Key | undefined,
): aws.kinesis.FirehoseDeliveryStream {
  const logGroup = new aws.cloudwatch.LogGroup('DeliveryLog', {
    name: `/millrace/${$app.stage}/delivery`,
    retentionInDays: logDays,
    ...(key !== undefined && { kmsKeyId: key.arn }),
  })
  const logStream = new aws.cloudwatch.LogStream('DeliveryLogStream', { logGroupName: logGroup.name, name: 's3' })
  const role = new aws.iam.Role('DeliveryRole', {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: 'firehose.amazonaws.com' }),
    inlinePolicies: [
      {
        name: 'deliver',
        policy: aws.iam.getPolicyDocumentOutput({
          statements: [
            {
              actions: [
                's3:AbortMultipartUpload',
                's3:GetBucketLocation',
                's3:ListBucket',
                's3:ListBucketMultipartUploads',
                's3:PutObject',
              ],
              resources: [bucket.arn, $interpolate`${bucket.arn}/*`],
            },
            { actions: ['logs:PutLogEvents'], resources: [$interpolate`${logGroup.arn}:*`] },
            ...(key === undefined ? [] : [{ actions: ['kms:GenerateDataKey', 'kms:Decrypt'], resources: [key.arn] }]),
          ],
        }).json,
      },
    ],
  })
  return new aws.kinesis.FirehoseDeliveryStream('Delivery', {
    name: `millrace-${$app.stage}`,
    destination: 'extended_s3',
    serverSideEncryption: {
      enabled: true,
      ...(key === undefined ? { keyType: 'AWS_OWNED_CMK' } : { keyType: 'CUSTOMER_MANAGED_CMK', keyArn: key.arn }),
    },
    extendedS3Configuration: {
      roleArn: role.arn,
      bucketArn: bucket.arn,
      bufferingInterval: buffer.seconds,
      bufferingSize: buffer.mebibytes,
      compressionFormat: 'UNCOMPRESSED',
      fileExtension: '.gz',
      prefix: 'logs/!{timestamp:yyyy/MM/dd/HH}/',
      errorOutputPrefix: 'failed/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/',
      customTimeZone: 'UTC',
      cloudwatchLoggingOptions: { enabled: true, logGroupName: logGroup.name, logStreamName: logStream.name },
    },
  })
}
