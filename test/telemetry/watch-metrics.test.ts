import { Registry } from 'prom-client'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import type { RuleGroup } from '../../src/domain/rules/alert-rule.ts'
import { WatchMetrics } from '../../src/telemetry/watch-metrics.ts'

const GROUP: RuleGroup = {
  tenant: 'fake',
  namespace: 'shop.yaml',
  name: 'errors',
  intervalMs: 60_000,
  queryOffsetMs: 0,
  limit: 0,
  rules: [],
}

t.test('events are counted, and logged without the text of a query', async (t) => {
  const registry = new Registry()
  const logged: object[] = []
  const keep = (facts: object, text: string) => logged.push({ ...facts, text })
  const metrics = new WatchMetrics(registry, { info: keep, warn: keep, error: keep })
  const cause = new GatewayError('query_refused', 'found {user="secret"} twice')
  metrics.groupEvaluated(GROUP, 0.3)
  metrics.ruleFailed(GROUP, 'TooMany', cause)
  metrics.groupFailed(GROUP, cause)
  metrics.rulesRefused(new GatewayError('config_invalid', 'line 3'))
  metrics.rulesChanged(4)
  metrics.anomaliesFailed('fake', cause)
  metrics.observe({ figures: { series: 7, ignored: 2, anomalies: 1 } })
  const text = await registry.metrics()
  for (const line of [
    'millrace_rule_group_seconds_count 1',
    'millrace_rule_failures_total 1',
    'millrace_rule_group_failures_total 1',
    'millrace_rules_refused_total 1',
    'millrace_anomaly_failures_total 1',
    'millrace_anomaly_series 7',
    'millrace_anomaly_series_ignored 2',
    'millrace_anomalies_open 1',
  ]) {
    t.ok(text.includes(`\n${line}\n`) || text.endsWith(`${line}\n`), line)
  }
  t.equal(logged.length, 5)
  t.notMatch(JSON.stringify(logged), /secret/)
  t.match(logged[0], { tenant: 'fake', group: 'errors', rule: 'TooMany', code: 'query_refused' })
})
