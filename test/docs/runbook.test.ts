/** docs/runbook.md and the table of docs/aws-home.md: their numbers and metrics are those of the code, with sources. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { SETTINGS } from '../../src/config/settings.ts'
import { offlineGraph } from '../infra/offline-graph.ts'
import { Lookup } from '../infra/resource-graph.ts'

const runbook = readFileSync('docs/runbook.md', 'utf8')

t.test('every metric of AWS that an alarm looks at has a source', async (t) => {
  const graphs = [await offlineGraph('dev'), await offlineGraph('production')]
  const alarms = graphs.flatMap((graph) => new Lookup(graph).ofType('aws:cloudwatch/metricAlarm:MetricAlarm'))
  const sources = (runbook.split('## Sources')[1] ?? '')
    .split('\n')
    .filter((line) => line.includes('](https://docs.aws'))
  t.ok(sources.length >= 8)
  const looked = alarms.filter(({ inputs }) => inputs.namespace?.startsWith('AWS/'))
  t.ok(looked.length > 10)
  for (const { name, inputs } of looked) {
    const { namespace, metricName } = inputs
    t.ok(
      sources.some((line) => line.includes(`\`${namespace}\``) && line.includes(`\`${metricName}\``)),
      `${name}: ${namespace} ${metricName}`,
    )
  }
})

t.test('retentions that the runbook names are those of the deployment', async (t) => {
  const found = new Lookup(await offlineGraph('production'))
  for (const { name, inputs } of found.ofType('aws:sqs/queue:Queue')) {
    t.equal(inputs.messageRetentionSeconds, 14 * 86_400, name)
  }
  t.match(runbook, 'keeps messages for 14 days')
  t.match(runbook, 'Firehose keeps records for 24 hours, and what it')
})

t.test('figures per instance are multiplied correctly from the defaults', async (t) => {
  const page = readFileSync('docs/aws-home.md', 'utf8')
  const { failuresPerMinute } = SETTINGS.auth
  const { activeStreamsMax } = SETTINGS.push.limits
  for (const { variable, default: one } of [failuresPerMinute, activeStreamsMax]) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${variable}\``)) ?? ''
    const cells = row
      .split(' | ')
      .slice(1)
      .map((cell) => Number(cell.replace(' |', '')))
    t.same(cells, [one, 20 * (one as number), 1000 * (one as number)], variable)
  }
  for (const { variable, default: initial } of [SETTINGS.push.limits.tenantRate, SETTINGS.push.limits.streamRate]) {
    t.equal(initial, undefined, variable)
    t.match(page, new RegExp(`^\\| \`${variable}\`.*\\| off \\|`, 'm'))
  }
})
