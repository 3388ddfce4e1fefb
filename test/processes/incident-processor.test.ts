import { gzipSync } from 'node:zlib'
import { SNS } from '@aws-sdk/client-sns'
import pino from 'pino'
import t, { type Test } from 'tap'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { logHome } from '../../src/processes/home-events.ts'
import { openProcessor } from '../../src/processes/incident-processor.ts'
import { answerProcessorEvent } from '../../src/transport/lambda/cloudwatch-records.ts'
import { makeClients } from '../aws/aws-test-app.ts'
import { testClient } from '../aws/test-client.ts'
import { startLocalCloud } from '../doubles/local-cloud.ts'
import { FixedClock, makeBatch, openAdmission } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const MAILS = 'mails'
const TICK = { source: 'millrace.clock' }

/** An alert processor as opened by its function, and a subscriber of its topic. */
async function openDeployed(t: Test, env: Environment) {
  const clock = new FixedClock()
  const cloud = await startLocalCloud(t, { clock })
  cloud.queues.createQueue(MAILS)
  const sns = new SNS(testClient(cloud.endpoints.get('sns') as string))
  await sns.subscribe({
    TopicArn: cloud.topicArn,
    Protocol: 'sqs',
    Endpoint: `arn:aws:sqs:us-east-1:000000000000:${MAILS}`,
  })
  sns.destroy()
  const settings = {
    ...cloud.environment(),
    MILLRACE_CACHE_DIR: `${testFolder(t)}/cache`,
    MILLRACE_ALERT_LOG: 'false',
    MILLRACE_ALERT_SNS_TOPIC: cloud.topicArn,
    ...env,
  }
  // The clients of a function get their endpoints from its environment.
  Object.assign(process.env, cloud.environment())
  const config = readConfig(settings)
  const written: string[] = []
  const log = pino({ enabled: false })
  const processor = await openProcessor(config, clock, log, (line) => void written.push(line))
  const clients = makeClients(cloud.endpoints)
  const home = await openAws(config, clock, logHome(log), clients)
  t.teardown(() => home.close())
  return {
    clock,
    call: async (event: unknown) => {
      const answer = await answerProcessorEvent(processor, event)
      await processor.metrics.report()
      return answer
    },
    /** Lines of the shop, spread over the minutes before now. */
    push: async (count: number, minutes: number) => {
      const stepNs = BigInt(Math.floor((minutes * MINUTE) / count)) * 1_000_000n
      const entries = Array.from({ length: count }, (_, i) => ({
        ns: clock.nowNs - 1n - BigInt(i) * stepNs,
        line: `order ${i}`,
      }))
      await home.ports.store.append(makeBatch([{ labels: { service_name: 'shop' }, entries }], openAdmission(clock)))
    },
    mails: () => cloud.messages(MAILS).map((body) => (JSON.parse(body) as { Subject: string }).Subject),
    figures: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

t.test('an unusual rate of a service reaches the topic by the schedule alone', async (t) => {
  const { clock, call, push, mails } = await openDeployed(t, {
    MILLRACE_ANOMALIES: 'true',
    MILLRACE_ANOMALY_WARM_UP: '1d',
  })
  await call(TICK)
  const pass = async (count: number, minutes: number): Promise<void> => {
    clock.ms += minutes * MINUTE
    await push(count * minutes, minutes)
    clock.ms += MINUTE / 2
    await call(TICK)
    clock.ms -= MINUTE / 2
  }
  // A call looks at fifteen minutes, and twenty minutes of an hour are enough to learn its rate.
  for (let hour = 0; hour < 25; hour++) {
    await pass(20, 16)
    await pass(20, 8)
    clock.ms += HOUR - 24 * MINUTE
  }
  await pass(20, 16)
  t.same(mails(), [])
  for (let minute = 0; minute < 6; minute++) await pass(200, 1)
  t.equal(mails().length, 1)
  t.match(mails()[0], /shop/)
})

function subscriptionEvent(logEvents: readonly object[]): object {
  const facts = { messageType: 'DATA_MESSAGE', logGroup: '/aws/lambda/shop', logStream: 's', logEvents }
  return { awslogs: { data: gzipSync(JSON.stringify(facts)).toString('base64') } }
}

t.test('error lines reach the topic once, and failures of the topic are counted', async (t) => {
  const event = (clock: FixedClock) =>
    subscriptionEvent([{ id: 'e1', timestamp: clock.ms, message: 'ERROR disk is full' }])
  const well = await openDeployed(t, {})
  t.match(await well.call(event(well.clock)), { statusCode: 200 })
  t.equal(well.mails().length, 1)
  t.match(well.figures(), [{ service: 'alert-processor', IncidentsOpened: 1, NotificationsSent: 1 }])
  const topic = 'arn:aws:sns:us-east-1:000000000000:gone'
  const ill = await openDeployed(t, { MILLRACE_ALERT_SNS_TOPIC: topic })
  await ill.call(event(ill.clock))
  t.same(ill.mails(), [])
  t.match(ill.figures(), [{ IncidentsOpened: 1, NotificationsFailed: 1 }])
})
