/** The one Fastify application: built from its ports and its config, listening nowhere by itself. */

import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { UserSource } from '../../config/users.ts'
import type { Config } from '../../config.ts'
import { type QueryLimits, strictestLimits } from '../../domain/limits.ts'
import { splitTenants } from '../../domain/tenant.ts'
import { AnswerCache } from '../../flows/answer-cache.ts'
import { hideDeleted } from '../../flows/delete-logs.ts'
import { QueryGate } from '../../flows/query-gate.ts'
import { StreamGateKeeper } from '../../flows/stream-gate.ts'
import { uniteTenants } from '../../flows/tenant-union.ts'
import { parseSelector } from '../../logql/parse.ts'
import type { Ports } from '../../ports.ts'
import { registerAuth } from './auth/auth.ts'
import { registerClosing } from './closing.ts'
import { registerCompression } from './compression.ts'
import { answerError, registerErrors } from './errors.ts'
import { type IncidentParts, registerIncidents } from './incident-routes.ts'
import { registerLogs } from './logs-routes.ts'
import { registerLokiDelete } from './loki-delete-routes.ts'
import { registerLokiIndex } from './loki-index-routes.ts'
import { registerLokiLegacy } from './loki-legacy-routes.ts'
import { registerLokiPush } from './loki-push-routes.ts'
import { registerLokiQueries } from './loki-query-routes.ts'
import { type LokiRulesParts, registerLokiRules } from './loki-rules-routes.ts'
import { registerLokiService } from './loki-service-routes.ts'
import { registerLokiTail, registerWebSocket } from './loki-tail-routes.ts'
import type { Metrics } from './metrics.ts'
import { registerOpenApi } from './openapi.ts'
import { registerOtlp } from './otlp-routes.ts'
import { registerPage } from './page-routes.ts'
import { PushIntake } from './push.ts'
import { BodyReader } from './request-body.ts'
import { compilersFactory } from './schemas.ts'
import { registerService } from './service-routes.ts'
import { registerSources, type SourcesParts } from './sources-routes.ts'

export interface AppParts {
  readonly ports: Ports
  readonly config: Config
  /** Keys that must outlive a restart. */
  readonly keys: AppKeys
  readonly metrics: Metrics
  readonly version: string
  /** Alert rules; absent where there are none. */
  readonly rules?: LokiRulesParts['rules']
  /** Absent where no incidents are raised. */
  readonly incidents?: Omit<IncidentParts, 'auth' | 'tokenKey'> | undefined
  /** Absent where nothing is polled. */
  readonly poller?: SourcesParts['poller']
  readonly logger?: FastifyBaseLogger
  /** The users of now, where they change while the gateway runs. */
  readonly users?: UserSource | undefined
}

export interface AppKeys {
  /** Signs page tokens of GET /logs: 32 bytes. */
  readonly pageToken: Uint8Array
  /** What the local issuer's key is made of: 32 bytes; undefined where there is no local issuer. */
  readonly localIssuer: Uint8Array | undefined
}

/** How long a client may take to send one request: what keeps slow senders from holding connections for ever. */
const REQUEST_TIMEOUT_MS = 120_000
/** How long a client may take nothing of its answer: until then the whole of it is held. */
const ANSWER_STALL_MS = 60_000
/** Drilldown's filters make long URLs. */
const PARAM_LENGTH_MAX = 8192

export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { ports, config, keys, metrics, version } = parts
  const app = Fastify({
    ...(parts.logger === undefined ? { logger: false } : { loggerInstance: parts.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: REQUEST_TIMEOUT_MS,
    // The schemas are ours: to check them against JSON Schema's own would be most of a function's start.
    ajv: { customOptions: { validateSchema: false } },
    schemaController: { compilersFactory },
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    // Bodies are read by request-body.ts, with limits of its own.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    frameworkErrors: (error, request, reply) => void answerError(metrics, error, request, reply),
  })
  acceptAnyBody(app)
  registerErrors(app, metrics)
  registerClosing(app)
  // Node sets its own time-out again with the next request of the connection; inject gives a socket without any.
  app.addHook('onSend', async ({ raw }) => {
    raw.socket.setTimeout?.(ANSWER_STALL_MS)
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.requestSeconds.observe(
      { route, method: request.method, status: reply.statusCode },
      reply.elapsedTime / 1000,
    )
  })

  registerCompression(app)
  const tails = await registerWebSocket(app, ports.feed !== undefined)
  registerOpenApi(app, version)
  const auth = await registerAuth(app, {
    config,
    clock: ports.clock,
    ...(keys.localIssuer === undefined ? {} : { localIssuerSeed: keys.localIssuer }),
    ...(parts.users && { users: parts.users }),
  })

  const bodies = new BodyReader({
    bodyBytesMax: config.push.limits.bodyBytesMax,
    inflightBytesMax: config.http.inflightBytesMax,
  })
  const gate = new StreamGateKeeper(config.push.limits, ports.clock)
  const queryGate = new QueryGate({
    runningMax: config.http.queriesRunningMax,
    waitingMax: config.http.queriesWaitingMax,
  })
  const intake = new PushIntake(
    { ports, gate, bodies, metrics },
    { ...config.push, dropped: config.push.dropStreams.map((text) => parseSelector(text)) },
  )
  const { deletions } = ports
  const store = uniteTenants(deletions === undefined ? ports.store : hideDeleted(ports.store, deletions))
  const multiTenant = config.tenants.multiTenantQueries
  const limitsOf = (tenant: string): QueryLimits => queryLimitsOf(ports, config, tenant)
  const answers = new AnswerCache(store, config.cache.bytesMax)
  metrics.observe({ store: ports.store, streams: gate, queries: queryGate, answers, bodies })
  const queries = { store, clock: ports.clock, auth, gate: queryGate, answers, limitsOf, multiTenant }
  registerService(app, { store: ports.store, metrics, auth, version })
  registerLokiPush(app, intake, auth)
  registerOtlp(app, intake, auth)
  registerLogs(app, { ...queries, intake, tokenKey: keys.pageToken })
  registerLokiQueries(app, queries)
  registerLokiIndex(app, queries)
  registerLokiLegacy(app, queries)
  if (deletions !== undefined) registerLokiDelete(app, queries, deletions)
  registerLokiService(app, queries, config, ports.limits)
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

/** Of several tenants together the strictest. */
function queryLimitsOf({ limits }: Ports, { query }: Config, tenant: string): QueryLimits {
  return limits === undefined ? query : strictestLimits(splitTenants(tenant).map((each) => limits.of(each).query))
}

/** Any Content-Type, known or not, malformed or missing: the route sees the header and the unread body. */
function acceptAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}
