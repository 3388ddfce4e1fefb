/** What sst.config.ts declares, stage by stage: what must be encrypted, wired, bounded and closed is. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
// @ts-expect-error a script of plain JavaScript, which runs without the types
import { FUNCTION_NAMES as NAMES } from '../../scripts/cleanup.mjs'
import { listSettings } from '../../src/config/read-config.ts'
import { COST_TAG, isProtected } from '../stages.ts'

const FUNCTION_NAMES: readonly string[] = NAMES

interface Resource {
  readonly type: string
  readonly name: string
  // Inputs are whatever a provider takes.
  // biome-ignore lint/suspicious/noExplicitAny: looked into by hand below
  readonly inputs: any
}

interface Graph {
  readonly app: {
    readonly removal: string
    readonly protect: boolean
    readonly name: string
    readonly providers: { readonly aws: { readonly defaultTags: { readonly tags: Readonly<Record<string, string>> } } }
  }
  readonly resources: readonly Resource[]
}

interface Statement {
  readonly actions: readonly string[]
  readonly resources: readonly string[]
}

function graphOf(stage: string): Graph {
  const child = spawnSync(process.execPath, ['infra/check/graph.mjs', stage], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      ALERT_EMAIL: 'oncall@example.com',
      COGNIGY_PROJECTS: 'bot=64f1c2d3e4f5a6b7c8d9e0f1',
      MILLRACE_IMAGE_URI: '',
    },
  })
  if (child.status !== 0) throw new Error(`the graph of ${stage} does not come about:\n${child.stderr}`)
  return JSON.parse(child.stdout.slice(child.stdout.indexOf('{"app"'))) as Graph
}

const STAGES = ['dev', 'production'] as const

for (const stage of STAGES) {
  const { app, resources } = graphOf(stage)
  const isProduction = stage === 'production'
  const ofType = (type: string) => resources.filter((resource) => resource.type === type)
  const one = (type: string, name?: string): Resource => {
    const found = ofType(type).filter((resource) => name === undefined || resource.name === name)
    if (found.length !== 1) throw new Error(`${found.length} of ${type} ${name ?? ''}, wanted one`)
    return found[0] as Resource
  }
  const policyOf = (role: Resource): Statement[] =>
    // biome-ignore lint/suspicious/noExplicitAny: inputs
    (role.inputs.inlinePolicies ?? []).flatMap((inline: any) => JSON.parse(inline.policy).statements)

  t.test(`${stage}: what outlives the stack`, async (t) => {
    t.equal(app.removal, isProduction ? 'retain' : 'remove')
    t.equal(app.protect, isProduction)
    t.equal(one('aws:dynamodb/table:Table').inputs.deletionProtectionEnabled, isProduction)
    t.equal(one('aws:cognito/userPool:UserPool').inputs.deletionProtection, isProduction ? 'ACTIVE' : 'INACTIVE')
  })

  t.test(`${stage}: cleanup knows the stage's protection, tags and functions`, async (t) => {
    t.equal(app.protect, isProtected(stage))
    t.match(app.providers.aws.defaultTags.tags, { project: 'millrace', stage, [COST_TAG]: stage })
    const functions = ofType('aws:lambda/function:Function').filter(({ inputs }) => inputs.packageType === 'Image')
    t.same(
      functions.map(({ inputs }) => inputs.name).sort(),
      FUNCTION_NAMES.map((name) => `millrace-${stage}-${name}`).sort(),
    )
  })

  t.test(`${stage}: metrics, alarms and the budget are the stage's own`, async (t) => {
    const own = [`Millrace/${stage}`, `LogMonitoring/${stage}`]
    for (const { name, inputs } of ofType('aws:lambda/function:Function')) {
      if (inputs.packageType !== 'Image') continue
      t.equal(inputs.environment.variables.MILLRACE_METRICS_NAMESPACE, own[0], name)
    }
    for (const { name, inputs } of ofType('aws:cloudwatch/logMetricFilter:LogMetricFilter')) {
      t.equal(inputs.metricTransformation.namespace, own[1], name)
    }
    for (const { name, inputs } of ofType('aws:cloudwatch/metricAlarm:MetricAlarm')) {
      // biome-ignore lint/suspicious/noExplicitAny: inputs
      const queries = (inputs.metricQueries ?? []).flatMap(({ metric }: any) => metric ?? [])
      for (const { namespace, dimensions } of [inputs, ...queries]) {
        const isOfStage = own.includes(namespace) || dimensions !== undefined
        t.ok(namespace === undefined || isOfStage, `${name} looks at ${namespace}`)
      }
    }
    t.notMatch(one('aws:cloudwatch/dashboard:Dashboard').inputs.dashboardBody, /"(Millrace|LogMonitoring)"/)
    t.same(one('aws:budgets/budget:Budget').inputs.costFilters, [
      { name: 'TagKeyValue', values: [`user:${COST_TAG}$${stage}`] },
    ])
  })

  t.test(`${stage}: all that is stored is encrypted, in production by one key that rotates`, async (t) => {
    const keys = ofType('aws:kms/key:Key')
    t.equal(keys.length, isProduction ? 1 : 0)
    for (const key of keys) t.match(key.inputs, { enableKeyRotation: true, deletionWindowInDays: 7 })
    const [rule] = one('aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration').inputs
      .rules
    t.equal(rule.applyServerSideEncryptionByDefault.sseAlgorithm, isProduction ? 'aws:kms' : 'AES256')
    t.equal(rule.bucketKeyEnabled, isProduction)
    const table = one('aws:dynamodb/table:Table').inputs.serverSideEncryption
    t.equal(table.enabled, true)
    t.equal(table.kmsKeyArn !== undefined, isProduction)
    for (const queue of ofType('aws:sqs/queue:Queue')) {
      t.equal(queue.inputs.kmsMasterKeyId !== undefined, isProduction, queue.name)
      t.equal(queue.inputs.sqsManagedSseEnabled === true, !isProduction, queue.name)
    }
    t.equal(one('aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream').inputs.serverSideEncryption.enabled, true)
    for (const parameter of ofType('aws:ssm/parameter:Parameter')) {
      t.equal(parameter.inputs.type, 'SecureString', parameter.name)
      t.equal(parameter.inputs.keyId !== undefined, isProduction, parameter.name)
    }
    for (const group of ofType('aws:cloudwatch/logGroup:LogGroup')) {
      t.equal(group.inputs.kmsKeyId !== undefined, isProduction, group.name)
    }
    t.equal(one('aws:sns/topic:Topic').inputs.kmsMasterKeyId !== undefined, isProduction)
  })

  t.test(`${stage}: the bucket is closed to the public and to requests without TLS, and its objects end`, async (t) => {
    t.match(one('aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock').inputs, {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    })
    const policy = JSON.stringify(one('aws:s3/bucketPolicy:BucketPolicy').inputs.policy)
    t.match(policy, /aws:SecureTransport/)
    t.match(policy, /Deny/i)
    t.equal(ofType('aws:s3/bucketCorsConfiguration:BucketCorsConfiguration').length, 0)
    const { rules } = one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration').inputs
    const ids = rules.map(({ id }: { id: string }) => id)
    t.same(ids, isProduction ? ['unfinished', 'seldom-read', 'old-versions'] : ['unfinished', 'expire'])
  })

  t.test(`${stage}: the table expires items, can be restored to a point in time, and is paid by use`, async (t) => {
    t.match(one('aws:dynamodb/table:Table').inputs, {
      billingMode: 'PAY_PER_REQUEST',
      ttl: { attributeName: 'expiresAt', enabled: true },
      pointInTimeRecovery: { enabled: true },
    })
  })

  t.test(
    `${stage}: the worker answers for single messages, and what fails five times is kept for two weeks`,
    async (t) => {
      const mapping = one('aws:lambda/eventSourceMapping:EventSourceMapping').inputs
      t.same(mapping.functionResponseTypes, ['ReportBatchItemFailures'])
      t.match(mapping, { batchSize: 100, maximumBatchingWindowInSeconds: 5 })
      t.equal(mapping.scalingConfig.maximumConcurrency, isProduction ? 10 : 2)
      const queue = one('aws:sqs/queue:Queue', 'IngestQueue').inputs
      const redrive = JSON.parse(queue.redrivePolicy)
      t.equal(redrive.maxReceiveCount, 5)
      t.match(redrive.deadLetterTargetArn, /DeadLetters/)
      t.equal(queue.visibilityTimeoutSeconds, 6 * one('aws:lambda/function:Function', 'Worker').inputs.timeout)
      for (const each of ofType('aws:sqs/queue:Queue')) {
        t.equal(each.inputs.messageRetentionSeconds, 14 * 86_400, each.name)
        t.equal(each.inputs.maxMessageSize, 1_048_576, each.name)
      }
    },
  )

  t.test(`${stage}: Firehose joins what comes and writes partitions by day and hour`, async (t) => {
    const s3 = one('aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream').inputs.extendedS3Configuration
    t.match(s3, {
      compressionFormat: 'UNCOMPRESSED',
      fileExtension: '.gz',
      prefix: 'logs/!{timestamp:yyyy/MM/dd/HH}/',
      customTimeZone: 'UTC',
      cloudwatchLoggingOptions: { enabled: true },
    })
    t.match(s3.errorOutputPrefix, /^failed\//)
    t.ok(s3.bufferingInterval <= 900, 'recent items outlive the buffer')
  })

  t.test(
    `${stage}: every function is the image with a command of its own, a role of its own and a log that ends`,
    async (t) => {
      const functions = ofType('aws:lambda/function:Function').filter(({ inputs }) => inputs.packageType === 'Image')
      const names = functions.map(({ name }) => name).sort()
      t.same(names, ['Gateway', 'LogAlertProcessor', 'Poller', 'TestLogEmitter', 'Worker'])
      t.equal(new Set(functions.map(({ inputs }) => inputs.imageConfig.commands[0])).size, functions.length)
      t.equal(new Set(functions.map(({ inputs }) => inputs.role)).size, functions.length)
      for (const { name, inputs } of functions) {
        t.match(inputs.imageConfig.commands[0], /^dist\/[a-z-]+-lambda\.handler$/, name)
        t.same(inputs.architectures, ['arm64'], name)
        const group = one('aws:cloudwatch/logGroup:LogGroup', `${name}Log`).inputs
        t.equal(group.name, `/aws/lambda/${inputs.name}`, name)
        t.equal(inputs.environment.variables.MILLRACE_HOME, 'aws', name)
      }
      for (const group of ofType('aws:cloudwatch/logGroup:LogGroup')) {
        t.equal(group.inputs.retentionInDays, isProduction ? 30 : 7, group.name)
      }
      for (const name of ['LogAlertProcessor', 'Poller']) {
        const { deadLetterConfig } = one('aws:lambda/function:Function', name).inputs
        t.match(deadLetterConfig.targetArn, /DeadLetters/, `${name}: what fails for good is kept`)
      }
    },
  )

  t.test(`${stage}: no secret is in an environment, only the name of its parameter`, async (t) => {
    for (const { name, inputs } of ofType('aws:lambda/function:Function')) {
      const variables = JSON.stringify(inputs.environment?.variables ?? {})
      t.notMatch(variables, /secret-of-|a key/, name)
    }
    const gateway = one('aws:lambda/function:Function', 'Gateway').inputs.environment.variables
    t.match(gateway.MILLRACE_USERS, /^ssm:\//)
    t.match(gateway.MILLRACE_KEY_SECRET, /^ssm:\//)
  })

  t.test(`${stage}: every setting that a function is given is one that the gateway knows`, async (t) => {
    const known = listSettings().map(({ variable }) => variable)
    for (const { name, inputs } of ofType('aws:lambda/function:Function')) {
      const given = Object.keys(inputs.environment?.variables ?? {}).filter((variable) => !variable.startsWith('SST_'))
      t.same(
        given.filter((variable) => !known.includes(variable)),
        [],
        name,
      )
    }
  })

  t.test(`${stage}: roles name their actions, and their resources`, async (t) => {
    const roles = ofType('aws:iam/role:Role').filter(({ inputs }) => inputs.inlinePolicies !== undefined)
    t.ok(roles.length >= 6)
    for (const role of roles) {
      for (const { actions, resources: targets } of policyOf(role)) {
        for (const action of actions) t.notMatch(action, /\*/, `${role.name}: ${action}`)
        for (const target of targets) t.match(target, /^arn:aws:[a-z0-9]+:/, `${role.name}: ${target}`)
      }
      t.same(role.inputs.managedPolicyArns ?? [], [], `${role.name} has no policy that AWS widens`)
    }
    const allowed = (name: string) => [
      ...new Set(policyOf(one('aws:iam/role:Role', `${name}Role`)).flatMap(({ actions }) => actions)),
    ]
    t.notOk(allowed('Gateway').some((action) => /^(logs:(Get|Filter)|sqs:(Receive|Delete))/.test(action)))
    t.notOk(allowed('Worker').some((action) => /^(dynamodb|firehose|ssm|s3:Get|s3:List)/.test(action)))
    t.notOk(allowed('TestLogEmitter').some((action) => !action.startsWith('logs:') && !action.startsWith('kms:')))
    t.notOk(
      roles
        .flatMap(policyOf)
        .flatMap(({ actions }) => actions)
        .includes('s3:DeleteObject'),
      'nothing that runs deletes archived logs',
    )
  })

  t.test(`${stage}: only the gateway's door is open to the public`, async (t) => {
    const open = ofType('aws:lambda/permission:Permission').filter(({ inputs }) => inputs.principal === '*')
    t.same(open.map(({ name }) => name).sort(), ['GatewayInvokeByUrl', 'GatewayUrlPublic'])
    const gateway = one('aws:lambda/function:Function', 'Gateway').inputs.name
    for (const { inputs } of open) t.equal(inputs.function, gateway)
    const pool = one('aws:cognito/userPool:UserPool').inputs
    t.equal(pool.adminCreateUserConfig.allowAdminCreateUserOnly, true, 'nobody signs up')
    t.match(one('aws:cognito/userPoolClient:UserPoolClient').inputs, { preventUserExistenceErrors: 'ENABLED' })
    t.equal(one('aws:ecr/repository:Repository').inputs.imageScanningConfiguration.scanOnPush, true)
  })

  t.test(`${stage}: each watched log group feeds the processor, which it alone may call so`, async (t) => {
    const filters = ofType('aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter')
    t.same(filters.map(({ name }) => name).sort(), ['CognigyErrors', 'EmitterErrors'])
    for (const { name } of filters) {
      const permission = one('aws:lambda/permission:Permission', name.replace('Errors', 'MayFeedAlerts')).inputs
      t.match(permission, { principal: 'logs.amazonaws.com', sourceAccount: '123456789012' })
      t.match(permission.sourceArn, /:log-group:/)
    }
  })

  t.test(`${stage}: clocks tick once a minute, in one run at a time where it matters`, async (t) => {
    const schedules = ofType('aws:scheduler/schedule:Schedule')
    t.same(
      schedules.map(({ inputs }) => inputs.scheduleExpression),
      ['rate(1 minute)', 'rate(1 minute)'],
    )
    t.equal(one('aws:lambda/function:Function', 'Poller').inputs.reservedConcurrentExecutions, 1)
  })

  t.test(`${stage}: every alarm mails, when it rises and when it ends`, async (t) => {
    const alarms = ofType('aws:cloudwatch/metricAlarm:MetricAlarm')
    const names = alarms.map(({ name }) => name)
    for (const wanted of [
      'ErrorAlarm',
      'DeadLetters',
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
    t.same(runbook.sort(), names.toSorted(), 'the runbook has a row for each')
    t.match(one('aws:cloudwatch/metricAlarm:MetricAlarm', 'ErrorAlarm').inputs, {
      threshold: 1,
      period: 60,
      evaluationPeriods: 1,
      statistic: 'Sum',
    })
    t.match(one('aws:sns/topicSubscription:TopicSubscription').inputs, {
      protocol: 'email',
      endpoint: 'oncall@example.com',
    })
    t.match(one('aws:budgets/budget:Budget').inputs, { limitUnit: 'USD' })
  })

  t.test(`${stage}: the dashboard shows alarms, errors and figures, side by side`, async (t) =>
    testDashboard(t, one('aws:cloudwatch/dashboard:Dashboard')),
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
