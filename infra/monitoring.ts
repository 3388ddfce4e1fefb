/** Monitoring: metric filter, alarms, dashboard, budget. docs/runbook.md has a row for each alarm. */

import { dashboardBody } from './dashboard.ts'
import { type Alarm, errorNamespace, type Monitored, metricsNamespace } from './monitored.ts'
import { ERROR_METRIC } from './resources.ts'
import { COST_TAG } from './stages.ts'

type AlarmOptions = Omit<
  aws.cloudwatch.MetricAlarmArgs,
  'alarmActions' | 'okActions' | 'evaluationPeriods' | 'comparisonOperator'
> & {
  readonly evaluationPeriods?: number
  readonly comparisonOperator?: string
}

export function createMonitoring(monitored: Monitored): void {
  const alarms = [
    ...errorAlarms(monitored),
    ...queueAlarms(monitored),
    ...deliveryAlarms(monitored),
    ...functionAlarms(monitored),
    ...doorAlarms(monitored),
    ...pollerAlarms(monitored),
    ...compactorAlarms(monitored),
    ...notificationAlarms(monitored),
    ...ingestAlarms(monitored),
  ]
  new aws.cloudwatch.Dashboard('Dashboard', {
    dashboardName: `LogMonitoringDashboard-${$app.stage}`,
    dashboardBody: dashboardBody(monitored, alarms),
  })
  createBudget(monitored)
}

/** An alarm that notifies the topic when it starts and when it ends. */
function createAlarm({ topic }: Pick<Monitored, 'topic'>, id: string, options: AlarmOptions): Alarm {
  const alarm = new aws.cloudwatch.MetricAlarm(id, {
    name: `millrace-${$app.stage}-${id}`,
    evaluationPeriods: 1,
    comparisonOperator: 'GreaterThanOrEqualToThreshold',
    treatMissingData: 'notBreaching',
    alarmActions: [topic.arn],
    okActions: [topic.arn],
    ...options,
  })
  return { id, arn: alarm.arn }
}

/**
 * One error in one minute, in any watched group. The error is also an incident with its own, more detailed mail, so this
 * alarm has its own topic.
 */
function errorAlarms(monitored: Monitored): Alarm[] {
  for (const { id, name } of monitored.incidents.watched) {
    new aws.cloudwatch.LogMetricFilter(`${id}ErrorCount`, {
      name: `millrace-${$app.stage}-${id}-errors`,
      logGroupName: name,
      pattern: monitored.incidents.pattern,
      metricTransformation: { namespace: errorNamespace(), name: ERROR_METRIC, value: '1', defaultValue: '0' },
    })
  }
  return [
    createAlarm({ topic: monitored.errorTopic }, 'ErrorAlarm', {
      alarmDescription: 'At least one line within a minute, in a watched log group, that may be an error.',
      namespace: errorNamespace(),
      metricName: ERROR_METRIC,
      statistic: 'Sum',
      period: 60,
      threshold: 1,
    }),
  ]
}

function queueAlarms(monitored: Monitored): Alarm[] {
  const { deadLetters, alertDeadLetters, pollerDeadLetters, queue } = monitored.storage
  const sqs = (name: $util.Output<string>, metricName: string) => ({
    namespace: 'AWS/SQS',
    metricName,
    statistic: 'Maximum',
    dimensions: { QueueName: name },
  })
  const nameOf = (of: sst.aws.Queue) => of.nodes.queue.name
  const deadLetterAlarm = (id: string, of: sst.aws.Queue, what: string) =>
    createAlarm(monitored, id, {
      alarmDescription: `${what}: \`millrace redrive --dry-run\` lists the reasons.`,
      ...sqs(nameOf(of), 'ApproximateNumberOfMessagesVisible'),
      period: 60,
      threshold: 1,
    })
  return [
    deadLetterAlarm('DeadLetters', deadLetters, 'Posted logs could not be stored'),
    deadLetterAlarm('AlertDeadLetters', alertDeadLetters, 'Events of the alert processor failed for good'),
    ...(pollerDeadLetters === undefined
      ? []
      : [deadLetterAlarm('PollerDeadLetters', pollerDeadLetters, 'Runs of the poller failed for good')]),
    createAlarm(monitored, 'QueueDepth', {
      alarmDescription: 'The worker does not keep up with posted logs.',
      ...sqs(nameOf(queue), 'ApproximateNumberOfMessagesVisible'),
      period: 300,
      threshold: 10_000,
    }),
    createAlarm(monitored, 'QueueAge', {
      alarmDescription:
        'A posted log waits for 15 minutes to be archived; after an hour queries no longer see it until it is.',
      ...sqs(nameOf(queue), 'ApproximateAgeOfOldestMessage'),
      period: 300,
      threshold: 900,
    }),
  ]
}

function deliveryAlarms(monitored: Monitored): Alarm[] {
  const { stream } = monitored.storage
  const firehose = (metricName: string, statistic: string) => ({
    namespace: 'AWS/Firehose',
    metricName,
    statistic,
    dimensions: { DeliveryStreamName: stream.name },
  })
  return [
    createAlarm(monitored, 'DeliveryFreshness', {
      alarmDescription:
        'Firehose holds pushes for half an hour; after an hour queries no longer see them until it delivers.',
      ...firehose('DeliveryToS3.DataFreshness', 'Maximum'),
      period: 300,
      threshold: 1800,
    }),
    createAlarm(monitored, 'DeliveryFailures', {
      alarmDescription: 'Firehose cannot write to the bucket.',
      ...firehose('DeliveryToS3.Success', 'Minimum'),
      period: 300,
      evaluationPeriods: 2,
      comparisonOperator: 'LessThanThreshold',
      threshold: 1,
    }),
    createAlarm(monitored, 'DeliveryThrottles', {
      alarmDescription: 'Firehose throttles records and clients must retry: request a higher quota from AWS.',
      ...firehose('ThrottledRecords', 'Sum'),
      period: 300,
      threshold: 1,
    }),
  ]
}

function functionAlarms(monitored: Monitored): Alarm[] {
  const { compactor, incidents, gateway, poller, worker } = monitored
  const functions = [gateway, worker, incidents, compactor, poller].filter((made) => made !== undefined)
  return functions.flatMap((made) => {
    const lambda = (metricName: string) => ({
      namespace: 'AWS/Lambda',
      metricName,
      statistic: 'Sum',
      dimensions: { FunctionName: made.function.name },
      period: 300,
    })
    return [
      createAlarm(monitored, `${made.name}Errors`, {
        alarmDescription: `The function ${made.name} failed; its log group has the reason.`,
        ...lambda('Errors'),
        threshold: 1,
      }),
      createAlarm(monitored, `${made.name}Throttles`, {
        alarmDescription: `The function ${made.name} reached its concurrency.`,
        ...lambda('Throttles'),
        threshold: 1,
      }),
    ]
  })
}

/** What clients see: 5xx responses, and the promised latency. */
function doorAlarms(monitored: Monitored): Alarm[] {
  const { gateway, settings } = monitored
  const of: Pick<AlarmOptions, 'namespace' | 'dimensions'> =
    gateway.api === undefined
      ? { namespace: 'AWS/Lambda', dimensions: { FunctionName: gateway.function.name } }
      : { namespace: 'AWS/ApiGateway', dimensions: { ApiId: gateway.api.nodes.api.id } }
  return [
    createAlarm(monitored, 'ServerErrors', {
      alarmDescription: 'Clients get 5xx; good agents retry, so nothing is lost yet.',
      ...of,
      metricName: gateway.api === undefined ? 'Url5xxCount' : '5xx',
      statistic: 'Sum',
      period: 300,
      threshold: 5,
    }),
    createAlarm(monitored, 'Latency', {
      alarmDescription: `One of 100 requests takes longer than ${settings.latencyMs} ms.`,
      ...of,
      metricName: gateway.api === undefined ? 'UrlRequestLatency' : 'Latency',
      extendedStatistic: 'p99',
      period: 300,
      evaluationPeriods: 3,
      threshold: settings.latencyMs,
    }),
  ]
}

function pollerAlarms(monitored: Monitored): Alarm[] {
  if (monitored.poller === undefined) return []
  return [
    createAlarm(monitored, 'PollerLag', {
      alarmDescription: 'The poller is an hour behind; the source forgets after 24 hours.',
      namespace: metricsNamespace(),
      metricName: 'SourceLagSeconds',
      statistic: 'Maximum',
      period: 300,
      threshold: 3600,
    }),
    createAlarm(monitored, 'PollerSilent', {
      alarmDescription: 'The poller has not run for a quarter of an hour.',
      namespace: 'AWS/Lambda',
      metricName: 'Invocations',
      statistic: 'Sum',
      dimensions: { FunctionName: monitored.poller.function.name },
      period: 900,
      comparisonOperator: 'LessThanThreshold',
      threshold: 1,
      treatMissingData: 'breaching',
    }),
  ]
}

/** Rows and arrived objects expire after seven days: what is not compacted by then is lost. */
function compactorAlarms(monitored: Monitored): Alarm[] {
  if (monitored.compactor === undefined) return []
  const own = (metricName: string, statistic: string) => ({ namespace: metricsNamespace(), metricName, statistic })
  return [
    createAlarm(monitored, 'CompactionBehind', {
      alarmDescription: 'Pushes of two hours ago are not compacted; after seven days they are lost.',
      ...own('CompactionBehindSeconds', 'Maximum'),
      period: 900,
      threshold: 7200,
    }),
    createAlarm(monitored, 'CompactionFailures', {
      alarmDescription: 'Rounds of the compactor fail; the next one tries again.',
      ...own('CompactionFailures', 'Sum'),
      period: 900,
      evaluationPeriods: 2,
      threshold: 1,
    }),
    createAlarm(monitored, 'CompactionDamages', {
      alarmDescription: 'The compactor could not read a part of the archive, and left it out.',
      ...own('CompactionDamages', 'Sum'),
      period: 900,
      threshold: 1,
    }),
    createAlarm(monitored, 'CompactorSilent', {
      alarmDescription: 'The compactor has not run for an hour.',
      namespace: 'AWS/Lambda',
      metricName: 'Invocations',
      statistic: 'Sum',
      dimensions: { FunctionName: monitored.compactor.function.name },
      period: 3600,
      comparisonOperator: 'LessThanThreshold',
      threshold: 1,
      treatMissingData: 'breaching',
    }),
  ]
}

function notificationAlarms(monitored: Monitored): Alarm[] {
  return [
    createAlarm(monitored, 'NotificationFailures', {
      alarmDescription: 'An incident is open and a receiver did not take its notification; it is tried for 24 hours.',
      namespace: metricsNamespace(),
      metricName: 'NotificationsFailed',
      statistic: 'Sum',
      period: 300,
      threshold: 1,
    }),
  ]
}

/** Far more or far fewer lines than usual at this hour of the week. */
function ingestAlarms(monitored: Monitored): Alarm[] {
  return [
    createAlarm(monitored, 'IngestAnomaly', {
      alarmDescription: 'Lines come in at a rate that is unusual for this time of the week.',
      comparisonOperator: 'LessThanLowerOrGreaterThanUpperThreshold',
      evaluationPeriods: 3,
      thresholdMetricId: 'band',
      metricQueries: [
        {
          id: 'lines',
          returnData: true,
          metric: { namespace: metricsNamespace(), metricName: 'IngestedLogCount', stat: 'Sum', period: 300 },
        },
        { id: 'band', expression: 'ANOMALY_DETECTION_BAND(lines, 3)', label: 'Usual', returnData: true },
      ],
    }),
  ]
}

function createBudget({ topic, settings }: Monitored): void {
  if (settings.budgetDollars === undefined || settings.alertEmail === undefined) return
  new aws.budgets.Budget(
    'Budget',
    {
      name: `millrace-${$app.stage}`,
      budgetType: 'COST',
      limitAmount: String(settings.budgetDollars),
      limitUnit: 'USD',
      timeUnit: 'MONTHLY',
      costFilters: [{ name: 'TagKeyValue', values: [`user:${COST_TAG}$${$app.stage}`] }],
      notifications: [
        {
          comparisonOperator: 'GREATER_THAN',
          threshold: 80,
          thresholdType: 'PERCENTAGE',
          notificationType: 'FORECASTED',
          subscriberEmailAddresses: [settings.alertEmail],
        },
      ],
    },
    { dependsOn: [topic] },
  )
}
