import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import type { Alert, RuleGroup } from '../../../../src/domain/rules/alert-rule.ts'
import { formatGroupState, type RuleState, stateNameOf } from '../../../../src/domain/rules/rule-state.ts'
import { Metrics } from '../../../../src/telemetry/metrics.ts'
import { registerErrors } from '../../../../src/transport/http/errors.ts'
import { type LokiRulesParts, registerLokiRules } from '../../../../src/transport/http/query/loki-rules-routes.ts'
import { buildTestApp } from '../../../support/test-app.ts'

const AT = Date.UTC(2026, 10, 21, 12)

const rule = (name: string): RuleGroup['rules'][number] => ({
  name,
  expr: 'count_over_time({app="shop"}[1m]) > 1',
  forMs: 300_000,
  keepFiringForMs: 0,
  labels: [{ name: 'severity', value: 'page' }],
  annotations: [{ name: '__proto__', value: 'of {{ $labels.app }}' }],
})

const SHOP: RuleGroup = {
  tenant: 'fake',
  namespace: 'shop.yaml',
  name: 'errors',
  intervalMs: 60_000,
  queryOffsetMs: 0,
  limit: 0,
  rules: [rule('Firing'), rule('Quiet')],
}
const GROUPS: readonly RuleGroup[] = [
  SHOP,
  { ...SHOP, namespace: 'cart.yaml', name: 'new', rules: [rule('Unknown')] },
  { ...SHOP, tenant: 'other', name: 'secret' },
]

const firing: Alert = {
  labels: [
    { name: 'alertname', value: 'Firing' },
    { name: 'app', value: 'shop' },
  ],
  annotations: [{ name: '__proto__', value: 'of shop' }],
  value: 12,
  state: 'firing',
  activeAtMs: AT - 600_000,
  firedAtMs: AT - 300_000,
  absentSinceMs: undefined,
  isReported: true,
}

function stateOf(name: string, alerts: readonly Alert[]): RuleState {
  const { expr } = rule(name)
  return { name, expr, health: 'ok', lastError: '', evaluatedMs: AT, seconds: 0.25, alerts }
}

/** Only the routes, with a header as the tenant. */
async function openRoutes(t: Test, rules?: LokiRulesParts['rules']): Promise<FastifyInstance> {
  const app = Fastify()
  registerErrors(app, new Metrics())
  const auth = {
    authenticate: async () => undefined,
    tenantOf: (request: { headers: Record<string, unknown> }) => String(request.headers['x-scope-orgid'] ?? 'fake'),
  }
  // The routes use only this part.
  registerLokiRules(app, { auth: auth as unknown as LokiRulesParts['auth'], rules })
  await app.ready()
  t.teardown(() => app.close())
  return app
}

function shopRules(): NonNullable<LokiRulesParts['rules']> {
  const rules = [stateOf('Firing', [firing, { ...firing, state: 'resolved' }]), stateOf('Quiet', [])]
  const text = formatGroupState({ tickMs: AT, seconds: 0.5, rules })
  const texts = new Map([[stateNameOf(SHOP), text]])
  const states = { readCursor: async (name: string) => texts.get(name), writeCursor: async () => undefined }
  return { source: { list: () => GROUPS }, states }
}

const get = (app: FastifyInstance, url: string, tenant = 'fake') =>
  app.inject({ method: 'GET', url, headers: { 'x-scope-orgid': tenant } })

t.test('/prometheus/api/v1/rules lists rules with their state, in the order and format of Prometheus', async (t) => {
  const app = await openRoutes(t, shopRules())
  const { body, headers } = await get(app, '/prometheus/api/v1/rules?rule_group[]=errors')
  const shared =
    '"query":"count_over_time({app=\\"shop\\"}[1m]) > 1","duration":300,"keepFiringFor":0,' +
    '"labels":{"severity":"page"},"annotations":{"__proto__":"of {{ $labels.app }}"},'
  const evaluated = '"type":"alerting","lastEvaluation":"2026-11-21T12:00:00Z","evaluationTime":0.25}'
  const alert =
    '{"labels":{"alertname":"Firing","app":"shop"},"annotations":{"__proto__":"of shop"},"state":"firing",' +
    '"activeAt":"2026-11-21T11:50:00Z","value":"1.2e+01"}'
  t.equal(headers['content-type'], 'application/json; charset=utf-8')
  t.equal(
    body,
    '{"status":"success","data":{"groups":[{"name":"errors","file":"shop.yaml","rules":[' +
      `{"state":"firing","name":"Firing",${shared}"alerts":[${alert}],"health":"ok","lastError":"",${evaluated},` +
      `{"state":"inactive","name":"Quiet",${shared}"alerts":[],"health":"ok","lastError":"",${evaluated}],` +
      '"interval":60,"limit":0,"lastEvaluation":"2026-11-21T12:00:00Z","evaluationTime":0.5}]},"errorType":"","error":""}\n',
  )
})

t.test('/prometheus/api/v1/alerts lists pending and firing alerts', async (t) => {
  const app = await openRoutes(t, shopRules())
  const { data } = (await get(app, '/prometheus/api/v1/alerts')).json()
  t.match(data.alerts, [{ state: 'firing', value: '1.2e+01', labels: { alertname: 'Firing' } }])
  t.equal(data.alerts.length, 1)
})

const FILTERS: readonly (readonly [query: string, rules: readonly string[]])[] = [
  ['', ['Firing', 'Quiet', 'Unknown']],
  ['?type=alert', ['Firing', 'Quiet', 'Unknown']],
  ['?type=record', []],
  ['?state=firing', ['Firing']],
  ['?state=firing&state=inactive', ['Firing', 'Quiet', 'Unknown']],
  ['?state=pending', []],
  ['?file[]=cart.yaml', ['Unknown']],
  ['?file%5B%5D=cart.yaml&file%5B%5D=shop.yaml', ['Firing', 'Quiet', 'Unknown']],
  ['?rule_group[]=errors', ['Firing', 'Quiet']],
  ['?rule_name[]=Quiet&rule_name[]=Unknown', ['Quiet', 'Unknown']],
  ['?rule_name[]=absent', []],
]
for (const [query, wanted] of FILTERS) {
  t.test(`/prometheus/api/v1/rules${query} gives ${wanted.join(', ') || 'nothing'}`, async (t) => {
    const app = await openRoutes(t, shopRules())
    const { data } = (await get(app, `/prometheus/api/v1/rules${query}`)).json()
    t.strictSame(
      data.groups.flatMap(({ rules }: { rules: { name: string }[] }) => rules.map(({ name }) => name)),
      wanted,
    )
  })
}

t.test('alerts can be excluded, and a rule that was never evaluated has that state', async (t) => {
  const app = await openRoutes(t, shopRules())
  const { data } = (await get(app, '/prometheus/api/v1/rules?exclude_alerts=true')).json()
  t.match(data.groups[0].rules[0], { state: 'firing', alerts: [] })
  t.match(data.groups[1].rules[0], { health: 'unknown', lastEvaluation: '0001-01-01T00:00:00Z' })
})

t.test('the configured rules of the tenant are returned as YAML by file', async (t) => {
  const app = await openRoutes(t, shopRules())
  for (const url of ['/loki/api/v1/rules', '/api/prom/rules']) {
    const { body, headers } = await get(app, url)
    t.equal(headers['content-type'], 'application/yaml; charset=utf-8')
    t.strictSame(Object.keys(parse(body)), ['shop.yaml', 'cart.yaml'])
    t.match(parse(body)['shop.yaml'][0], {
      name: 'errors',
      interval: '1m',
      rules: [
        { alert: 'Firing', expr: 'count_over_time({app="shop"}[1m]) > 1', for: '5m', labels: { severity: 'page' } },
      ],
    })
    t.strictSame(Object.keys(parse((await get(app, `${url}/cart.yaml`)).body)), ['cart.yaml'])
    t.match(parse((await get(app, `${url}/shop.yaml/errors`)).body), { name: 'errors' })
  }
  t.strictSame(Object.keys(parse((await get(app, '/loki/api/v1/rules', 'other')).body)), ['shop.yaml'])
})

const REFUSED: readonly (readonly [method: 'GET' | 'POST' | 'DELETE', url: string, status: number, text: RegExp])[] = [
  ['GET', '/loki/api/v1/rules/absent', 404, /no rule groups found/],
  ['GET', '/loki/api/v1/rules/shop.yaml/secret', 404, /group does not exist/],
  ['GET', '/prometheus/api/v1/rules?type=other', 400, /type: not supported/],
  ['GET', '/prometheus/api/v1/rules?state=other', 400, /state: not supported/],
  ['POST', '/loki/api/v1/rules/shop.yaml', 404, /cannot be written through this API; .* MILLRACE_RULES/],
  ['DELETE', '/loki/api/v1/rules/shop.yaml', 404, /cannot be written through this API/],
  ['DELETE', '/api/prom/rules/shop.yaml/errors', 404, /cannot be written through this API/],
]
for (const [method, url, status, text] of REFUSED) {
  t.test(`${method} ${url} returns ${status}`, async (t) => {
    const app = await openRoutes(t, shopRules())
    const response = await app.inject({ method, url })
    t.equal(response.statusCode, status)
    t.match(response.body, text)
  })
}

t.test('without rules all lists are empty, also for a tenant without rules', async (t) => {
  const { app } = await buildTestApp(t)
  const some = await openRoutes(t, shopRules())
  for (const each of [app, some]) {
    t.equal((await get(each, '/loki/api/v1/rules', 'nobody')).body, '{}\n')
    t.strictSame((await get(each, '/prometheus/api/v1/rules', 'nobody')).json().data, { groups: [] })
    t.strictSame((await get(each, '/prometheus/api/v1/alerts', 'nobody')).json().data, { alerts: [] })
  }
})
