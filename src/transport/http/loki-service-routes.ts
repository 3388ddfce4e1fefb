/** What Grafana asks beside logs: a query made pretty, limits, and rules and alerts, of which there are none here. */

import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config.ts'
import { GatewayError } from '../../domain/errors.ts'
import { SERVICE_LABELS } from '../../domain/service-name.ts'
import { formatExpr } from '../../logql/format.ts'
import { parseExpr } from '../../logql/parse.ts'
import {
  formatConfig,
  formatDrilldownLimits,
  formatTenantLimits,
  type ShownLimits,
} from '../../protocol/loki-limits.ts'
import { type QueryParts, type QueryRequest, registerQuery } from './query-route.ts'
import { LOKI_VERSION } from './service-routes.ts'
import { TAILS_MAX } from './tail-connection.ts'

const NO_GROUPS = '{"status":"success","data":{"groups":[]},"errorType":"","error":""}\n'
const NO_ALERTS = '{"status":"success","data":{"alerts":[]},"errorType":"","error":""}\n'
const YAML = 'application/yaml; charset=utf-8'

export function registerLokiService(app: FastifyInstance, parts: QueryParts, config: Config): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/format_query',
    summary: 'A query made pretty',
    parameters: ['query'],
    answer: formatQuery,
  })
  const limits = shownLimits(config)
  const texts: readonly (readonly [url: string, summary: string, type: string, text: string])[] = [
    [
      '/loki/api/v1/drilldown-limits',
      'What Logs Drilldown may ask',
      'application/json; charset=UTF-8',
      formatDrilldownLimits(limits, LOKI_VERSION),
    ],
    ['/config/tenant/v1/limits', 'Limits, by Loki’s names', YAML, formatTenantLimits(limits)],
    ['/config', 'The part of Loki’s configuration that there is', YAML, formatConfig(limits)],
    ['/loki/api/v1/rules', 'Rules: none', YAML, '{}\n'],
    ['/api/prom/rules', 'Rules: none', YAML, '{}\n'],
    ['/prometheus/api/v1/rules', 'Rules: none', 'application/json', NO_GROUPS],
    ['/prometheus/api/v1/alerts', 'Alerts: none', 'application/json', NO_ALERTS],
  ]
  for (const [url, summary, type, text] of texts) {
    app.route({
      method: 'GET',
      url,
      onRequest: parts.auth.authenticate,
      config: { errorFormat: 'text', challenge: 'basic' },
      schema: { tags: ['service'], summary, response: { 200: { description: summary, type: 'string' } } },
      handler: (request, reply) => {
        parts.auth.tenantOf(request)
        return reply.type(type).send(text)
      },
    })
  }
}

/** The one endpoint of Loki with an envelope of its own for errors. */
async function formatQuery({ params, reply }: QueryRequest): Promise<string> {
  try {
    return `${JSON.stringify({ status: 'success', data: formatExpr(parseExpr(params.get('query') ?? '')) })}\n`
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    reply.status(error.status)
    return `${JSON.stringify({ status: 'invalid-query', error: error.message })}\n`
  }
}

function shownLimits({ push, query, store }: Config): ShownLimits {
  return {
    push: push.limits,
    query,
    discoverServiceName: push.discoverServiceName,
    discoverLevels: push.discoverLevels,
    serviceLabels: SERVICE_LABELS,
    retentionMs: store.retentionAgeMs,
    tailsMax: TAILS_MAX,
  }
}
