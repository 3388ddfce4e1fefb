/** The storage of logs: the key, the bucket, its Firehose stream, the tables, the queue, and the dead letters of each consumer. */

import { type LifecycleRule, lifecycleRules, QUEUE, ROW_TABLE, STREAM, TABLE } from './resources.ts'
import type { StageSettings } from './stages.ts'

export type Storage = ReturnType<typeof createStorage>

export function createStorage(settings: StageSettings) {
  const key = settings.customerKey ? createKey() : undefined
  const bucket = createBucket(settings, key)
  const table = createTable(key)
  const rowTable = settings.incidentTable === undefined ? undefined : createRowTable(settings.incidentTable, key)
  const deadLetters = createQueue('DeadLetters', key)
  const alertDeadLetters = createQueue('AlertDeadLetters', key)
  const pollerDeadLetters = settings.cognigy.projects.length > 0 ? createQueue('PollerDeadLetters', key) : undefined
  const queue = createQueue('Ingest', key, deadLetters)
  const stream = createStream(settings, bucket, key)
  return { key, bucket, table, rowTable, queue, deadLetters, alertDeadLetters, pollerDeadLetters, stream }
}

/**
 * One key for everything stored. CloudWatch Logs may use it for this stage's log groups, as AWS requires
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html), and alarms for the messages they
 * publish (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html); everything else uses its own role.
 */
function createKey(): aws.kms.Key {
  const account = aws.getCallerIdentityOutput({}).accountId
  const region = aws.getRegionOutput({}).region
  const logGroups = [
    `/aws/lambda/millrace-${$app.stage}-`,
    `/millrace/${$app.stage}/`,
    `/aws/vendedlogs/apis/millrace-${$app.stage}-`,
  ]
  const policy = aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        sid: 'Account',
        principals: [{ type: 'AWS', identifiers: [$interpolate`arn:aws:iam::${account}:root`] }],
        actions: ['kms:*'],
        resources: ['*'],
      },
      {
        sid: 'LogGroups',
        principals: [{ type: 'Service', identifiers: [$interpolate`logs.${region}.amazonaws.com`] }],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        resources: ['*'],
        conditions: [
          {
            test: 'ArnLike',
            variable: 'kms:EncryptionContext:aws:logs:arn',
            values: logGroups.map((name) => $interpolate`arn:aws:logs:${region}:${account}:log-group:${name}*`),
          },
        ],
      },
      {
        sid: 'Alarms',
        principals: [{ type: 'Service', identifiers: ['cloudwatch.amazonaws.com'] }],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
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
  // The component itself blocks public access and requests without TLS.
  const bucket = new sst.aws.Bucket('Archive', { versioning: settings.versioning, cors: false })
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
    rules: lifecycleRules(settings).map(lifecycleRule),
  })
  return bucket
}

function lifecycleRule({
  id,
  prefix,
  abortUploadsDays,
  expireDays,
  seldomReadDays,
  expireVersionsDays,
}: LifecycleRule) {
  return {
    id,
    status: 'Enabled',
    filter: { prefix },
    ...(abortUploadsDays !== undefined && {
      abortIncompleteMultipartUpload: { daysAfterInitiation: abortUploadsDays },
    }),
    ...(expireDays !== undefined && { expiration: { days: expireDays } }),
    ...(seldomReadDays !== undefined && { transitions: [{ days: seldomReadDays, storageClass: 'STANDARD_IA' }] }),
    ...(expireVersionsDays !== undefined && { noncurrentVersionExpiration: { noncurrentDays: expireVersionsDays } }),
  }
}

function createTable(key: aws.kms.Key | undefined): sst.aws.Dynamo {
  const { incidentList, incidentWork } = TABLE.indexes
  return new sst.aws.Dynamo('Table', {
    fields: { ...TABLE.attributes },
    primaryIndex: { ...TABLE.key },
    globalIndexes: {
      incidentList: { ...incidentList, projection: 'keys-only' },
      incidentWork: { ...incidentWork, projection: 'keys-only' },
    },
    ttl: TABLE.ttl,
    deletionProtection: $app.stage === 'production',
    transform: { table: guarded(key) },
  })
}

function createRowTable(name: string, key: aws.kms.Key | undefined): sst.aws.Dynamo {
  return new sst.aws.Dynamo('IncidentRows', {
    fields: { ...ROW_TABLE.attributes },
    primaryIndex: { ...ROW_TABLE.key },
    ttl: TABLE.ttl,
    deletionProtection: $app.stage === 'production',
    transform: { table: { name, ...guarded(key) } },
  })
}

/** Tables have point-in-time recovery and are encrypted. */
function guarded(key: aws.kms.Key | undefined) {
  return {
    pointInTimeRecovery: { enabled: true },
    serverSideEncryption: { enabled: true, ...(key !== undefined && { kmsKeyArn: key.arn }) },
  }
}

function createQueue(name: string, key: aws.kms.Key | undefined, deadLetters?: sst.aws.Queue): sst.aws.Queue {
  return new sst.aws.Queue(name, {
    visibilityTimeout: `${QUEUE.visibilitySeconds} seconds`,
    ...(deadLetters !== undefined && { dlq: { queue: deadLetters.arn, retry: QUEUE.receivesMax } }),
    transform: {
      queue: {
        maxMessageSize: QUEUE.messageBytesMax,
        messageRetentionSeconds: QUEUE.retentionSeconds,
        ...(key === undefined
          ? { sqsManagedSseEnabled: true }
          : { kmsMasterKeyId: key.arn, kmsDataKeyReusePeriodSeconds: 3600 }),
      },
    },
  })
}

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
      compressionFormat: STREAM.compressionFormat,
      fileExtension: STREAM.fileExtension,
      prefix: STREAM.prefix,
      errorOutputPrefix: STREAM.errorPrefix,
      cloudwatchLoggingOptions: { enabled: true, logGroupName: logGroup.name, logStreamName: logStream.name },
    },
  })
}
