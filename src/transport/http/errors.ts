/** Errors to answers: the only place that does. */

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, GatewayError } from '../../domain/errors.ts'
import { encodeOtlpStatus, OTLP_MEDIA_TYPE } from '../../protocol/otlp/otlp-response.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { NO_MEDIA_TYPE } from './push/request-body.ts'

/** How a route tells an error: Loki's plain text, our JSON, or OTLP's google.rpc.Status. */
export type ErrorFormat = 'text' | 'json' | 'otlp'

declare module 'fastify' {
  interface FastifyContextConfig {
    errorFormat?: ErrorFormat
  }
}

export function registerErrors(app: FastifyInstance, metrics: Metrics): void {
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(metrics, error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    const text = `there is no ${request.method} ${request.url.split('?')[0]}; see /openapi.json for what there is`
    return sendError(request, reply, new GatewayError('not_found', text))
  })
}

/** For what Fastify refuses before it has found a route, too. */
export function answerError(
  metrics: Metrics,
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = toGatewayError(error, request)
  metrics.errors.inc({ code: known.code })
  if (isOurFault(known)) request.log.error({ code: known.code, err: known.cause ?? error }, 'request failed')
  else request.log.debug({ code: known.code, status: known.status }, 'request refused')
  return sendError(request, reply, known)
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: GatewayError): FastifyReply {
  reply.status(error.status)
  // What is left of a refused body is not read: the connection cannot serve another request.
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

/** Of a load that is too high a line for each request would add to it; a store that fails tells so itself. */
const EXPECTED: readonly ErrorCode[] = ['overloaded', 'query_timeout', 'store_unavailable']

function isOurFault({ status, code }: GatewayError): boolean {
  return status >= 500 && !EXPECTED.includes(code)
}

/** Plain text as Loki sends it, closed by a newline. */
export function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').header('x-content-type-options', 'nosniff').send(`${text}\n`)
}

/** Fastify's own refusals keep their words; what nobody foresaw keeps its words to our log. */
function toGatewayError(error: FastifyError, request: FastifyRequest): GatewayError {
  if (error instanceof GatewayError) return error
  const status = error.statusCode ?? 500
  if (status === 429) return new GatewayError('rate_limited', error.message, { cause: error })
  if (status === 401) return new GatewayError('credentials_invalid', error.message, { cause: error })
  if (status === 415) {
    // Fastify looks at the header before a route does; there is no 415 in Loki.
    const isEmpty = (request.headers['content-type'] ?? '').trim() === ''
    const text = isEmpty ? NO_MEDIA_TYPE : 'mime: expected slash after first token'
    return new GatewayError('media_type_invalid', text, { cause: error })
  }
  if (error.code === 'FST_ERR_BAD_URL') {
    const text = 'the path of the URL is not percent-encoded UTF-8; encode every % that stands for itself as %25'
    return new GatewayError('parameter_invalid', text, { cause: error })
  }
  if (status === 413) return new GatewayError('body_too_large', error.message, { cause: error })
  if (status >= 400 && status < 500) return new GatewayError('parameter_invalid', error.message, { cause: error })
  return new GatewayError('internal', 'the gateway failed on this request; its log tells more', { cause: error })
}
