/** The list of resources.ts as requests of AWS's SDK: for emulators, which take no deployment. */

import type { CreateTableCommandInput, UpdateTimeToLiveCommandInput } from '@aws-sdk/client-dynamodb'
import type { CreateDeliveryStreamCommandInput } from '@aws-sdk/client-firehose'
import type { PutBucketLifecycleConfigurationCommandInput } from '@aws-sdk/client-s3'
import { levelPattern } from '../src/adapters/aws/incidents/level-pattern.ts'
import { ERROR_METRIC, lifecycleRules, QUEUE, STREAM, TABLE } from './resources.ts'
import type { StageSettings } from './stages.ts'

export function tableRequest(TableName: string): CreateTableCommandInput {
  return {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: Object.entries(TABLE.attributes).map(([AttributeName, type]) => ({
      AttributeName,
      AttributeType: type === 'number' ? 'N' : 'S',
    })),
    KeySchema: keySchema(TABLE.key),
    GlobalSecondaryIndexes: Object.entries(TABLE.indexes).map(([IndexName, key]) => ({
      IndexName,
      KeySchema: keySchema(key),
      Projection: { ProjectionType: 'KEYS_ONLY' },
    })),
  }
}

export function ttlRequest(TableName: string): UpdateTimeToLiveCommandInput {
  return { TableName, TimeToLiveSpecification: { AttributeName: TABLE.ttl, Enabled: true } }
}

function keySchema({ hashKey, rangeKey }: { readonly hashKey: string; readonly rangeKey: string }) {
  return [
    { AttributeName: hashKey, KeyType: 'HASH' as const },
    { AttributeName: rangeKey, KeyType: 'RANGE' as const },
  ]
}

/** SQS takes attributes as text. The queue has the ARN of its dead letters; the dead-letter queue has none. */
export function queueAttributes(deadLetterTargetArn?: string): Record<string, string> {
  return {
    VisibilityTimeout: String(QUEUE.visibilitySeconds),
    MessageRetentionPeriod: String(QUEUE.retentionSeconds),
    MaximumMessageSize: String(QUEUE.messageBytesMax),
    ...(deadLetterTargetArn !== undefined && {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: QUEUE.receivesMax }),
    }),
  }
}

/** Emulators check no role; in AWS storage.ts declares it. */
export function streamRequest(
  DeliveryStreamName: string,
  bucket: string,
  { buffer }: Pick<StageSettings, 'buffer'>,
): CreateDeliveryStreamCommandInput {
  return {
    DeliveryStreamName,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::000000000000:role/delivery',
      BucketARN: `arn:aws:s3:::${bucket}`,
      Prefix: STREAM.prefix,
      ErrorOutputPrefix: STREAM.errorPrefix,
      CompressionFormat: STREAM.compressionFormat,
      FileExtension: STREAM.fileExtension,
      BufferingHints: { IntervalInSeconds: buffer.seconds, SizeInMBs: buffer.mebibytes },
    },
  }
}

export function lifecycleRequest(Bucket: string, settings: StageSettings): PutBucketLifecycleConfigurationCommandInput {
  return {
    Bucket,
    LifecycleConfiguration: {
      Rules: lifecycleRules(settings).map((rule) => ({
        ID: rule.id,
        Status: 'Enabled' as const,
        Filter: { Prefix: rule.prefix },
        ...(rule.abortUploadsDays !== undefined && {
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: rule.abortUploadsDays },
        }),
        ...(rule.expireDays !== undefined && { Expiration: { Days: rule.expireDays } }),
        ...(rule.seldomReadDays !== undefined && {
          Transitions: [{ Days: rule.seldomReadDays, StorageClass: 'STANDARD_IA' as const }],
        }),
        ...(rule.expireVersionsDays !== undefined && {
          NoncurrentVersionExpiration: { NoncurrentDays: rule.expireVersionsDays },
        }),
      })),
    },
  }
}

export function errorFilterRequest(logGroupName: string, stage: string, { incidentLevel }: StageSettings) {
  return {
    logGroupName,
    filterName: 'errors',
    filterPattern: levelPattern(incidentLevel),
    metricTransformations: [
      { metricName: ERROR_METRIC, metricNamespace: `LogMonitoring/${stage}`, metricValue: '1', defaultValue: 0 },
    ],
  }
}
