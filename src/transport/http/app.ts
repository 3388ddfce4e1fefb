/** Builds the complete application from ports and configuration; the caller makes it listen. */

import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/read-config.ts'
import { type QueryLimits, strictestLimits } from '../../domain/limits.ts'
import { splitTenants } from '../../domain/tenant.ts'
import { hideDeleted } from '../../flows/delete/delete-logs.ts'
import { AnswerCache } from '../../flows/query/answer-cache.ts'
import { QueryGate } from '../../flows/query/query-gate.ts'
import { QueryTurns } from '../../flows/query/query-turns.ts'
import { uniteTenants } from '../../flows/query/tenant-union.ts'
import type { Ports } from '../../ports/log-store.ts'
import { type AppState, type BaseParts, openApp, openAuth, openState } from './base-app.ts'
import { type IncidentParts, registerIncidents } from './incident-routes.ts'
import { registerOpenApi } from './openapi.ts'
import { registerPage } from './page/page-routes.ts'
import { registerPushes } from './push/push-routes.ts'
import { registerLogs } from './query/logs-routes.ts'
import { registerLokiDelete } from './query/loki-delete-routes.ts'
import { registerLokiIndex } from './query/loki-index-routes.ts'
import { registerLokiLegacy } from './query/loki-legacy-routes.ts'
import { registerLokiQueries } from './query/loki-query-routes.ts'
import { type LokiRulesParts, registerLokiRules } from './query/loki-rules-routes.ts'
import { registerLokiService } from './query/loki-service-routes.ts'
import { registerLokiTail, registerWebSocket } from './query/loki-tail-routes.ts'
import { SlowQueries } from './query/slow-queries.ts'
import { registerStatus } from './query/status-routes.ts'
import { registerHealth, registerService } from './service-routes.ts'
import { registerSources, type SourcesParts } from './sources-routes.ts'
import { THREAD } from './thread.ts'

export interface AppParts extends BaseParts {
  /** Alert rules; undefined if there are none. */
  readonly rules?: LokiRulesParts['rules']
  /** Undefined if incidents are off. */
  readonly incidents?: Omit<IncidentParts, 'auth' | 'tokenKey'> | undefined
  /** Shared with other readers of the store in this process, such as alert rules. */
  readonly turns?: QueryTurns
  /** Undefined if nothing is polled. */
  readonly poller?: SourcesParts['poller']
}

/** `shared` is the state of another application in the same process, if there is one. */
export async function buildApp(parts: AppParts, shared?: AppState): Promise<FastifyInstance> {
  const { ports, config, keys, metrics, version } = parts
  const state = shared ?? (await openState(parts))
  const { receiver, streams } = state
  const app = openApp(parts)
  const tails = await registerWebSocket(app, ports.feed !== undefined)
  registerOpenApi(app, version)
  const auth = await openAuth(app, parts, state)

  const queryGate = new QueryGate({
    runningMax: config.http.queriesRunningMax,
    tenantRunningMax: config.http.tenantQueriesRunningMax,
    waitingMax: config.http.queriesWaitingMax,
  })
  const turns = parts.turns ?? new QueryTurns(THREAD)
  const slow = new SlowQueries(config.http.slowQueryMs, THREAD)
  const { deletions } = ports
  const store = uniteTenants(deletions === undefined ? ports.store : hideDeleted(ports.store, deletions))
  const multiTenant = config.tenants.multiTenantQueries
  const limitsOf = (tenant: string): QueryLimits => queryLimitsOf(ports, config, tenant)
  const answers = new AnswerCache(store, config.cache.bytesMax)
  const observed = { store: ports.store, streams, queries: queryGate, answers, bodies: receiver.bodies }
  metrics.observe(observed)
  const queries = { store, clock: ports.clock, auth, gate: queryGate, turns, slow, answers, limitsOf, multiTenant }
  registerHealth(app, ports.store)
  registerService(app, { metrics, auth, version })
  registerPushes(app, receiver, auth)
  registerLogs(app, { ...queries, tokenKey: keys.pageToken })
  registerLokiQueries(app, queries)
  registerLokiIndex(app, queries)
  registerLokiLegacy(app, queries)
  if (deletions !== undefined) registerLokiDelete(app, queries, deletions)
  registerLokiService(app, queries, config, ports.limits)
  registerStatus(app, queries, { metrics, observed, version, home: config.service.home })
  registerLokiRules(app, { auth, rules: parts.rules })
  if (parts.incidents !== undefined) registerIncidents(app, { ...parts.incidents, auth, tokenKey: keys.pageToken })
  registerSources(app, { auth, poller: parts.poller })
  registerPage(app, {
    auth,
    credentials: config.auth,
    version,
    hasTails: ports.feed !== undefined,
    hasIncidents: parts.incidents !== undefined,
  })
  registerLokiTail(app, tails, { ...queries, feed: ports.feed })
  await app.ready()
  return app
}

/** The strictest limits of all tenants of a query. */
function queryLimitsOf({ limits }: Ports, { query }: Config, tenant: string): QueryLimits {
  return limits === undefined ? query : strictestLimits(splitTenants(tenant).map((each) => limits.of(each).query))
}
