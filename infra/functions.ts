/** Declares a function of the image: its own role with only what it needs, its own log group. */

import type { Identity } from './identity.ts'
import type { Images } from './image.ts'
import { metricsNamespace } from './monitored.ts'
import type { StageSettings } from './stages.ts'
import type { Storage } from './storage.ts'
import type { Topics } from './topic.ts'

export interface Base extends Topics {
  readonly settings: StageSettings
  readonly storage: Storage
  readonly identity: Identity
  readonly images: Images
}

export interface Statement {
  readonly actions: string[]
  readonly resources: $util.Input<string>[]
}

export interface FunctionOptions {
  /** Default: the one of all functions. */
  readonly image?: $util.Output<string>
  /** The bundle under dist/, whose `handler` is called. */
  readonly bundle: string
  readonly seconds: number
  readonly mebibytes: number
  /** Size of /tmp; default 512, which is free. */
  readonly diskMebibytes?: number
  readonly environment?: Record<string, $util.Input<string>>
  readonly statements: readonly Statement[]
  /** The queue for events that failed for good, of functions that are called asynchronously. */
  readonly deadLetters?: sst.aws.Queue
  /** The maximum number of concurrent instances. */
  readonly concurrency?: number
}

export interface ImageFunction {
  readonly name: string
  readonly function: aws.lambda.Function
  readonly logGroup: aws.cloudwatch.LogGroup
}

/**
 * Lambda's own lines from warnings up: its start and report of each call cost more than a small push. All of ours: the
 * functions filter by MILLRACE_LOG_LEVEL themselves. Both need the JSON format; what is written to stdout, as
 * ours is, stays unchanged: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
 */
const loggingTo = (logGroup: $util.Output<string>) => ({
  logFormat: 'JSON',
  systemLogLevel: 'WARN',
  applicationLogLevel: 'TRACE',
  logGroup,
})

export function createFunction(base: Base, name: string, options: FunctionOptions): ImageFunction {
  const { settings, storage } = base
  const functionName = `millrace-${$app.stage}-${name.toLowerCase()}`
  const logGroup = new aws.cloudwatch.LogGroup(`${name}Log`, {
    name: `/aws/lambda/${functionName}`,
    retentionInDays: settings.logDays,
    ...(storage.key !== undefined && { kmsKeyId: storage.key.arn }),
  })
  const statements: Statement[] = [
    { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [$interpolate`${logGroup.arn}:*`] },
    ...options.statements,
    ...(options.deadLetters === undefined
      ? []
      : [{ actions: ['sqs:SendMessage'], resources: [options.deadLetters.arn] }]),
    ...(storage.key === undefined
      ? []
      : [{ actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [storage.key.arn] }]),
  ]
  const role = new aws.iam.Role(`${name}Role`, {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: 'lambda.amazonaws.com' }),
    inlinePolicies: [{ name: 'needs', policy: aws.iam.getPolicyDocumentOutput({ statements }).json }],
  })
  const lambda = new aws.lambda.Function(
    name,
    {
      name: functionName,
      packageType: 'Image',
      imageUri: options.image ?? base.images.functions,
      imageConfig: { commands: [`dist/${options.bundle}.handler`] },
      role: role.arn,
      architectures: ['arm64'],
      memorySize: options.mebibytes,
      timeout: options.seconds,
      ...(options.diskMebibytes !== undefined && { ephemeralStorage: { size: options.diskMebibytes } }),
      ...(options.concurrency !== undefined && { reservedConcurrentExecutions: options.concurrency }),
      ...(options.deadLetters !== undefined && { deadLetterConfig: { targetArn: options.deadLetters.arn } }),
      loggingConfig: loggingTo(logGroup.name),
      environment: {
        variables: { MILLRACE_HOME: 'aws', MILLRACE_METRICS_NAMESPACE: metricsNamespace(), ...options.environment },
      },
    },
    { dependsOn: [logGroup] },
  )
  return { name, function: lambda, logGroup }
}

/**
 * The index of streams must not expire before its objects. These stay until the midnight after their last day
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html), and are written up
 * to a day after the push.
 */
const INDEX_DAYS_MORE = 2

/** The settings that name the storage for every part of the aws home. */
export function storageEnvironment({ settings, storage }: Base): Record<string, $util.Input<string>> {
  return {
    MILLRACE_TABLE: storage.table.name,
    MILLRACE_BUCKET: storage.bucket.name,
    MILLRACE_ARCHIVE_PATH: settings.archivePath,
    MILLRACE_FIREHOSE_STREAM: storage.stream.name,
    MILLRACE_QUEUE_URL: storage.queue.url,
    MILLRACE_RECENT_ITEMS: String(settings.recentItems),
    ...(settings.archiveDays !== undefined && { MILLRACE_RETENTION_AGE: `${settings.archiveDays + INDEX_DAYS_MORE}d` }),
  }
}
