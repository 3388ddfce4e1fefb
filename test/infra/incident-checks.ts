/** Incidents of a stage: no relevant line is filtered out, one error is one mail, and the options of the stage take effect. */

import type { Test } from 'tap'
import type { StageSettings } from '../../infra/stages.ts'
import { levelPattern } from '../../src/adapters/aws/incidents/level-pattern.ts'
import type { Lookup } from './resource-graph.ts'

export function checkIncidents(t: Test, settings: StageSettings, found: Lookup): void {
  const variablesOf = (name: string) => found.one('aws:lambda/function:Function', name).inputs.environment.variables
  const topicOf = (email: string) =>
    found.ofType('aws:sns/topicSubscription:TopicSubscription').find(({ inputs }) => inputs.endpoint === email)?.inputs

  t.test('the subscription and the metric of the alarm count at least what the level rule counts', async (t) => {
    const pattern = levelPattern(settings.incidentLevel)
    const handedOn = found.ofType('aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter')
    for (const { name, inputs } of handedOn) t.equal(inputs.filterPattern, pattern, name)
    const counted = found.ofType('aws:cloudwatch/logMetricFilter:LogMetricFilter')
    t.equal(counted.length, handedOn.length)
    for (const { name, inputs } of counted) t.equal(inputs.pattern, pattern, name)
    for (const name of ['LogAlertProcessor', 'Gateway']) {
      t.equal(variablesOf(name).MILLRACE_INCIDENT_LEVEL, settings.incidentLevel, name)
    }
  })

  t.test('an error that is an incident sends one mail', async (t) => {
    for (const { name, inputs } of found.ofType('aws:cloudwatch/metricAlarm:MetricAlarm')) {
      const topic = name === 'ErrorAlarm' ? /:ErrorAlarmsTopic$/ : /:AlertsTopic$/
      t.match(inputs.alarmActions[0], topic, name)
    }
    t.match(topicOf('oncall@example.com'), { topic: /:AlertsTopic$/, protocol: 'email' })
    const { errorAlarmEmail } = settings
    t.equal(found.ofType('aws:sns/topicSubscription:TopicSubscription').length, errorAlarmEmail === undefined ? 1 : 2)
    if (errorAlarmEmail !== undefined) t.match(topicOf(errorAlarmEmail), { topic: /:ErrorAlarmsTopic$/ })
  })

  t.test('each consumer has its own dead letters', async (t) => {
    for (const [name, queue] of [
      ['LogAlertProcessor', /:AlertDeadLettersQueue$/],
      ['Poller', /:PollerDeadLettersQueue$/],
    ] as const) {
      t.match(found.one('aws:lambda/function:Function', name).inputs.deadLetterConfig.targetArn, queue)
      const [right] = found
        .policyOf(found.one('aws:iam/role:Role', `${name}Role`))
        .filter(({ actions }) => actions.includes('sqs:SendMessage'))
      t.equal(right?.resources.length, 1)
      t.match(right?.resources[0], queue, `${name} may send there`)
    }
    const { redrivePolicy } = found.one('aws:sqs/queue:Queue', 'IngestQueue').inputs
    t.match(JSON.parse(redrivePolicy).deadLetterTargetArn, /:DeadLettersQueue$/)
  })

  const { incidentTable, anomalies } = settings
  t.test(incidentTable === undefined ? 'no rows are kept' : 'a row is kept for each line', async (t) => {
    const table = found.ofType('aws:dynamodb/table:Table').find(({ name }) => name === 'IncidentRowsTable')?.inputs
    t.equal(table === undefined, incidentTable === undefined)
    for (const name of ['LogAlertProcessor', 'Gateway']) {
      const { MILLRACE_INCIDENT_AUDIT, MILLRACE_INCIDENT_TABLE } = variablesOf(name)
      t.same([MILLRACE_INCIDENT_AUDIT, MILLRACE_INCIDENT_TABLE], [incidentTable && 'true', incidentTable], name)
      const targets = found
        .policyOf(found.one('aws:iam/role:Role', `${name}Role`))
        .filter(({ actions }) => actions.includes('dynamodb:BatchWriteItem'))
        .flatMap(({ resources }) => resources)
      t.equal(
        targets.some((target) => target.endsWith(':IncidentRowsTable')),
        incidentTable !== undefined,
        `${name} may write rows`,
      )
    }
    if (incidentTable === undefined) return
    t.match(table, {
      name: incidentTable,
      hashKey: 'incident_id',
      attributes: [{ name: 'incident_id', type: 'S' }],
      ttl: { attributeName: 'expiresAt', enabled: true },
      pointInTimeRecovery: { enabled: true },
      serverSideEncryption: { enabled: true },
    })
    t.equal(table.serverSideEncryption.kmsKeyArn !== undefined, settings.customerKey)
  })

  t.test(anomalies ? 'unusual rates open incidents' : 'rates are not watched', async (t) => {
    t.equal(variablesOf('LogAlertProcessor').MILLRACE_ANOMALIES, anomalies ? 'true' : undefined)
    t.equal(variablesOf('Gateway').MILLRACE_ANOMALIES, undefined)
    // The schedule that calls the processor, and its permissions to read lines, keep its state, and notify.
    t.match(found.one('aws:scheduler/schedule:Schedule', 'AlertClockSchedule').inputs, {
      scheduleExpression: 'rate(1 minute)',
      target: { arn: /:LogAlertProcessor$/, input: /millrace\.clock/ },
    })
    const actions = found
      .policyOf(found.one('aws:iam/role:Role', 'LogAlertProcessorRole'))
      .flatMap((statement) => statement.actions)
    for (const action of ['s3:GetObject', 's3:ListBucket', 'dynamodb:Query', 'dynamodb:PutItem', 'sns:Publish']) {
      t.ok(actions.includes(action), action)
    }
  })
}
