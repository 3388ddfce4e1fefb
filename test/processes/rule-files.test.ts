import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from 'aws-lambda'
import pino from 'pino'
import t, { type Test } from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { loadSettings } from '../../src/homes/references.ts'
import { openTenantLimits } from '../../src/homes/tenant-limits.ts'
import { openGateway } from '../../src/processes/gateway.ts'
import { openGatewayFunction } from '../../src/processes/gateway-function.ts'
import { openRuleFiles, viewRuleFiles } from '../../src/processes/rule-files.ts'
import { eventV2 } from '../lambda/events.ts'
import { testFolder } from '../support/test-folder.ts'

/** 103 bytes. */
const EXPR = 'sum by (app) (count_over_time({app="shop", env="production"} |= "card declined by the issuer" [5m])) > 0'
const EVENTS = { rulesChanged: () => undefined, rulesRefused: () => undefined }
const STATES = { readCursor: async () => undefined, writeCursor: async () => undefined }
const AWS = {
  MILLRACE_HOME: 'aws',
  MILLRACE_TABLE: 'table',
  MILLRACE_BUCKET: 'bucket',
  MILLRACE_FIREHOSE_STREAM: 'stream',
  MILLRACE_QUEUE_URL: 'https://sqs.example/queue',
  MILLRACE_KEY_SECRET: 'a secret of at least 32 characters',
  MILLRACE_USERS: 'agent:secret',
  MILLRACE_LOG_LEVEL: 'silent',
}
const HEADERS = { authorization: `Basic ${Buffer.from('agent:secret').toString('base64')}` }
const SILENT = pino({ level: 'silent' })

/** Settings with a query limit of 50 bytes for tenant `small` and a larger one for others; and a rule of `tenant`. */
function settingsOf(t: Test, tenant: string) {
  const folder = testFolder(t, { 'limits.json': '{"small":{"queryBytesMax":"50B"}}' })
  mkdirSync(join(folder, 'rules', tenant), { recursive: true })
  const rule = `groups:\n  - name: shop\n    rules:\n      - alert: Errors\n        expr: '${EXPR}'\n`
  writeFileSync(join(folder, 'rules', tenant, 'shop.yaml'), rule)
  return {
    MILLRACE_TENANT_LIMITS_FILE: join(folder, 'limits.json'),
    MILLRACE_RULES: join(folder, 'rules'),
    MILLRACE_CACHE_DIR: join(folder, 'cache'),
  }
}

function open(t: Test, tenant: string) {
  const config = readConfig(settingsOf(t, tenant))
  const limits = openTenantLimits(config, { limitsChanged: () => undefined, limitsRefused: () => undefined })
  t.teardown(() => limits?.close())
  return { config, ports: limits === undefined ? {} : { limits } }
}

t.test('a rule is checked with the limits of its tenant, to be evaluated and to be shown', async (t) => {
  const { config, ports } = open(t, 'large')
  const files = openRuleFiles(config, ports, EVENTS)
  const view = viewRuleFiles(config, ports, STATES, EVENTS)
  t.teardown(() => files?.close())
  t.teardown(() => view?.source.close())
  t.equal(files?.list().length, 1)
  t.same(view?.source.list(), files?.list())
})

t.test(
  'a rule beyond the limits of its tenant fails the start of what evaluates it, and only the list of a view',
  async (t) => {
    const { config, ports } = open(t, 'small')
    t.throws(() => openRuleFiles(config, ports, EVENTS), {
      code: 'config_invalid',
      message: /the limit is 50|50 bytes|> 50/,
    })
    const reported: unknown[] = []
    const events = { ...EVENTS, rulesRefused: (cause: unknown) => reported.push(cause) }
    const view = viewRuleFiles(config, ports, STATES, events)
    t.teardown(() => view?.source.close())
    t.throws(() => view?.source.list(), { code: 'config_invalid' })
    t.match(reported, [{ code: 'config_invalid', message: /shop\.yaml/ }])
  },
)

const RULES_PATH = '/prometheus/api/v1/rules'
const FORMAT = { path: '/loki/api/v1/format_query', query: 'query=%7Bapp%3D%22a%22%7D' }

t.test('in a function, an invalid rule file stops neither pushes nor queries', async (t) => {
  const settings = await loadSettings({ ...AWS, ...settingsOf(t, 'small') })
  const handler = await openGatewayFunction(settings, SILENT)
  const ask = (path: string, more: object = {}) =>
    handler(eventV2({ path, headers: { ...HEADERS, 'x-scope-orgid': 'small' }, ...more }), {} as Context)
  const push = {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/json' },
    body: '{"streams":[{"stream":{"app":"a"},"values":[]}]}',
  }
  t.match((await ask('/loki/api/v1/push', push)).statusCode, /^20/)
  t.equal((await ask(FORMAT.path, { query: FORMAT.query })).statusCode, 200)
  const rules = await ask(RULES_PATH)
  t.equal(rules.statusCode, 500)
  t.match(rules.body, 'the alert rule files are invalid')
})

t.test(
  'in a gateway of the aws home that stays up, an invalid rule file stops neither pushes nor queries',
  async (t) => {
    const settings = await loadSettings({ ...AWS, ...settingsOf(t, 'small') })
    const gateway = await openGateway(settings, SILENT)
    t.teardown(() => gateway.close())
    const ask = async (url: string) => (await gateway.app.inject({ url, headers: HEADERS })).statusCode
    t.equal(await ask(`${FORMAT.path}?${FORMAT.query}`), 200)
    t.equal(await ask(RULES_PATH), 500)
  },
)

t.test('in the embedded home, which evaluates them, it fails the start', async (t) => {
  const env = { ...settingsOf(t, 'small'), MILLRACE_DATA_DIR: join(testFolder(t, { data: {} }), 'data') }
  await t.rejects(openGateway(await loadSettings(env), SILENT), { code: 'config_invalid' })
})
