import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LimitsFile } from '../../src/adapters/files/limits-file.ts'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { FixedClock } from '../support/helper.ts'
import { ask, pushJson } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

/** The application with a limits file of this content, set up like the gateway. */
async function open(t: Test, limits: object, env: Environment = {}) {
  const folder = testFolder(t)
  const path = join(folder, 'limits.json')
  writeFileSync(path, JSON.stringify(limits))
  const config = readConfig({ MILLRACE_DATA_DIR: join(folder, 'data'), MILLRACE_TENANT_LIMITS_FILE: path, ...env })
  const metrics = new Metrics()
  const clock = new FixedClock()
  const home = openEmbedded(config, clock, metrics.storeEvents({ error: () => undefined }))
  const app = await buildApp({ ports: home.ports, config, keys: home.keys, metrics, version: '0.0.0' })
  t.teardown(async () => {
    await app.close()
    await home.close()
  })
  const change = async (text: string): Promise<void> => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    await (home.ports.limits as LimitsFile).check()
  }
  const push = async (tenant: string, line: string, stream: object = { app: 'a' }): Promise<number> => {
    const answer = await pushJson(app, [{ stream, values: [[String(clock.nowNs), line]] }], { 'x-scope-orgid': tenant })
    return answer.statusCode
  }
  return { app, clock, change, push, metrics }
}

const as = (tenant: string) => ({ 'x-scope-orgid': tenant })

t.test('pushes are held to the limits of their tenant', async (t) => {
  const { push } = await open(t, {
    short: { lineBytesMax: 10 },
    few: { activeStreamsMax: 1 },
    slow: { tenantRate: '1B:20B' },
    strict: { labelsRequired: ['team'] },
  })
  const line = 'a line of 24 characters.'
  t.equal(await push('fake', line), 200)
  t.equal(await push('short', line), 400)
  t.equal(await push('short', 'short'), 200)
  t.equal(await push('few', 'one'), 200)
  t.equal(await push('few', 'two', { app: 'b' }), 429)
  t.equal(await push('slow', line), 429)
  t.equal(await push('slow', '20 characters, no 21'), 200)
  t.equal(await push('strict', 'x'), 400)
  t.equal(await push('strict', 'x', { app: 'a', team: 'b' }), 200)
})

t.test('queries are held to the limits of their tenant, of several to the strictest', async (t) => {
  const limits = { a: { queryEntriesMax: 5, queryRangeMax: '2h' }, b: { queryEntriesMax: 9, queryRangeMax: '1h' } }
  const { app } = await open(t, limits, { MILLRACE_MULTI_TENANT_QUERIES: 'true' })
  const status = async (tenant: string, limit: number, since: string): Promise<number> => {
    const query = { query: '{app="a"}', limit: String(limit), since }
    return (await ask(app, 'query_range', query, as(tenant))).statusCode
  }
  t.equal(await status('fake', 100, '3h'), 200)
  t.equal(await status('a', 5, '2h'), 200)
  t.equal(await status('a', 6, '2h'), 400)
  t.equal(await status('a', 5, '3h'), 400)
  t.equal(await status('b', 9, '1h'), 200)
  t.equal(await status('a|b', 5, '1h'), 200)
  t.equal(await status('a|b', 9, '1h'), 400)
  t.equal(await status('a|b', 5, '2h'), 400)
  const fields = await ask(app, 'detected_fields', { query: '{app="a"}', line_limit: '6' }, as('a'))
  t.equal(fields.statusCode, 400)
})

t.test('each tenant is shown its limits, as they change', async (t) => {
  const { app, change, push, metrics } = await open(t, { a: { querySeriesMax: 7, lineBytesMax: '1KiB' } })
  const shown = async (tenant: string) => {
    const yaml = (await app.inject({ url: '/config/tenant/v1/limits', headers: as(tenant) })).body
    const drilldown = await ask(app, 'drilldown-limits', {}, as(tenant))
    return [
      /max_query_series: (\d+)/.exec(yaml)?.[1],
      drilldown.json().limits.max_query_series,
      /max_line_size: (.*)/.exec(yaml)?.[1],
    ]
  }
  t.strictSame(await shown('a'), ['7', 7, '1024B'])
  t.strictSame(await shown('fake'), ['500', 500, '262144B'])
  await change('{"a": {"lineBytesMax": 3}}')
  t.strictSame(await shown('a'), ['500', 500, '3B'])
  t.equal(await push('a', 'long'), 400)
  await change('{"a": ')
  t.strictSame(await shown('a'), ['500', 500, '3B'], 'a faulty change changes nothing')
  t.match(await metrics.registry.metrics(), /millrace_tenant_limits_refused_total 1/)
  t.match((await app.inject('/config')).body, /max_line_size: 262144B/, 'what holds for everybody')
})
