/** Converts errors to HTTP responses; nothing else does. */

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, GatewayError } from '../../domain/errors.ts'
import { encodeOtlpStatus, OTLP_MEDIA_TYPE } from '../../protocol/otlp/otlp-response.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { NO_MEDIA_TYPE } from './push/request-body.ts'

/** The error format of a route: Loki's plain text, our JSON, or OTLP's google.rpc.Status. */
export type ErrorFormat = 'text' | 'json' | 'otlp'

declare module 'fastify' {
  interface FastifyContextConfig {
    errorFormat?: ErrorFormat
  }
}

export function registerErrors(app: FastifyInstance, metrics: Metrics): void {
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(metrics, error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    const text = `${request.method} ${request.url.split('?')[0]} does not exist; /openapi.json lists all routes`
    return sendError(request, reply, new GatewayError('not_found', text))
  })
}

/** Also handles errors that Fastify raises before it has matched a route. */
export function answerError(
  metrics: Metrics,
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const failure = toGatewayError(error, request)
  metrics.errors.inc({ code: failure.code })
  if (isOurFault(failure)) request.log.error({ code: failure.code, err: failure.cause ?? error }, 'request failed')
  else request.log.debug({ code: failure.code, status: failure.status }, 'request rejected')
  return sendError(request, reply, failure)
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: GatewayError): FastifyReply {
  reply.status(error.status)
  // The rest of a rejected body is not read, so the connection cannot be reused.
  if (error.code === 'body_too_large' || error.code === 'overloaded') reply.header('connection', 'close')
  if (error.status === 503 || error.status === 429) reply.header('retry-after', '1')
  switch (request.routeOptions.config?.errorFormat) {
    case 'text':
      return sendText(reply, error.message)
    case 'otlp': {
      const encoding = (request.headers['content-type'] ?? '').includes('json') ? 'json' : 'protobuf'
      return reply.type(OTLP_MEDIA_TYPE[encoding]).send(Buffer.from(encodeOtlpStatus(error.message, encoding)))
    }
    default:
      return reply
        .type('application/json')
        .send(`${JSON.stringify({ error: { code: error.code, message: error.message } })}\n`)
  }
}

/** Not logged per request: under overload that would add load, and a failing store logs its own error. */
const EXPECTED: readonly ErrorCode[] = ['overloaded', 'stopping', 'query_timeout', 'store_unavailable']

function isOurFault({ status, code }: GatewayError): boolean {
  return status >= 500 && !EXPECTED.includes(code)
}

/** Plain text with a final newline, like Loki. */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').header('x-content-type-options', 'nosniff').send(`${text}\n`)
}

/** Fastify's client errors keep their message; the message of an unexpected error is only logged. */
function toGatewayError(error: FastifyError, request: FastifyRequest): GatewayError {
  if (error instanceof GatewayError) return error
  const status = error.statusCode ?? 500
  if (status === 429) return new GatewayError('rate_limited', error.message, { cause: error })
  if (status === 401) return new GatewayError('credentials_invalid', error.message, { cause: error })
  if (status === 415) {
    // Fastify checks the header before the route does; Loki does not use 415.
    const isEmpty = (request.headers['content-type'] ?? '').trim() === ''
    const text = isEmpty ? NO_MEDIA_TYPE : 'mime: expected slash after first token'
    return new GatewayError('media_type_invalid', text, { cause: error })
  }
  if (error.code === 'FST_ERR_BAD_URL') {
    const text = 'the path of the URL is not percent-encoded UTF-8; encode a literal % as %25'
    return new GatewayError('parameter_invalid', text, { cause: error })
  }
  if (status === 413) return new GatewayError('body_too_large', error.message, { cause: error })
  if (status >= 400 && status < 500) return new GatewayError('parameter_invalid', error.message, { cause: error })
  return new GatewayError('internal', 'internal error; see the log of the gateway', { cause: error })
}
