/** Sends a body that was written in pieces: a small one at once, a large one piece by piece. */

import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { type Body, bodyBytes } from '../../../protocol/bytes/body-writer.ts'

/** Bytes that are joined in well under a millisecond. */
const WHOLE_BYTES_MAX = 1024 * 1024

export function sendBody(reply: FastifyReply, body: Body): FastifyReply {
  const [first] = body
  if (first !== undefined && body.length === 1) return reply.send(first)
  const bytes = bodyBytes(body)
  if (bytes <= WHOLE_BYTES_MAX) return reply.send(Buffer.concat(body))
  return reply.header('content-length', bytes).send(new BodyStream(body))
}

/** A stream whose data is complete: unlike a live tail, it may be buffered for compression. */
export class BodyStream extends Readable {
  readonly #body: Body
  #next = 0

  constructor(body: Body) {
    super()
    this.#body = body
  }

  override _read(): void {
    this.push(this.#body[this.#next++] ?? null)
  }
}
