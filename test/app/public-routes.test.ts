import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import type { AwsClients } from '../../src/homes/aws-clients.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { FixedClock } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

const ENV = {
  MILLRACE_HOME: 'aws',
  MILLRACE_TABLE: 'table',
  MILLRACE_BUCKET: 'bucket',
  MILLRACE_FIREHOSE_STREAM: 'stream',
  MILLRACE_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/queue',
  MILLRACE_KEY_SECRET: 'a secret of at least 32 characters, for tests',
  MILLRACE_USERS: 'ann:right',
}

/** The services' error for a role without permissions, which is not retried. */
const DENIED = Object.assign(new Error('no rights'), {
  name: 'AccessDeniedException',
  $fault: 'client',
  $metadata: { httpStatusCode: 400 },
})

/** [method, path, password, status] */
const REQUESTS: readonly (readonly [
  method: 'GET' | 'POST',
  path: string,
  password: string | undefined,
  status: number,
])[] = [
  ['GET', '/healthz', undefined, 200],
  ['GET', '/ready', undefined, 200],
  ['GET', '/loki/api/v1/status/buildinfo', undefined, 200],
  ['GET', '/openapi.json', undefined, 200],
  ['GET', '/nowhere', undefined, 404],
  ['GET', '/metrics', undefined, 401],
  ['GET', '/logs', 'wrong', 401],
  ['POST', '/logs', undefined, 401],
  ['POST', '/loki/api/v1/push', 'wrong', 401],
  ['POST', '/otlp/v1/logs', undefined, 401],
  ['GET', '/loki/api/v1/query?query={a="b"}', 'wrong', 401],
]

t.test('no request without credentials reaches a service of AWS', async (t) => {
  const config = readConfig({ ...ENV, MILLRACE_DATA_DIR: testFolder(t) })
  const clock = new FixedClock()
  const metrics = new Metrics()
  const called: string[] = []
  const client = (service: string) => () => {
    called.push(service)
    return Promise.reject(new Error('no client is made'))
  }
  const clients: AwsClients = {
    firehose: client('firehose'),
    items: client('dynamodb'),
    queues: client('sqs'),
    objects: client('s3'),
    destroy: () => undefined,
  }
  const events = { ...metrics.storeEvents({ error: () => undefined }), sourceDamaged: () => undefined }
  const home = await openAws(config, clock, events, clients)
  const app = await buildApp({ ports: home.ports, config, keys: home.keys, metrics, version: '0.0.0-test' })
  t.teardown(async () => {
    await app.close()
    await home.close()
  })
  for (const [method, url, password, status] of REQUESTS) {
    const authorization = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`
    const answer = await app.inject({ method, url, headers: password === undefined ? {} : { authorization } })
    t.equal(answer.statusCode, status, `${method} ${url}`)
  }
  t.same(called, [])
  t.equal((await app.inject({ url: '/healthz' })).body, '{"status":"healthy"}')
})

t.test('/healthz and /ready report from memory why lines cannot be stored, after failed writes', async (t) => {
  const config = readConfig({ ...ENV, MILLRACE_DATA_DIR: testFolder(t) })
  const clock = new FixedClock()
  const metrics = new Metrics()
  let calls = 0
  const client = () => {
    calls++
    return Promise.reject(DENIED)
  }
  const clients = { firehose: client, items: client, queues: client, objects: client, destroy: () => undefined }
  const events = { ...metrics.storeEvents({ error: () => undefined }), sourceDamaged: () => undefined }
  const home = await openAws(config, clock, events, clients)
  const app = await buildApp({ ports: home.ports, config, keys: home.keys, metrics, version: '0.0.0-test' })
  t.teardown(async () => {
    await app.close()
    await home.close()
  })
  const authorization = `Basic ${Buffer.from('ann:right').toString('base64')}`
  const payload = { streams: [{ stream: { app: 'a' }, values: [[String(clock.nowNs), 'line']] }] }
  const push = () => app.inject({ method: 'POST', url: '/loki/api/v1/push', headers: { authorization }, payload })
  for (let i = 0; i < 20 && home.ports.store.trouble() === undefined; i++) t.equal((await push()).statusCode, 503)
  const before = calls
  const healthz = await app.inject({ url: '/healthz' })
  t.equal(healthz.statusCode, 503)
  t.match(healthz.json(), { status: 'degraded', error: /./ })
  t.equal((await app.inject({ url: '/ready' })).statusCode, 503)
  t.equal(calls, before)
})
