import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import t, { type Test } from 'tap'
import { loadSettings } from '../../src/homes/references.ts'
import { openGateway } from '../../src/processes/gateway.ts'
import { FakeCognigy } from '../cognigy/fake-server.ts'
import { testFolder } from '../support/test-folder.ts'

const RULES = `
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: Errors
        expr: sum(count_over_time({app="shop"} |= "card" [5m])) > 0
`

const PROJECT = 'abcdefabcdefabcdefabcdef'

/** Notifications that a webhook receives; `next` resolves with the next one. */
async function listen(t: Test) {
  const bodies: { transition: string; incident: { kind: string; title: string } }[] = []
  const waiting: (() => void)[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(JSON.parse(body))
    response.end()
    waiting.shift()?.()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    next: async () => {
      if (bodies.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      return bodies.shift()
    },
  }
}

async function open(t: Test, env: Record<string, string>) {
  const settings = await loadSettings({ MILLRACE_DATA_DIR: join(testFolder(t), 'data'), ...env })
  const gateway = await openGateway(settings, pino({ level: 'silent' }))
  t.teardown(() => gateway.close())
  return gateway
}

const pushError = (app: Awaited<ReturnType<typeof open>>['app']) =>
  app.inject({
    method: 'POST',
    url: '/loki/api/v1/push',
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify({
      streams: [{ stream: { app: 'shop' }, values: [[`${Date.now()}000000`, 'level=error msg="card declined"']] }],
    }),
  })

t.test('an accepted error line opens an incident that is notified, listed and can be closed', async (t) => {
  const receiver = await listen(t)
  const { app } = await open(t, { MILLRACE_ALERT_WEBHOOK_URL: receiver.url })
  t.equal((await pushError(app)).statusCode, 200)
  t.match(await receiver.next(), { transition: 'opened', incident: { kind: 'line', title: /card declined/ } })
  const { items } = (await app.inject({ url: '/incidents?state=open' })).json()
  t.match(items, [{ kind: 'line', count: 1, state: 'open' }])
  t.equal((await app.inject({ method: 'POST', url: `/incidents/${items[0].id}/close` })).statusCode, 200)
  t.match(await receiver.next(), { transition: 'closed' })
  t.same((await app.inject({ url: '/incidents?state=open' })).json().items, [])
  t.match((await app.inject({ url: '/metrics' })).body, /millrace_incident_transitions_total\{transition="opened"\} 1/)
})

t.test('alert rules are evaluated, notified and shown', async (t) => {
  const receiver = await listen(t)
  const rules = join(testFolder(t), 'rules.yaml')
  writeFileSync(rules, RULES)
  const gateway = await openGateway(
    await loadSettings({
      MILLRACE_DATA_DIR: `${rules}.data`,
      MILLRACE_RULES: rules,
      MILLRACE_INCIDENT_LEVEL: 'fatal',
      MILLRACE_ALERT_WEBHOOK_URL: receiver.url,
    }),
    pino({ level: 'silent' }),
  )
  t.teardown(() => gateway.close())
  await pushError(gateway.app)
  t.match(await receiver.next(), { transition: 'opened', incident: { kind: 'rule' } })
  const { data } = (await gateway.app.inject({ url: '/prometheus/api/v1/alerts' })).json()
  t.match(data.alerts, [{ state: 'firing', labels: { alertname: 'Errors' } }])
})

t.test('polled lines are stored, and an error among them is notified', async (t) => {
  const receiver = await listen(t)
  const cognigy = new FakeCognigy({ nowMs: Date.now })
  t.teardown(() => cognigy.close())
  cognigy.add(PROJECT, { ms: Date.now() - 60_000, type: 'error' })
  const { app } = await open(t, {
    COGNIGY_API_KEY: cognigy.options.key,
    MILLRACE_POLL_BASE_URL: await cognigy.listen(),
    MILLRACE_POLL_PROJECTS: `bot=${PROJECT}`,
    MILLRACE_ALERT_WEBHOOK_URL: receiver.url,
  })
  t.match(await receiver.next(), { transition: 'opened', incident: { kind: 'line' } })
  const query = new URLSearchParams({ query: '{source="cognigy", project="bot"}', since: '1h' })
  const { data } = (await app.inject({ url: `/loki/api/v1/query_range?${query}` })).json()
  t.equal(data.result[0]?.values.length, 1)
  t.match((await app.inject({ url: '/sources' })).json(), { sources: [{ source: 'cognigy', project: 'bot' }] })
})

t.test('rules without incidents are rejected', async (t) => {
  const rules = join(testFolder(t), 'rules.yaml')
  writeFileSync(rules, RULES)
  const settings = await loadSettings({
    MILLRACE_DATA_DIR: `${rules}.data`,
    MILLRACE_INCIDENTS: 'false',
    MILLRACE_RULES: rules,
  })
  await t.rejects(openGateway(settings, pino({ level: 'silent' })), { code: 'config_invalid' })
})
