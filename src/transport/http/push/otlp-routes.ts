/** POST /otlp/v1/logs and /v1/logs: OTLP/HTTP, protobuf and JSON. */

import type { FastifyInstance, FastifyReply } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { PushOutcome } from '../../../flows/push/accept-push.ts'
import type { Slices } from '../../../kit/slices.ts'
import { sliceOtlpJson } from '../../../protocol/otlp/otlp-json.ts'
import { sliceOtlpProtobuf } from '../../../protocol/otlp/otlp-protobuf.ts'
import { encodeOtlpResponse, OTLP_MEDIA_TYPE, type OtlpEncoding } from '../../../protocol/otlp/otlp-response.ts'
import type { Auth } from '../auth/auth.ts'
import type { Push } from './push.ts'
import type { PushReceiver } from './push-receiver.ts'
import { mediaTypeOf } from './request-body.ts'

const SCHEMA = {
  tags: ['push'],
  summary: 'Push lines by OTLP/HTTP',
  consumes: ['application/x-protobuf', 'application/json'],
  response: {
    200: { description: 'ExportLogsServiceResponse; partial_success lists rejected records', type: 'string' },
    400: { description: 'google.rpc.Status: nothing of it can be accepted', type: 'string' },
  },
}

export function registerOtlp(app: FastifyInstance, receiver: PushReceiver, auth: Auth): void {
  const options = {
    onRequest: auth.authenticate,
    schema: SCHEMA,
    config: { errorFormat: 'otlp' as const, challenge: 'basic' as const },
  }
  for (const url of ['/otlp/v1/logs', '/v1/logs']) {
    app.post(url, options, async (request, reply) => {
      const tenant = auth.tenantOf(request)
      const isJson = isJsonMedia(request.headers['content-type'])
      const decode = isJson ? decodeJson : decodeProtobuf
      const form = isJson ? 'json' : 'protobuf'
      const { outcome } = await receiver.receive(request, { tenant, protocol: 'otlp', form, decode })
      return answer(reply, outcome, form)
    })
  }
}

function decodeJson(bytes: Uint8Array, { sink, nowMs }: Push): Slices<void> {
  return sliceOtlpJson(bytes, sink, { nowMs })
}

function decodeProtobuf(bytes: Uint8Array, { sink, nowMs }: Push): Slices<void> {
  return sliceOtlpProtobuf(bytes, sink, { nowMs })
}

/** Loki accepts these two media types only without parameters, which are harmless. */
function isJsonMedia(header: string | undefined): boolean {
  const type = mediaTypeOf(header)
  if (type === 'application/json') return true
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return false
  const text = `Content-Type is "${type}"; OTLP is application/x-protobuf or application/json`
  throw new GatewayError('media_type_invalid', text)
}

/** A completely rejected push is an error status; a partly rejected one is reported in partial_success. */
function answer(reply: FastifyReply, { accepted, refusals }: PushOutcome, encoding: OtlpEncoding): FastifyReply {
  if (!refusals.isEmpty && accepted === 0) {
    throw new GatewayError(refusals.status === 429 ? 'entries_limited' : 'entries_refused', refusals.text)
  }
  const partial = refusals.isEmpty ? undefined : { entries: refusals.entries, message: refusals.text }
  return reply.type(OTLP_MEDIA_TYPE[encoding]).send(Buffer.from(encodeOtlpResponse(partial, encoding)))
}
