import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'

async function startIn(t: Test, env: Record<string, string> = {}, dataDir = testFolder(t)): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({ dataDir, env })
  t.teardown(() => gateway.kill())
  return gateway
}

t.test('a start that fails is explained and ends with exit code 1', async (t) => {
  const { port } = await startIn(t)
  const faults: [name: string, env: Record<string, string>, text: RegExp][] = [
    ['a port in use', { MILLRACE_PORT: String(port) }, /^millrace: cannot listen on .*MILLRACE_PORT/],
    [
      'an address of another machine',
      { MILLRACE_HOST: '192.0.2.1', MILLRACE_USERS: 'ann:secret' },
      /^millrace: cannot listen on .*MILLRACE_HOST/,
    ],
    [
      'a data folder that cannot be made',
      {
        MILLRACE_DATA_DIR: process.platform === 'linux' ? '/proc/nope' : join(testFolder(t, { file: '' }), 'file/data'),
      },
      /^millrace: the data folder '.*' cannot be opened/,
    ],
  ]
  for (const [name, env, text] of faults) {
    const gateway = await GatewayProcess.spawn({ dataDir: testFolder(t, { [name]: {} }), env })
    await gateway.ended()
    t.equal(gateway.exitCode, 1, name)
    t.match(gateway.lastWords, text, name)
    t.notMatch(gateway.lastWords, /^ +at /m, 'no stack')
  }
})

t.test('a signal ends it with exit code 0', async (t) => {
  const gateway = await startIn(t)
  await gateway.stop()
  t.equal(gateway.exitCode, 0)
})

t.test('its files are readable only by their owner, even in a folder that others can read', async (t) => {
  const dataDir = join(testFolder(t), 'data')
  mkdirSync(dataDir)
  chmodSync(dataDir, 0o755)
  await startIn(t, {}, dataDir)
  for (const file of ['millrace.db', 'millrace.db-wal', 'page-token.key']) {
    t.equal(statSync(join(dataDir, file)).mode & 0o077, 0, file)
  }
})

t.test('the most verbose log reports rejections, but no line, value or password', async (t) => {
  const gateway = await startIn(t, { MILLRACE_LOG_LEVEL: 'trace', MILLRACE_USERS: 'ann:sesame-1' })
  const secret = 'sesame'
  const ask = (path: string, init: RequestInit = {}, password = 'sesame-1'): Promise<Response> => {
    const authorization = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`
    const headers = { authorization, 'content-type': 'application/json' }
    return fetch(`${gateway.url}${path}`, { headers, ...init })
  }
  const push = (body: object, type: string) =>
    ask(type, { method: 'POST', body: JSON.stringify(body) }).then(({ status }) => status)
  const ns = String(Date.now() * 1_000_000)
  const streams = [{ stream: { app: 'sesame-2' }, values: [[ns, 'sesame-3', { id: 'sesame-4' }]] }]
  t.equal(await push({ streams }, '/loki/api/v1/push'), 200)
  t.equal(await push({ message: 'sesame-5', severity: 'sesame-6' }, '/logs'), 400)
  t.equal(
    await push({ streams: [{ stream: { 'sesame 7': '' }, values: [['sesame-8', 'x']] }] }, '/loki/api/v1/push'),
    400,
  )
  t.equal((await ask('/loki/api/v1/query_range?query={app="sesame-2"} | sesame')).status, 400)
  t.equal((await ask('/loki/api/v1/labels', {}, 'sesame-9')).status, 401)
  t.equal((await ask('/loki/api/v1/label/%zzsesame/values')).status, 400)
  await gateway.stop()
  t.match(gateway.lastWords, 'request rejected')
  t.match(gateway.lastWords, 'stopping')
  t.notMatch(gateway.lastWords, secret)
})
