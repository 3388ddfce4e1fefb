/** What every application of a process is made of, and what they share: limits hold across them. */

import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Config } from '../../config/read-config.ts'
import type { UserSource } from '../../config/users.ts'
import type { Matcher } from '../../domain/selector.ts'
import { StreamGateKeeper } from '../../flows/push/stream-gate.ts'
import type { Ports } from '../../ports/log-store.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type Auth, type AuthMemory, registerAuth, rememberAuth } from './auth/auth.ts'
import { registerClosing } from './closing.ts'
import { registerCompression } from './compression.ts'
import { answerError, registerErrors } from './errors.ts'
import { PushReceiver } from './push/push-receiver.ts'
import { BodyReader } from './push/request-body.ts'
import { compilersFactory } from './schemas.ts'

export interface BaseParts {
  readonly ports: Ports
  readonly config: Config
  /** Keys that must outlive a restart. */
  readonly keys: AppKeys
  readonly metrics: Metrics
  readonly version: string
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

/** What applications of one process have in common: who counts a push or a wrong password counts it for all. */
export interface AppState {
  readonly receiver: PushReceiver
  readonly streams: StreamGateKeeper
  readonly credentials: AuthMemory
}

/** How long a client may take to send one request: what keeps slow senders from holding connections for ever. */
const REQUEST_TIMEOUT_MS = 120_000
/** How long a client may take nothing of its answer: until then the whole of it is held. */
const ANSWER_STALL_MS = 60_000
/** Drilldown's filters make long URLs. */
const PARAM_LENGTH_MAX = 8192

/** Throws what parseSelector throws for a selector of MILLRACE_DROP_STREAMS that is none. */
export async function openState({ ports, config, metrics, users, logger }: BaseParts): Promise<AppState> {
  const bodies = new BodyReader({
    bodyBytesMax: config.push.limits.bodyBytesMax,
    inflightBytesMax: config.http.inflightBytesMax,
  })
  const streams = new StreamGateKeeper(config.push.limits, ports.clock)
  const dropped = await parseSelectors(config.push.dropStreams)
  return {
    receiver: new PushReceiver({ ports, gate: streams, bodies, metrics }, { ...config.push, dropped }),
    streams,
    credentials: rememberAuth({ config, clock: ports.clock, users }, logger),
  }
}

/** Makes an application without routes. Who is known to it is the next step: see openAuth. */
export function openApp({ metrics, logger }: BaseParts): FastifyInstance {
  const app = Fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
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
  return app
}

/** Makes the application able to authenticate, with what the process remembers. */
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

/** The language is loaded where there are any: few gateways drop streams. */
async function parseSelectors(texts: readonly string[]): Promise<(readonly Matcher[])[]> {
  if (texts.length === 0) return []
  const { parseSelector } = await import('../../logql/parse/parse.ts')
  return texts.map((text) => parseSelector(text))
}

/** Any Content-Type, known or not, malformed or missing: the route sees the header and the unread body. */
function acceptAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}
