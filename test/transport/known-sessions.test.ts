import t from 'tap'
import { GatewayProcess } from '../gateway-process.ts'

/** The sessions that people know from the systems that Millrace unites, over a socket, with the gateway's defaults. */

t.test('the session of a Loki endpoint behind basic auth works as its users know it', async (t) => {
  const gateway = await GatewayProcess.start({
    dataDir: t.testdir(),
    env: { MILLRACE_USERS: 'stytch-logs-ingestion:1234' },
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
