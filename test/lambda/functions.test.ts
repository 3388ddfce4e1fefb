/**
 * The other functions under AWS's own runtime client: worker, poller, alert processor, emitter, and the gateway's views
 * of them.
 */

import { spawnSync } from 'node:child_process'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { LambdaAnswer } from '../../src/transport/lambda/http-handler.ts'
import { FakeCognigy } from '../cognigy/fake-server.ts'
import { type LocalCloud, startLocalCloud } from '../doubles/local-cloud.ts'
import { testFolder } from '../support/test-folder.ts'
import { eventV2 } from './events.ts'
import { hasRuntimeClient, LocalFunction } from './runtime.ts'

const USER = { authorization: `Basic ${Buffer.from('agent:secret').toString('base64')}` }
const PROJECT = 'abcdefabcdefabcdefabcdef'

if (hasRuntimeClient()) testFunctions()
else t.test('under the runtime client', { skip: 'node scripts/lambda-runtime.mjs test builds it' }, async () => {})

function testFunctions(): void {
  const taskRoot = testFolder(t)
  t.before(() => {
    const build = spawnSync(process.execPath, ['scripts/build.mjs', taskRoot], { encoding: 'utf8' })
    if (build.status !== 0) throw new Error(build.stderr)
  })

  /** A function of the bundle; `call` returns its response. */
  const start = async (t: Test, cloud: LocalCloud, name: string, env: Readonly<Record<string, string>> = {}) => {
    const common = {
      MILLRACE_USERS: 'agent:secret',
      MILLRACE_S3_PATH_STYLE: 'true',
      MILLRACE_CACHE_DIR: `${taskRoot}.cache`,
    }
    const running = await LocalFunction.start({
      taskRoot,
      handler: `${name}-lambda.handler`,
      env: { ...cloud.environment(), ...common, ...env },
    })
    t.teardown(() => running.stop())
    const call = async <Answer>(event: unknown): Promise<Answer> => {
      const { kind, body } = await running.invoke(event)
      if (kind !== 'response') throw new Error(`${body}\n${running.output}`)
      return JSON.parse(body) as Answer
    }
    return { running, call }
  }

  t.test(
    'posted logs reach the bucket through the queue and the worker; an invalid message does not affect others',
    async (t) => {
      const cloud = await startLocalCloud(t)
      const gateway = await start(t, cloud, 'gateway')
      const headers = { ...USER, 'content-type': 'application/json' }
      const body = Buffer.from('{"message":"by the queue"}')
      t.match(await gateway.call(eventV2({ method: 'POST', path: '/logs', headers, body })), { statusCode: 201 })
      const [message = ''] = cloud.messages()
      const worker = await start(t, cloud, 'worker')
      const record = (messageId: string, text: string) => ({
        messageId,
        body: text,
        attributes: { ApproximateReceiveCount: '1' },
        messageAttributes: {},
      })
      const answer = await worker.call({ Records: [record('good', message), record('bad', 'no message of ours')] })
      t.same(answer, { batchItemFailures: [] }, 'the bad one is put aside, with its reason')
      t.same(cloud.deadLetters(), ['no message of ours'])
      const [object] = await cloud.objects('logs/')
      t.match(gunzipSync(object?.body ?? '').toString(), /by the queue/)
    },
  )

  t.test('error lines of a log group become an incident, which the gateway lists and closes', async (t) => {
    const cloud = await startLocalCloud(t)
    const alerts = await start(t, cloud, 'alert-processor', { MILLRACE_ALERT_SNS_TOPIC: cloud.topicArn })
    const timestamp = Date.now()
    const lines = ['ERROR card 4711 declined', 'ERROR card 4712 declined', 'INFO all is well, no ERRORs']
    const event = subscriptionEvent(lines.map((text, i) => ({ id: `event-${i}`, timestamp, message: text })))
    const answers = [await alerts.call(event), await alerts.call(event)] as { body: string }[]
    t.same(
      answers.map(({ body }) => JSON.parse(body).incidents_created),
      [2, 0],
      'the same event again counts nothing',
    )
    const gateway = await start(t, cloud, 'gateway')
    const ask = (method: string, path: string, query = '') =>
      gateway.call<LambdaAnswer>(eventV2({ method, path, query, headers: USER }))
    const { items } = JSON.parse((await ask('GET', '/incidents', 'state=open')).body)
    t.match(items, [{ kind: 'line', count: 2, state: 'open' }])
    t.match(JSON.parse((await ask('POST', `/incidents/${items[0].id}/close`)).body), { state: 'closed' })
    t.same(JSON.parse((await ask('GET', '/incidents', 'state=open')).body).items, [])
    t.match(await alerts.call({ source: 'millrace.clock' }), { closed: 0 })
  })

  t.test('the poller reads Cognigy into the log group, once', async (t) => {
    const cloud = await startLocalCloud(t)
    const cognigy = new FakeCognigy({ nowMs: Date.now })
    t.teardown(() => cognigy.close())
    for (let i = 0; i < 120; i++) cognigy.add(PROJECT, { ms: Date.now() - i * 1000 })
    const env = {
      AWS_REGION: 'us-east-1',
      COGNIGY_API_KEY: cognigy.options.key,
      MILLRACE_POLL_BASE_URL: await cognigy.listen(),
      MILLRACE_POLL_PROJECTS: PROJECT,
    }
    const poller = await start(t, cloud, 'poller', env)
    t.match(await poller.call({}), { stored: 120 })
    t.match(await poller.call({}), { stored: 0 })
    t.equal(cloud.logs.events('cognigy-logs', 'lambda-poller-stream').length, 120)
    const gateway = await start(t, cloud, 'gateway', env)
    const sources = await gateway.call<LambdaAnswer>(eventV2({ path: '/sources', headers: USER }))
    t.match(JSON.parse(sources.body), { sources: [{ source: 'cognigy', projectId: PROJECT }] })
  })

  t.test('the emitter writes the requested number of errors', async (t) => {
    const emitter = await start(t, await startLocalCloud(t), 'emitter')
    t.match(await emitter.call({ error_count: 3 }), { statusCode: 200, body: { errors_emitted: 3 } })
    t.match(await emitter.call({}), { body: { errors_emitted: 'random' } })
    t.ok(emitter.running.output.split('ERROR').length > 3)
  })
}

function subscriptionEvent(logEvents: readonly object[]): object {
  const data = {
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: '/aws/lambda/shop',
    logStream: '2026/11/21/[$LATEST]0123',
    subscriptionFilters: ['errors'],
    logEvents,
  }
  return { awslogs: { data: gzipSync(JSON.stringify(data)).toString('base64') } }
}
