/** Other endpoints that Grafana uses: query formatting and limits. */

import type { FastifyInstance } from 'fastify'
import type { Config } from '../../../config/read-config.ts'
import { SERVICE_LABELS } from '../../../domain/entries/service-name.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Limits } from '../../../domain/limits.ts'
import { formatExpr } from '../../../logql/parse/format.ts'
import type { TenantLimits } from '../../../ports/log-store.ts'
import { type Body, bodyOf } from '../../../protocol/bytes/body-writer.ts'
import {
  formatConfig,
  formatDrilldownLimits,
  formatTenantLimits,
  type ShownLimits,
} from '../../../protocol/loki/loki-limits.ts'
import { LOKI_VERSION } from '../service-routes.ts'
import { type QueryParts, type QueryRequest, readExpr, registerQuery } from './query-route.ts'
import { TAILS_MAX } from './tail-connection.ts'

const YAML = 'application/yaml; charset=utf-8'

export function registerLokiService(
  app: FastifyInstance,
  parts: QueryParts,
  config: Config,
  tenantLimits: TenantLimits | undefined,
): void {
  registerQuery(app, parts, {
    url: '/loki/api/v1/format_query',
    summary: 'Format a query',
    parameters: ['query'],
    answer: formatQuery,
  })
  const base = { push: config.push.limits, query: config.query }
  const limitsOf = (tenant: string): ShownLimits => shownLimits(config, tenantLimits?.of(tenant) ?? base)
  const texts: readonly (readonly [url: string, summary: string, type: string, text: (tenant: string) => string])[] = [
    [
      '/loki/api/v1/drilldown-limits',
      'Limits for Logs Drilldown',
      'application/json; charset=UTF-8',
      (tenant) => formatDrilldownLimits(limitsOf(tenant), LOKI_VERSION),
    ],
    [
      '/config/tenant/v1/limits',
      "Limits of the tenant, by Loki's names",
      YAML,
      (tenant) => formatTenantLimits(limitsOf(tenant)),
    ],
    ['/config', "The supported part of Loki's configuration", YAML, () => formatConfig(shownLimits(config, base))],
  ]
  for (const [url, summary, type, text] of texts) {
    app.route({
      method: 'GET',
      url,
      onRequest: url === '/config' ? parts.auth.authenticateOperator : parts.auth.authenticate,
      config: { errorFormat: 'text', challenge: 'basic' },
      schema: { tags: ['service'], summary, response: { 200: { description: summary, type: 'string' } } },
      handler: (request, reply) => {
        return reply.type(type).send(text(parts.auth.tenantOf(request)))
      },
    })
  }
}

/** The only Loki endpoint that wraps errors in its own JSON format. */
async function formatQuery(query: QueryRequest): Promise<Body> {
  try {
    const expr = await readExpr(query, query.params.get('query') ?? '')
    return bodyOf(`${JSON.stringify({ status: 'success', data: formatExpr(expr) })}\n`)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    query.reply.status(error.status)
    return bodyOf(`${JSON.stringify({ status: 'invalid-query', error: error.message })}\n`)
  }
}

function shownLimits({ push, store }: Config, limits: Limits): ShownLimits {
  return {
    ...limits,
    discoverServiceName: push.discoverServiceName,
    discoverLevels: push.discoverLevels,
    serviceLabels: SERVICE_LABELS,
    retentionMs: store.retentionAgeMs,
    tailsMax: TAILS_MAX,
  }
}
