import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { isDrilldown, parseQueryLimits, queryTags } from '../../../src/protocol/loki/query-limits-header.ts'

t.test('every limit is read', async (t) => {
  const header = JSON.stringify({
    maxQueryLength: '1d12h',
    maxQueryInterval: '5m',
    maxQueryLookback: '30d',
    maxEntriesLimitPerQuery: 100,
    maxQueryTime: '10s',
    maxQueryBytesRead: '10MB',
    requiredLabels: ['app'],
    minimumLabelsNumber: 2,
    tsdbShardingStrategy: 'bounded',
  })
  t.strictSame(parseQueryLimits(header), {
    rangeMsMax: 36 * 3600_000,
    intervalMsMax: 300_000,
    lookbackMs: 30 * 86_400_000,
    timeoutMs: 10_000,
    entriesMax: 100,
    bytesMax: 10 * 1024 * 1024,
    labelsRequired: ['app'],
    matchersMin: 2,
  })
})

const NONE = { labelsRequired: [], matchersMin: 0 }
for (const header of [undefined, '', '{}', '{"maxQueryLength":"0s","maxEntriesLimitPerQuery":0,"maxQueryTime":""}']) {
  t.test(`ignored: ${header}`, async (t) => {
    t.strictSame(parseQueryLimits(header), NONE)
  })
}

for (const header of [
  'x',
  '[]',
  'null',
  '{"maxQueryLength":5}',
  '{"maxQueryLength":"long"}',
  '{"requiredLabels":"a"}',
  '{"minimumLabelsNumber":-1}',
  '{"maxQueryBytesRead":"10XB"}',
]) {
  t.test(`rejected: ${header}`, async (t) => {
    t.throws(() => parseQueryLimits(header), { code: 'parameter_invalid' })
  })
}

t.test('any JSON is read or rejected', async (t) => {
  const property = fc.property(fc.json(), (header) => {
    try {
      parseQueryLimits(header)
      return true
    } catch (error) {
      return error instanceof GatewayError
    }
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('tags keep to safe characters', async (t) => {
  t.equal(queryTags(undefined), undefined)
  t.equal(queryTags('Source=a,Feature="x"\n\u001b'), 'Source=a,Feature=_x_')
  t.equal(queryTags('x'.repeat(10_000))?.length, 500)
})

for (const [tags, wanted] of [
  ['Source=grafana-lokiexplore-app', true],
  ['source=GRAFANA-LOKIEXPLORE-APP,Feature=patterns', true],
  ['Feature=patterns,Source=grafana-lokiexplore-app', true],
  ['Source=grafana', false],
  ['Source=a=grafana-lokiexplore-app', false],
  ['', false],
  [undefined, false],
] as const) {
  t.test(`${tags} is ${wanted ? '' : 'not '}Logs Drilldown`, async (t) => {
    t.equal(isDrilldown(tags), wanted)
  })
}
