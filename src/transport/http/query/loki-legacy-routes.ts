/** The query API from before Loki 1.0, for old clients: `/api/prom`. Its tail is in loki-tail-routes.ts. */

import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { runLogQuery } from '../../../flows/query/run-log-query.ts'
import type { LogExpr, PipelineStage } from '../../../logql/parse/syntax.ts'
import type { Body } from '../../../protocol/bytes/body-writer.ts'
import { formatLegacyNames, formatLegacyStreams } from '../../../protocol/loki/loki-legacy-result.ts'
import { formatSeries } from '../../../protocol/loki/loki-result.ts'
import { type QueryParts, type QueryRequest, readExpr, readRange, registerQuery } from './query-route.ts'
import { labelNames, labelValues, selectedSeries } from './select-streams.ts'

const RANGE_PARAMETERS = ['start', 'end', 'since'] as const
const LIMIT_DEFAULT = 100

export function registerLokiLegacy(app: FastifyInstance, parts: QueryParts): void {
  registerQuery(app, parts, {
    url: '/api/prom/query',
    summary: 'Lines of a time range, in the legacy format',
    parameters: ['query', 'regexp', ...RANGE_PARAMETERS, 'limit', 'direction'],
    answer: (query) => legacyQuery(parts, query),
  })
  registerQuery(app, parts, {
    url: '/api/prom/label',
    summary: 'Label names, in the legacy format',
    parameters: ['query', ...RANGE_PARAMETERS],
    answer: async (query) => query.turn.run(formatLegacyNames(await labelNames(parts, query))),
  })
  registerQuery(app, parts, {
    url: '/api/prom/label/:name/values',
    summary: 'Label values, in the legacy format',
    parameters: ['query', ...RANGE_PARAMETERS],
    answer: async (query) => query.turn.run(formatLegacyNames(await labelValues(parts, query))),
  })
  registerQuery(app, parts, {
    url: '/api/prom/series',
    summary: 'Label sets of streams',
    parameters: ['match', 'match[]', ...RANGE_PARAMETERS],
    answer: async (query) => query.turn.run(formatSeries(await selectedSeries(parts, query))),
  })
}

async function legacyQuery(parts: QueryParts, query: QueryRequest): Promise<Body> {
  const { store, clock } = parts
  const { params, tenant, limits, turn } = query
  const expr = await readExpr(query, params.required('query'))
  if (expr.kind !== 'log') {
    const text = 'legacy endpoints only support streams result type; use /loki/api/v1/query_range for metric queries'
    throw new GatewayError('parameter_invalid', text)
  }
  const asked = {
    tenant,
    expr: withRegexp(expr, params.get('regexp')),
    ...readRange(parts, query),
    limit: params.limit(LIMIT_DEFAULT),
    direction: params.direction(),
    intervalNs: 0n,
  }
  const { streams, stats } = await runLogQuery(store, clock, limits, asked, turn)
  return turn.run(formatLegacyStreams(streams, stats))
}

/** The parameter is a line filter, from before queries had line filters. */
function withRegexp(expr: LogExpr, regexp: string | undefined): LogExpr {
  if (regexp === undefined) return expr
  const filter = { kind: 'line_filter', operator: '|~', operands: [{ kind: 'text', value: regexp }] } as const
  return { ...expr, stages: [filter satisfies PipelineStage, ...expr.stages] }
}
