import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { startFauxqs } from 'fauxqs'
import t from 'tap'
import { SnsNotifier } from '../../../../src/adapters/aws/incidents/sns-notifier.ts'
import { applyReport, type Incident } from '../../../../src/domain/incidents/incident.ts'
import { incidentIdOf, report } from '../../../contract/incident-store.ts'
import { FixedClock } from '../../../support/helper.ts'

t.test('published notifications arrive, and can be filtered by their attributes', async (t) => {
  const server = await startFauxqs({ port: 0, logger: false })
  t.teardown(() => server.stop())
  const options = {
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  }
  const sns = new SNS(options)
  const sqs = new SQS(options)
  t.teardown(() => {
    sns.destroy()
    sqs.destroy()
  })
  const { TopicArn: topic = '' } = await sns.createTopic({ Name: 'alerts' })
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'fatal-ones' })
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] })
  await sns.subscribe({
    TopicArn: topic,
    Protocol: 'sqs',
    Endpoint: Attributes?.QueueArn,
    Attributes: { FilterPolicy: JSON.stringify({ severity: ['fatal'] }) },
  })
  const clock = new FixedClock()
  const links = { publicUrl: undefined, grafanaUrl: undefined, grafanaDataSource: 'millrace', region: undefined }
  const notifier = new SnsNotifier({ topic, links }, async () => sns)
  for (const severity of ['error', 'fatal'] as const) {
    const seen = report(clock, { severity, title: `${severity} failure` })
    const incident = applyReport(undefined, incidentIdOf(seen), seen, clock.ms)?.incident as Incident
    const notification = { id: severity, transition: 'opened' as const, createdMs: clock.ms, incident }
    await notifier.send({ id: severity, notifications: [notification] }, new AbortController().signal)
  }
  const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 })
  t.equal(Messages.length, 1)
  t.match(JSON.parse(Messages[0]?.Body ?? ''), { Subject: '[opened] fatal: fatal failure', Message: /seen 1 times/ })
})
