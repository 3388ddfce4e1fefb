/** The built functions under AWS's own runtime client, with in-process services. */

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { encodePush } from '../../src/protocol/loki/loki-push-encode.ts'
import type { LambdaAnswer } from '../../src/transport/lambda/http-handler.ts'
import { startLocalCloud } from '../doubles/local-cloud.ts'
import { testFolder } from '../support/test-folder.ts'
import { eventAlb, eventV1, eventV2 } from './events.ts'
import { type FunctionParts, hasRuntimeClient, LocalFunction } from './runtime.ts'

const USER = { authorization: `Basic ${Buffer.from('agent:secret').toString('base64')}` }
const PROTOBUF = { ...USER, 'content-type': 'application/x-protobuf' }
const QUERY = `query=${encodeURIComponent('{app="a"}')}`

if (hasRuntimeClient()) testFunctions()
else t.test('under the runtime client', { skip: 'node scripts/lambda-runtime.mjs test builds it' }, async () => {})

function testFunctions(): void {
  const taskRoot = testFolder(t)
  t.before(() => {
    const build = spawnSync(process.execPath, ['scripts/build.mjs', taskRoot], { encoding: 'utf8' })
    if (build.status !== 0) throw new Error(build.stderr)
    writeFileSync(join(taskRoot, 'throws.mjs'), "throw new TypeError('the module is broken')\n")
  })

  t.test('the gateway stores pushes from each kind of event', async (t) => {
    const gateway = await startGateway(t, taskRoot)
    const line = `\u0000\uffff ${Array.from({ length: 3000 }, (_, at) => String.fromCodePoint(at + 1)).join('')}`
    const ns = BigInt(Date.now()) * 1_000_000n
    const kinds = [
      ['2.0', eventV2],
      ['1.0', eventV1],
      ['a load balancer', eventAlb],
    ] as const
    for (const [at, [kind, make]] of kinds.entries()) {
      const entries = [{ ns: ns - BigInt(at), line: `${kind} ${line}` }]
      const body = encodePush([{ labels: '{app="a"}', entries }])
      const pushed = await gateway.ask(make({ method: 'POST', path: '/loki/api/v1/push', headers: PROTOBUF, body }))
      t.equal(pushed.statusCode, 204, kind)
    }
    const read = await gateway.ask(eventV2({ path: '/loki/api/v1/query_range', query: QUERY, headers: USER }))
    const values = JSON.parse(read.body).data.result.flatMap(({ values }: { values: unknown[] }) => values)
    t.same(
      values.map(([, text]: [string, string]) => text),
      kinds.map(([kind]) => `${kind} ${line}`),
    )
  })

  t.test('the gateway answers bytes, texts and errors', async (t) => {
    const gateway = await startGateway(t, taskRoot)
    t.match(await gateway.ask(eventV2({ path: '/ready' })), {
      statusCode: 200,
      body: 'ready\n',
      isBase64Encoded: false,
    })
    const zipped = await gateway.ask(eventV2({ path: '/openapi.json', headers: { 'accept-encoding': 'gzip' } }))
    t.equal(JSON.parse(gunzipSync(Buffer.from(zipped.body, 'base64')).toString()).info.title, 'Millrace')
    t.equal((await gateway.ask(eventV2({ path: '/nothing' }))).statusCode, 404)
    t.equal((await gateway.ask(eventV1({ path: '/logs' }))).statusCode, 401)
    t.match(await gateway.ask(eventAlb({ path: '/loki/api/v1/query', headers: USER })), { statusCode: 400 })
    const tail = eventV2({ path: '/loki/api/v1/tail/stream', query: QUERY, headers: USER })
    t.match(await gateway.ask(tail), { statusCode: 404, body: /live tails are not available/ })
    const failed = await gateway.running.invoke({ Records: [{ eventSource: 'aws:sqs' }] })
    t.equal(failed.kind, 'error')
    t.match(failed.body, /not an HTTP request/)
    t.equal((await gateway.ask(eventV2({ path: '/ready' }))).statusCode, 200, 'it goes on after an error')
  })

  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['no credentials', { MILLRACE_HOME: 'aws' }, /no credentials are configured/],
    ['the embedded home', { MILLRACE_USERS: 'agent:secret' }, /set MILLRACE_HOME=aws/],
    ['no table', { MILLRACE_HOME: 'aws', MILLRACE_USERS: 'agent:secret' }, /needs MILLRACE_TABLE/],
    ['a setting of no kind', { MILLRACE_PORT: 'here' }, /MILLRACE_PORT/],
  ]
  for (const [name, env, message] of wrong) {
    t.test(`${name} is reported at the start`, async (t) => {
      const running = await start(t, { taskRoot, handler: 'gateway-lambda.handler', env })
      const { kind, body } = await running.outcome()
      t.equal(kind, 'init/error')
      t.match(body, message)
    })
  }

  t.test('a module that throws is reported at the start', async (t) => {
    const running = await start(t, { taskRoot, handler: 'throws.handler' })
    const { kind, body } = await running.outcome()
    t.match({ kind, body }, { kind: 'init/error', body: /the module is broken/ })
  })
}

interface Gateway {
  readonly running: LocalFunction
  ask(event: unknown): Promise<LambdaAnswer>
}

async function startGateway(t: Test, taskRoot: string): Promise<Gateway> {
  const cloud = await startLocalCloud(t)
  const env = {
    ...cloud.environment(),
    MILLRACE_USERS: 'agent:secret',
    MILLRACE_S3_PATH_STYLE: 'true',
    MILLRACE_CACHE_DIR: testFolder(t),
  }
  const running = await start(t, { taskRoot, handler: 'gateway-lambda.handler', env })
  return {
    running,
    ask: async (event) => {
      const { kind, body } = await running.invoke(event)
      if (kind !== 'response') throw new Error(`${body}\n${running.output}`)
      return JSON.parse(body) as LambdaAnswer
    },
  }
}

async function start(t: Test, parts: FunctionParts): Promise<LocalFunction> {
  const running = await LocalFunction.start(parts)
  t.teardown(() => running.stop())
  return running
}
