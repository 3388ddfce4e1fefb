/** The common parts of all applications of a process, and the state they share, so that limits apply across them. */

import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Config } from '../../config/read-config.ts'
import type { UserSource } from '../../config/users.ts'
import type { Matcher } from '../../domain/selector.ts'
import { StreamGateKeeper } from '../../flows/push/stream-gate.ts'
import { QueryTurns } from '../../flows/query/query-turns.ts'
import type { Ports } from '../../ports/log-store.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type Auth, type AuthMemory, registerAuth, rememberAuth } from './auth/auth.ts'
import { registerClosing } from './closing.ts'
import { registerCompression } from './compression.ts'
import { answerError, registerErrors } from './errors.ts'
import { type Heap, HeapGuard, registerHeapGuard } from './heap-guard.ts'
import { registerKnownParameters } from './known-parameters.ts'
import { registerLabelPolicy } from './label-policy.ts'
import { PushReceiver } from './push/push-receiver.ts'
import { BodyReader } from './push/request-body.ts'
import { compilersFactory } from './schemas.ts'
import { registerServerLimits, serverOptions } from './server-limits.ts'
import { THREAD } from './thread.ts'

export interface BaseParts {
  readonly ports: Ports
  readonly config: Config
  /** Keys that survive a restart. */
  readonly keys: AppKeys
  readonly metrics: Metrics
  readonly version: string
  /** Undefined: requests are accepted however full the heap is. */
  readonly heap?: Heap
  readonly logger?: FastifyBaseLogger
  /** The current users, if they can change at run time. */
  readonly users?: UserSource | undefined
}

export interface AppKeys {
  /** The 32-byte key that signs page tokens of GET /logs. */
  readonly pageToken: Uint8Array
  /** The 32-byte seed of the local issuer's key; undefined without a local issuer. */
  readonly localIssuer: Uint8Array | undefined
}

/** State shared by the applications of a process: pushes and failed logins count for all of them. */
export interface AppState {
  readonly receiver: PushReceiver
  readonly streams: StreamGateKeeper
  readonly credentials: AuthMemory
}

/** How long a client may stop reading its response, which stays in memory until then. */
const ANSWER_STALL_MS = 60_000
/** Active streams take at most this part of the heap: an eighth. */
const STREAMS_HEAP_PART = 8
/** How long a large push is decoded before other work has its turn, ms. */
const PUSH_TURN_MS = 10
/** Drilldown's filters make long URLs. */
const PARAM_LENGTH_MAX = 8192

/** Throws like parseSelector for an invalid selector in MILLRACE_DROP_STREAMS. */
export async function openState({ ports, config, metrics, users, logger, heap }: BaseParts): Promise<AppState> {
  const bodies = new BodyReader({
    bodyBytesMax: config.push.limits.bodyBytesMax,
    inflightBytesMax: config.http.inflightBytesMax,
  })
  const heapShare = (heap?.limitBytes ?? Number.POSITIVE_INFINITY) / STREAMS_HEAP_PART
  const streamBytesMax = Math.min(config.push.totalLabelBytesMax, heapShare)
  const streams = new StreamGateKeeper(config.push.limits, ports.clock, streamBytesMax)
  const dropped = await parseSelectors(config.push.dropStreams)
  return {
    receiver: new PushReceiver(
      { ports, gate: streams, bodies, metrics, turns: new QueryTurns(THREAD, PUSH_TURN_MS) },
      { ...config.push, dropped },
    ),
    streams,
    credentials: rememberAuth({ config, clock: ports.clock, users }, logger),
  }
}

/** Creates an application without routes and without authentication; see openAuth. */
export function openApp({ config, metrics, logger, heap, ports }: BaseParts): FastifyInstance {
  const app = Fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    ...serverOptions(config, metrics),
    // Our own schemas need no check against the JSON Schema meta-schema, which would dominate a function's start.
    ajv: { customOptions: { validateSchema: false } },
    schemaController: { compilersFactory },
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    trustProxy: config.http.trustedProxies.length > 0 ? [...config.http.trustedProxies] : false,
    // closing.ts rejects requests while closing, in the format of the route.
    return503OnClosing: false,
    // Bodies are read by request-body.ts, which has its own limits.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    frameworkErrors: (error, request, reply) => void answerError(metrics, error, request, reply),
  })
  registerServerLimits(app)
  if (heap !== undefined) registerHeapGuard(app, new HeapGuard(heap, ports.clock))
  registerLabelPolicy(app)
  registerKnownParameters(app)
  acceptAnyBody(app)
  registerErrors(app, metrics)
  registerClosing(app)
  // Node resets the timeout for the next request of the connection; inject has a socket without setTimeout.
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
  return app
}

/** Sets up authentication with the shared state of the process. */
export function openAuth(app: FastifyInstance, parts: BaseParts, { credentials }: AppState): Promise<Auth> {
  const { config, keys, ports, users } = parts
  return registerAuth(app, {
    config,
    clock: ports.clock,
    ...(keys.localIssuer === undefined ? {} : { localIssuerSeed: keys.localIssuer }),
    ...(users && { users }),
    memory: credentials,
  })
}

/** LogQL is loaded only if there are selectors: few gateways drop streams. */
async function parseSelectors(texts: readonly string[]): Promise<(readonly Matcher[])[]> {
  if (texts.length === 0) return []
  const { parseSelector } = await import('../../logql/parse/parse.ts')
  return texts.map((text) => parseSelector(text))
}

/** Accepts any Content-Type, even malformed or missing: the route checks the header and reads the body. */
function acceptAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}
