/** The poller of Cognigy's logs: every minute, into a log group. Without projects there is none. */

import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'

import type { StageSettings } from './stages.ts'

export interface Poller extends ImageFunction {
  /** The log group of the source's lines. */
  readonly target: aws.cloudwatch.LogGroup
}

const POLL_SECONDS = 55
/** The names of state and key that existing installations of this poller use. */
const PARAMETERS = ['cognigy-last-ts-ms', 'cognigy-last-seq-token', 'cognigy-cursor']

export function createPoller(base: Base): Poller | undefined {
  const { identity, settings, storage } = base
  const { baseUrl, projects } = settings.cognigy
  if (projects.length === 0) return undefined
  const apiKey = new sst.Secret('CognigyApiKey')
  const keyParameter = new aws.ssm.Parameter('CognigyApiKeyParameter', {
    name: `/millrace/${$app.stage}/cognigy-api-key`,
    type: 'SecureString',
    value: apiKey.value,
    ...(storage.key !== undefined && { keyId: storage.key.arn }),
  })
  const target = new aws.cloudwatch.LogGroup('CognigyLogs', {
    name: `/millrace/${$app.stage}/cognigy-logs`,
    retentionInDays: settings.logDays,
    ...(storage.key !== undefined && { kmsKeyId: storage.key.arn }),
  })
  const parameterArns = cursorArns()
  const made = createFunction(base, 'Poller', {
    bundle: 'poller-lambda',
    seconds: POLL_SECONDS,
    mebibytes: 256,
    // One run at a time: the lease excludes others anyway, and their time would be billed for nothing.
    ...(settings.reserveConcurrency && { concurrency: 1 }),
    environment: {
      ...storageEnvironment(base),
      COGNIGY_API_KEY: $interpolate`ssm:${keyParameter.name}`,
      MILLRACE_KEY_SECRET: $interpolate`ssm:${identity.keySecret.name}`,
      ...sourceEnvironment(settings),
      MILLRACE_POLL_BASE_URL: baseUrl,
      MILLRACE_POLL_LOG_GROUP: target.name,
      // Time for the work after the last request, before Lambda ends the run.
      MILLRACE_POLL_RUN_TIME: `${POLL_SECONDS - 15}s`,
    },
    statements: [
      {
        actions: ['ssm:GetParameters', 'ssm:GetParameter'],
        resources: [keyParameter.arn, identity.keySecret.arn, ...parameterArns],
      },
      { actions: ['ssm:PutParameter'], resources: parameterArns },
      {
        actions: [
          'logs:CreateLogStream',
          'logs:DescribeLogStreams',
          'logs:PutLogEvents',
          'logs:GetLogEvents',
          'logs:FilterLogEvents',
        ],
        resources: [target.arn, $interpolate`${target.arn}:*`],
      },
      {
        actions: ['dynamodb:PutItem', 'dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
        resources: [storage.table.arn],
      },
    ],
    deadLetters: storage.pollerDeadLetters,
  })
  new sst.aws.CronV2('EveryMinute', {
    function: made.function.arn,
    schedule: 'rate(1 minute)',
    // The next minute is the retry.
    retries: 0,
  })
  return { ...made, target }
}

/** The sources, and the parameters of their cursors: for the poller, and for the gateway's view of it. */
export function sourceEnvironment({ cognigy }: StageSettings): Record<string, string> {
  return { MILLRACE_POLL_PROJECTS: cognigy.projects.join(','), MILLRACE_POLL_PARAMETER_PREFIX: parameterPrefix() }
}

/** The parameters of the cursors; with several projects, their ids are appended. */
export function cursorArns(): $util.Output<string>[] {
  const account = aws.getCallerIdentityOutput({}).accountId
  const region = aws.getRegionOutput({}).region
  return PARAMETERS.map((name) => $interpolate`arn:aws:ssm:${region}:${account}:parameter${parameterPrefix()}${name}*`)
}

function parameterPrefix(): string {
  return `/millrace/${$app.stage}/`
}
