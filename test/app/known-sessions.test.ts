import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startLocalCloud } from '../doubles/local-cloud.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'

/** Sessions of the systems that Millrace replaces, over a socket, with the gateway's defaults. */

type Environment = Readonly<Record<string, string>>

const HOMES: readonly (readonly [name: string, environment: (t: Test) => Promise<Environment>])[] = [
  ['embedded', async () => ({})],
  ['aws', async (t) => ({ ...(await startLocalCloud(t)).environment(), MILLRACE_CACHE_DIR: t.testdirName })],
]

for (const [home, environment] of HOMES) {
  t.test(`a session with a Loki endpoint behind basic auth works: ${home}`, async (t) => {
    const gateway = await GatewayProcess.start({
      dataDir: testFolder(t),
      env: { MILLRACE_USERS: 'stytch-logs-ingestion:1234', ...(await environment(t)) },
    })
    t.teardown(() => gateway.kill())
    const health = await fetch(`${gateway.url}/healthz`)
    t.equal(await health.text(), '{"status":"healthy"}')
    const authorization = `Basic ${Buffer.from('stytch-logs-ingestion:1234').toString('base64')}`
    const body = '{"streams":[{"stream":{"label":"value"},"values":[["1748893746595000000","<log line 0>"]]}]}'
    const push = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/loki/api/v1/push`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      })
    const pushed = await push({ authorization })
    t.equal(pushed.status, 200)
    t.equal(await pushed.text(), '{"status":"success","count":1}')
    t.equal((await push({})).status, 401, 'not without credentials')
    const query = `query=${encodeURIComponent('{label="value"}')}&start=1748893746&end=1748893747`
    const read = await fetch(`${gateway.url}/loki/api/v1/query_range?${query}`, { headers: { authorization } })
    t.match(await read.text(), '["1748893746595000000","<log line 0>"]', 'the line is there, to the nanosecond')
  })

  t.test(`a session with a logging service behind tokens works: ${home}`, async (t) => {
    const dataDir = testFolder(t)
    const env = { MILLRACE_LOCAL_ISSUER: 'true', ...(await environment(t)) }
    const gateway = await GatewayProcess.start({ dataDir, env })
    t.teardown(() => gateway.kill())
    const logs = `${gateway.url}/logs`
    t.equal((await fetch(logs)).status, 401, 'not without a token')
    // The bare token, without a scheme.
    const authorization = await makeToken({ ...env, MILLRACE_DATA_DIR: dataDir })
    const posted = await fetch(logs, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: '{"severity": "info", "message": "Test log entry"}',
    })
    t.equal(posted.status, 201)
    const { id, datetime } = (await posted.json()) as { id: string; datetime: string }
    const read = await fetch(logs, { headers: { authorization } })
    const items = [{ id, datetime, severity: 'info', message: 'Test log entry' }]
    t.strictSame(await read.json(), { items, hasMore: false })
  })
}

async function makeToken(env: Environment): Promise<string> {
  const args = ['src/entry/cli.ts', 'token', '--subject', 'anna']
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } })
  return stdout.trim()
}
