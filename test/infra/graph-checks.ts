/** What every stage must declare: encrypted, connected, bounded and closed. Checks a graph from the platform or an offline one. */

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { lifecycleRules } from '../../infra/resources.ts'
import { COST_TAG, isProtected, type StageSettings } from '../../infra/stages.ts'
import { listSettings } from '../../src/config/read-config.ts'
import { COMPACTOR_ALARMS, checkArchivePath } from './archive-checks.ts'
import { checkDoor } from './door-checks.ts'
import { checkEncryption } from './encryption-checks.ts'
import { checkIncidents } from './incident-checks.ts'
import { ACCOUNT, type Graph, Lookup, type Resource } from './resource-graph.ts'

// @ts-expect-error a plain JavaScript script, which runs without types
const { FUNCTION_NAMES } = (await import('../../scripts/cleanup.mjs')) as { readonly FUNCTION_NAMES: readonly string[] }

/** Checks the graph of a stage that was deployed with these settings. */
export function checkGraph(t: Test, stage: string, settings: StageSettings, graph: Graph): void {
  const { app } = graph
  const isProduction = stage === 'production'
  const isDirect = settings.archivePath === 'direct'
  const found = new Lookup(graph)

  t.test('resources that outlive the stack', async (t) => {
    t.equal(app.removal, isProduction ? 'retain' : 'remove')
    t.equal(app.protect, isProduction)
    t.equal(found.one('aws:dynamodb/table:Table', 'TableTable').inputs.deletionProtectionEnabled, isProduction)
    t.equal(found.one('aws:cognito/userPool:UserPool').inputs.deletionProtection, isProduction ? 'ACTIVE' : 'INACTIVE')
  })

  t.test("cleanup knows the stage's protection, tags and functions", async (t) => {
    t.equal(app.protect, isProtected(stage))
    t.match(app.providers.aws.defaultTags.tags, { project: 'millrace', stage, [COST_TAG]: stage })
    const functions = found.functions()
    t.same(
      functions.map(({ inputs }) => inputs.name).sort(),
      FUNCTION_NAMES.filter((name) => isDirect || name !== 'compactor')
        .map((name) => `millrace-${stage}-${name}`)
        .sort(),
    )
  })

  t.test("metrics, alarms and the budget are the stage's own", async (t) => {
    const own = [`Millrace/${stage}`, `LogMonitoring/${stage}`]
    for (const { name, inputs } of found.ofType('aws:lambda/function:Function')) {
      if (inputs.packageType !== 'Image') continue
      t.equal(inputs.environment.variables.MILLRACE_METRICS_NAMESPACE, own[0], name)
    }
    for (const { name, inputs } of found.ofType('aws:cloudwatch/logMetricFilter:LogMetricFilter')) {
      t.equal(inputs.metricTransformation.namespace, own[1], name)
    }
    for (const { name, inputs } of found.ofType('aws:cloudwatch/metricAlarm:MetricAlarm')) {
      const queried: readonly { readonly metric?: object }[] = inputs.metricQueries ?? []
      const queries = queried.flatMap(({ metric }) => metric ?? []) as { namespace?: string; dimensions?: object }[]
      for (const { namespace, dimensions } of [inputs, ...queries]) {
        const isOfStage = own.includes(namespace) || dimensions !== undefined
        t.ok(namespace === undefined || isOfStage, `${name} looks at ${namespace}`)
      }
    }
    t.notMatch(found.one('aws:cloudwatch/dashboard:Dashboard').inputs.dashboardBody, /"(Millrace|LogMonitoring)"/)
    t.same(found.one('aws:budgets/budget:Budget').inputs.costFilters, [
      { name: 'TagKeyValue', values: [`user:${COST_TAG}$${stage}`] },
    ])
  })

  t.test('the bucket is closed to the public and to requests without TLS, and its objects expire', async (t) => {
    t.match(found.one('aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock').inputs, {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    })
    const policy = JSON.stringify(found.one('aws:s3/bucketPolicy:BucketPolicy').inputs.policy)
    t.match(policy, /aws:SecureTransport/)
    t.match(policy, /Deny/i)
    t.equal(found.ofType('aws:s3/bucketCorsConfiguration:BucketCorsConfiguration').length, 0)
    const { rules } = found.one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration').inputs
    const ids = rules.map(({ id }: { id: string }) => id)
    t.same(
      ids,
      lifecycleRules(settings).map(({ id }) => id),
    )
  })

  t.test('the table expires items, has point-in-time recovery, and is billed by use', async (t) => {
    t.match(found.one('aws:dynamodb/table:Table', 'TableTable').inputs, {
      billingMode: 'PAY_PER_REQUEST',
      ttl: { attributeName: 'expiresAt', enabled: true },
      pointInTimeRecovery: { enabled: true },
    })
  })

  t.test(
    'the worker reports failures by message, and a message that fails five times is kept for two weeks',
    async (t) => {
      const mapping = found.one('aws:lambda/eventSourceMapping:EventSourceMapping').inputs
      t.same(mapping.functionResponseTypes, ['ReportBatchItemFailures'])
      t.match(mapping, { batchSize: 100, maximumBatchingWindowInSeconds: 5 })
      t.equal(mapping.scalingConfig.maximumConcurrency, settings.workers)
      const queue = found.one('aws:sqs/queue:Queue', 'IngestQueue').inputs
      const redrive = JSON.parse(queue.redrivePolicy)
      t.equal(redrive.maxReceiveCount, 5)
      t.match(redrive.deadLetterTargetArn, /DeadLetters/)
      t.equal(queue.visibilityTimeoutSeconds, 6 * found.one('aws:lambda/function:Function', 'Worker').inputs.timeout)
      for (const each of found.ofType('aws:sqs/queue:Queue')) {
        t.equal(each.inputs.messageRetentionSeconds, 14 * 86_400, each.name)
        t.equal(each.inputs.maxMessageSize, 1_048_576, each.name)
      }
    },
  )

  t.test('Firehose buffers records and writes partitions by day and hour', async (t) => {
    const s3 = found.one('aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream').inputs.extendedS3Configuration
    t.match(s3, {
      compressionFormat: 'UNCOMPRESSED',
      fileExtension: '.gz',
      cloudwatchLoggingOptions: { enabled: true },
    })
    t.equal(s3.customTimeZone, undefined, 'UTC')
    // To a prefix without an expression Firehose appends the hour.
    t.same([s3.prefix, s3.errorOutputPrefix], ['logs/', 'failed/'])
    t.ok(s3.bufferingInterval <= 900, 'recent items outlive the buffer')
  })

  t.test('every function is the image with its own command, its own role and a log that expires', async (t) => {
    const functions = found.functions()
    const names = functions.map(({ name }) => name).sort()
    const wanted = ['Gateway', 'LogAlertProcessor', 'Poller', 'TestLogEmitter', 'Worker']
    t.same(names, isDirect ? ['Compactor', ...wanted] : wanted)
    t.equal(new Set(functions.map(({ inputs }) => inputs.imageConfig.commands[0])).size, functions.length)
    t.equal(new Set(functions.map(({ inputs }) => inputs.role)).size, functions.length)
    for (const { name, inputs } of functions) {
      t.match(inputs.imageConfig.commands[0], /^dist\/[a-z-]+-lambda\.handler$/, name)
      t.same(inputs.architectures, ['arm64'], name)
      const group = found.one('aws:cloudwatch/logGroup:LogGroup', `${name}Log`).inputs
      t.equal(group.name, `/aws/lambda/${inputs.name}`, name)
      t.equal(inputs.environment.variables.MILLRACE_HOME, 'aws', name)
    }
    for (const group of found.ofType('aws:cloudwatch/logGroup:LogGroup')) {
      t.equal(group.inputs.retentionInDays, settings.logDays, group.name)
    }
  })

  t.test('Lambda’s own lines are logged from warnings up, those of the functions all', async (t) => {
    for (const { name, inputs } of found.functions()) {
      const { logFormat, systemLogLevel, applicationLogLevel } = inputs.loggingConfig
      t.same([logFormat, systemLogLevel, applicationLogLevel], ['JSON', 'WARN', 'TRACE'], name)
    }
  })

  t.test('the index of streams is kept for as long as the archive, and a little longer', async (t) => {
    const lifecycle = found.one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration').inputs
    const rules: readonly { id: string; expiration?: { days: number }; transitions?: { days: number }[] }[] =
      lifecycle.rules
    const days = rules.find(({ id }) => id === 'expire')?.expiration?.days
    t.equal(days, settings.archiveDays)
    for (const name of ['Gateway', 'Worker', 'LogAlertProcessor', 'Poller', ...(isDirect ? ['Compactor'] : [])]) {
      const { variables } = found.one('aws:lambda/function:Function', name).inputs.environment
      t.equal(variables.MILLRACE_RETENTION_AGE, days === undefined ? undefined : `${days + 2}d`, name)
    }
    for (const move of rules.flatMap(({ transitions }) => transitions ?? [])) {
      t.ok(move.days < (days ?? Number.POSITIVE_INFINITY), 'S3 refuses a move after the end')
    }
  })

  t.test('an environment has no secret, only the name of its parameter', async (t) => {
    for (const { name, inputs } of found.ofType('aws:lambda/function:Function')) {
      const variables = JSON.stringify(inputs.environment?.variables ?? {})
      t.notMatch(variables, /secret-of-/, name)
    }
    const gateway = found.one('aws:lambda/function:Function', 'Gateway').inputs.environment.variables
    t.match(gateway.MILLRACE_USERS, /^ssm:\//)
    t.match(gateway.MILLRACE_KEY_SECRET, /^ssm:\//)
  })

  t.test('the gateway knows every setting of a function', async (t) => {
    const known = listSettings().map(({ variable }) => variable)
    for (const { name, inputs } of found.ofType('aws:lambda/function:Function')) {
      const given = Object.keys(inputs.environment?.variables ?? {}).filter((variable) => !variable.startsWith('SST_'))
      t.same(
        given.filter((variable) => !known.includes(variable)),
        [],
        name,
      )
    }
  })

  t.test('roles name their actions, and their resources', async (t) => {
    const roles = found.ofType('aws:iam/role:Role').filter(({ inputs }) => inputs.inlinePolicies !== undefined)
    t.ok(roles.length >= 6)
    for (const role of roles) {
      for (const { actions, resources: targets } of found.policyOf(role)) {
        for (const action of actions) t.notMatch(action, /\*/, `${role.name}: ${action}`)
        for (const target of targets) t.match(target, /^arn:aws:[a-z0-9]+:/, `${role.name}: ${target}`)
      }
      t.same(role.inputs.managedPolicyArns ?? [], [], `${role.name} has no policy that AWS widens`)
    }
    const allowed = (name: string) => [
      ...new Set(found.policyOf(found.one('aws:iam/role:Role', `${name}Role`)).flatMap(({ actions }) => actions)),
    ]
    t.notOk(allowed('Gateway').some((action) => /^(logs:(Get|Filter)|sqs:(Receive|Delete))/.test(action)))
    t.notOk(allowed('Worker').some((action) => /^(dynamodb|firehose|ssm|s3:Get|s3:List)/.test(action)))
    t.notOk(allowed('TestLogEmitter').some((action) => !action.startsWith('logs:') && !action.startsWith('kms:')))
    t.equal(
      roles
        .flatMap((role) => found.policyOf(role))
        .flatMap(({ actions }) => actions)
        .includes('s3:DeleteObject'),
      isDirect,
      'only the compactor deletes archived logs',
    )
  })

  t.test('each watched log group feeds the processor, and only these groups may call it', async (t) => {
    const filters = found.ofType('aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter')
    t.same(filters.map(({ name }) => name).sort(), ['CognigyErrors', 'EmitterErrors'])
    for (const { name } of filters) {
      const permission = found.one('aws:lambda/permission:Permission', name.replace('Errors', 'MayFeedAlerts')).inputs
      t.match(permission, { principal: 'logs.amazonaws.com', sourceAccount: ACCOUNT })
      t.match(permission.sourceArn, /:log-group:/)
    }
  })

  t.test('schedules run once a minute, one run at a time where it matters', async (t) => {
    const schedules = found.ofType('aws:scheduler/schedule:Schedule')
    t.same(
      schedules.map(({ inputs }) => inputs.scheduleExpression),
      [...(isDirect ? ['rate(10 minutes)'] : []), 'rate(1 minute)', 'rate(1 minute)'],
    )
    const { reservedConcurrentExecutions } = found.one('aws:lambda/function:Function', 'Poller').inputs
    t.equal(reservedConcurrentExecutions, settings.reserveConcurrency ? 1 : undefined)
  })

  t.test('every alarm mails when it starts and when it ends', async (t) => {
    const alarms = found.ofType('aws:cloudwatch/metricAlarm:MetricAlarm')
    const names = alarms.map(({ name }) => name)
    for (const wanted of [
      'ErrorAlarm',
      'DeadLetters',
      'AlertDeadLetters',
      'PollerDeadLetters',
      'NotificationFailures',
      'QueueDepth',
      'QueueAge',
      'DeliveryFreshness',
      'DeliveryFailures',
      'DeliveryThrottles',
      'GatewayErrors',
      'GatewayThrottles',
      'WorkerErrors',
      'WorkerThrottles',
      'LogAlertProcessorErrors',
      'PollerErrors',
      'ServerErrors',
      'Latency',
      'PollerLag',
      'PollerSilent',
      ...(isDirect ? COMPACTOR_ALARMS : []),
      'IngestAnomaly',
    ]) {
      t.ok(names.includes(wanted), wanted)
    }
    for (const { name, inputs } of alarms) {
      t.equal(inputs.alarmActions?.length, 1, name)
      t.equal(inputs.okActions?.length, 1, name)
      t.type(inputs.alarmDescription, 'string', name)
    }
    const runbook = [...readFileSync('docs/runbook.md', 'utf8').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    const common = runbook.filter((name) => isDirect || !COMPACTOR_ALARMS.includes(name ?? ''))
    t.same(common.sort(), names.toSorted(), 'the runbook has a row for each')
    t.match(found.one('aws:cloudwatch/metricAlarm:MetricAlarm', 'ErrorAlarm').inputs, {
      threshold: 1,
      period: 60,
      evaluationPeriods: 1,
      statistic: 'Sum',
    })
    t.match(found.one('aws:budgets/budget:Budget').inputs, { limitUnit: 'USD' })
  })

  checkEncryption(t, settings, found)
  checkArchivePath(t, settings, found)
  checkIncidents(t, settings, found)
  checkDoor(t, settings, found)

  t.test('the dashboard shows alarms, errors and figures, side by side', async (t) =>
    testDashboard(t, found.one('aws:cloudwatch/dashboard:Dashboard')),
  )
}

function testDashboard(t: Test, { inputs }: Resource): void {
  const { widgets } = JSON.parse(inputs.dashboardBody)
  const titles = widgets.map(({ properties }: { properties: { title: string } }) => properties.title)
  t.match(titles, ['Alarm Status', 'Ingested against processed', 'Error Count (1 min)', 'Recent Errors'])
  t.ok(titles.includes('Lag of the sources, s'))
  const [status] = widgets
  t.ok(status.properties.alarms.length >= 15)
  t.notMatch(inputs.dashboardBody, /Output|undefined|\[object/, 'no value is missing')
  const cells = widgets.flatMap(({ x, y, width, height }: { x: number; y: number; width: number; height: number }) =>
    Array.from({ length: width * height }, (_, i) => `${x + (i % width)} ${y + Math.floor(i / width)}`),
  )
  t.equal(new Set(cells).size, cells.length, 'no widget lies over another')
}
