import { Registry } from 'prom-client'
import t from 'tap'
import { SourceMetrics } from '../../src/telemetry/source-metrics.ts'

const project = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }

t.test('exports the outcomes of runs and the lag of each project', async (t) => {
  const registry = new Registry()
  const metrics = new SourceMetrics(registry)
  metrics.observe({
    figures: () => [
      { project, lagSeconds: 12, hoursUntilLoss: 23.5 },
      { project: { id: 'b', name: 'new' }, lagSeconds: undefined, hoursUntilLoss: undefined },
    ],
  })
  metrics.count({
    source: 'cognigy',
    project,
    state: 'partial',
    error: undefined,
    startedMs: 0,
    finishedMs: 1,
    stored: 3,
    late: 0,
    found: 0,
    oversized: 0,
    rejected: 1,
    unreadable: 0,
    requests: 2,
    lastTsMs: undefined,
    checkedMs: undefined,
    lost: undefined,
  })
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  t.same(lines.sort(), [
    'millrace_poll_requests_total{source="cognigy",project="demo"} 2',
    'millrace_polled_entries_rejected_total{source="cognigy",project="demo"} 1',
    'millrace_polled_entries_total{source="cognigy",project="demo"} 3',
    'millrace_polls_total{source="cognigy",project="demo",state="partial"} 1',
    'millrace_source_hours_until_loss{project="demo"} 23.5',
    'millrace_source_lag_seconds{project="demo"} 12',
  ])
})
