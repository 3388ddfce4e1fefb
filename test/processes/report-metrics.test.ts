import type { Context } from 'aws-lambda'
import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { openGatewayReporter, reportAfterEach, reportGateway } from '../../src/processes/report-metrics.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

const AWS = readConfig({ MILLRACE_HOME: 'aws', MILLRACE_METRICS_NAMESPACE: 'Logs' })
const ANSWER = { statusCode: 204, body: '' }
// Unused by the handlers in this test.
const CONTEXT = {} as Context

t.test('a function reports the metrics of a request before its response', async (t) => {
  const metrics = new Metrics()
  const lines: string[] = []
  const count = async () => {
    metrics.accepted.inc({ protocol: 'logs' }, 3)
    return ANSWER
  }
  const handler = reportAfterEach(
    openGatewayReporter(AWS, metrics, (line) => lines.push(line)),
    count,
  )
  t.equal(await handler({}, CONTEXT), ANSWER)
  t.match(JSON.parse(lines[0] ?? ''), {
    _aws: { CloudWatchMetrics: [{ Namespace: 'Logs' }] },
    service: 'gateway',
    IngestedLogCount: 3,
  })
  await handler({}, CONTEXT)
  t.equal(lines.length, 1, 'the next within ten seconds waits')
  t.equal(handler.length, 2, "as the runtime's check of handlers wants it")
})

t.test('a process reports the rest when it ends', async (t) => {
  const metrics = new Metrics()
  const lines: string[] = []
  const end = reportGateway(AWS, metrics, (line) => lines.push(line))
  metrics.accepted.inc({ protocol: 'logs' }, 3)
  await end()
  t.match(JSON.parse(lines[0] ?? ''), { IngestedLogCount: 3 })
})

t.test('the embedded home writes no metrics to stdout: Prometheus scrapes it', async (t) => {
  const metrics = new Metrics()
  metrics.accepted.inc({ protocol: 'logs' }, 3)
  await reportGateway(readConfig({}), metrics, () => t.fail('it wrote a line'))()
  t.pass('nothing was written')
})
