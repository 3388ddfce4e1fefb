/** From error lines to incidents and mails: the alert processor, its feeds, the topic, the rules' clock, the test emitter. */

import { levelPattern } from '../src/adapters/aws/incidents/level-pattern.ts'
import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'
import type { Gateway } from './gateway.ts'
import { incidentEnvironment, rowStatements } from './incident-settings.ts'
import type { Poller } from './poller.ts'
import { rulesEnvironment } from './rules.ts'

export interface Incidents extends ImageFunction {
  readonly emitter: ImageFunction
  /** The log groups that are watched. */
  readonly watched: readonly { readonly id: string; readonly name: $util.Output<string> }[]
  /** Passes every line of watched groups that may raise an incident; the processor checks each line's level. */
  readonly pattern: string
}

export function createIncidents(base: Base, gateway: Gateway, poller: Poller | undefined): Incidents {
  const { settings, storage, identity, topic } = base
  const emitter = createFunction(base, 'TestLogEmitter', {
    bundle: 'emitter-lambda',
    seconds: 10,
    mebibytes: 128,
    statements: [],
  })
  const made = createFunction(base, 'LogAlertProcessor', {
    bundle: 'alert-processor-lambda',
    seconds: 60,
    mebibytes: 512,
    // Alert rules and anomalies read the archive, by way of a cache.
    diskMebibytes: 2048,
    environment: {
      ...storageEnvironment(base),
      ...rulesEnvironment(),
      ...incidentEnvironment(base),
      ...(settings.anomalies && { MILLRACE_ANOMALIES: 'true' }),
      MILLRACE_KEY_SECRET: $interpolate`ssm:${identity.keySecret.name}`,
      MILLRACE_ALERT_SNS_TOPIC: topic.arn,
      MILLRACE_PUBLIC_URL: gateway.url,
    },
    statements: [
      {
        actions: [
          'dynamodb:PutItem',
          'dynamodb:GetItem',
          'dynamodb:Query',
          'dynamodb:UpdateItem',
          'dynamodb:DeleteItem',
          'dynamodb:BatchWriteItem',
          'dynamodb:BatchGetItem',
        ],
        resources: [storage.table.arn, $interpolate`${storage.table.arn}/index/*`],
      },
      { actions: ['sns:Publish'], resources: [topic.arn] },
      { actions: ['ssm:GetParameters', 'ssm:GetParameter'], resources: [identity.keySecret.arn] },
      ...rowStatements(base),
      // Alert rules and anomalies query the archive.
      { actions: ['s3:GetObject'], resources: [$interpolate`${storage.bucket.arn}/logs/*`] },
      { actions: ['s3:ListBucket'], resources: [storage.bucket.arn] },
    ],
    deadLetters: storage.alertDeadLetters,
  })
  new sst.aws.CronV2('AlertClock', {
    function: made.function.arn,
    schedule: 'rate(1 minute)',
    retries: 0,
    event: { source: 'millrace.clock' },
  })
  const watched = [
    { id: 'Emitter', name: emitter.logGroup.name },
    ...(poller === undefined ? [] : [{ id: 'Cognigy', name: poller.target.name }]),
    ...settings.watchedLogGroups.map((name, index) => ({ id: `Watched${index + 1}`, name: $output(name) })),
  ]
  const pattern = levelPattern(settings.incidentLevel)
  for (const group of watched) subscribe(made, group, pattern)
  return { ...made, emitter, watched, pattern }
}

function subscribe(
  made: ImageFunction,
  { id, name }: { readonly id: string; readonly name: $util.Output<string> },
  filterPattern: string,
): void {
  const account = aws.getCallerIdentityOutput({}).accountId
  const region = aws.getRegionOutput({}).region
  const permission = new aws.lambda.Permission(`${id}MayFeedAlerts`, {
    function: made.function.name,
    principal: 'logs.amazonaws.com',
    action: 'lambda:InvokeFunction',
    sourceArn: $interpolate`arn:aws:logs:${region}:${account}:log-group:${name}:*`,
    sourceAccount: account,
  })
  new aws.cloudwatch.LogSubscriptionFilter(
    `${id}Errors`,
    { logGroup: name, filterPattern, destinationArn: made.function.arn },
    { dependsOn: [permission] },
  )
}
