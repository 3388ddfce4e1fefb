/** POST /loki/api/v1/push and its legacy alias. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { PushOutcome } from '../../../flows/push/accept-push.ts'
import type { Slices } from '../../../kit/slices.ts'
import { sliceSnappy } from '../../../protocol/bytes/snappy.ts'
import { slicePushJson } from '../../../protocol/loki/loki-push-json.ts'
import { slicePushProtobuf } from '../../../protocol/loki/loki-push-protobuf.ts'
import type { Auth } from '../auth/auth.ts'
import { sendText } from '../errors.ts'
import type { Push } from './push.ts'
import type { PushReceiver } from './push-receiver.ts'
import { mediaTypeOf } from './request-body.ts'

const SCHEMA = {
  tags: ['push'],
  consumes: ['application/json', 'application/x-protobuf'],
  response: {
    200: { description: 'A JSON push was stored: {"status":"success","count":N}', type: 'string' },
    204: { description: 'Everything was stored, or had been before', type: 'null' },
    400: {
      description: 'Part of the push, or all of it, can never be accepted; the valid part is stored',
      type: 'string',
    },
    429: { description: 'A limit that passes with time; the part within it is stored', type: 'string' },
  },
}

export function registerLokiPush(app: FastifyInstance, receiver: PushReceiver, auth: Auth): void {
  const options = {
    onRequest: auth.authenticate,
    config: { errorFormat: 'text' as const, challenge: 'basic' as const },
  }
  const route = (url: string, summary: string): void => {
    app.post(url, { ...options, schema: { ...SCHEMA, summary } }, async (request, reply) => {
      const tenant = auth.tenantOf(request)
      const isJson = mediaTypeOf(request.headers['content-type']) === 'application/json'
      const decode = isJson ? decodeJson : decodeProtobuf
      const [protocol, form] = isJson ? (['loki_json', 'json'] as const) : (['loki_protobuf', 'snappy'] as const)
      const { outcome } = await receiver.receive(request, { tenant, protocol, form, decode })
      return answer(request, reply, outcome, isJson)
    })
  }
  route('/loki/api/v1/push', 'Push lines as Loki takes them: JSON or snappy-compressed protobuf')
  route('/api/prom/push', 'The same at the path that Loki had before version 1')
}

function* decodeProtobuf(bytes: Uint8Array, push: Push): Slices<void> {
  const message = yield* sliceSnappy(bytes, push.decompressedBytesMax, (length) => push.allocate(length))
  yield* slicePushProtobuf(message, push.sink, push.limits)
}

function decodeJson(bytes: Uint8Array, { sink }: Push): Slices<void> {
  return slicePushJson(bytes, sink)
}

/**
 * Loki's 204 for a protobuf push, JSON for a JSON push or if requested, and Loki's grouped text if lines were refused.
 */
function answer(request: FastifyRequest, reply: FastifyReply, outcome: PushOutcome, isJson: boolean): FastifyReply {
  const { accepted, refusals } = outcome
  const wantsJson = (request.headers.accept ?? '').includes('application/json')
  if (refusals.isEmpty) {
    if (!isJson && !wantsJson) return reply.status(204).send()
    return reply.type('application/json').send(`{"status":"success","count":${accepted}}`)
  }
  reply.status(refusals.status)
  if (!wantsJson) return sendText(reply, refusals.text)
  const body = {
    status: accepted > 0 ? 'partial' : 'error',
    accepted,
    rejected: refusals.entries,
    reasons: Object.fromEntries(refusals.byReason),
    error: refusals.text,
  }
  return reply.type('application/json').send(`${JSON.stringify(body)}\n`)
}
