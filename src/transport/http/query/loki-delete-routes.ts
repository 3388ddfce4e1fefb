/** Loki's delete API: create, list and cancel delete requests. */

import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { msToNs } from '../../../domain/time.ts'
import { cancelDeletion, processDeletions, requestDeletion } from '../../../flows/delete/delete-logs.ts'
import type { DeletionStore } from '../../../ports/log-store.ts'
import { formatDeletions } from '../../../protocol/loki/loki-deletion-result.ts'
import type { QueryParams } from '../../../protocol/loki/loki-params.ts'
import { assertNoForm } from '../auth/binding.ts'
import { formBytesMax } from '../server-limits.ts'
import { type QueryParts, readParams } from './query-route.ts'

const DELETE_URL = '/loki/api/v1/delete'
/** How often due delete requests are processed. */
const PROCESS_MS = 60_000

export function registerLokiDelete(app: FastifyInstance, parts: QueryParts, deletions: DeletionStore): void {
  registerProcessing(app, parts, deletions)
  const route = (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    summary: string,
    answer: (params: QueryParams, tenant: string, reply: FastifyReply) => Promise<FastifyReply>,
  ): void => {
    app.route({
      method,
      url: DELETE_URL,
      onRequest: parts.auth.authenticate,
      config: { errorFormat: 'text', challenge: 'basic' },
      schema: { tags: ['delete'], summary },
      validatorCompiler: () => () => true,
      handler: async (request: FastifyRequest, reply) => {
        assertNoForm(request)
        const tenant = parts.auth.tenantOf(request)
        return answer(await readParams(request, formBytesMax(parts.limitsOf(tenant).queryBytesMax)), tenant, reply)
      },
    })
  }
  for (const method of ['POST', 'PUT'] as const) {
    route(method, 'Delete lines by selector and line filters', async (params, tenant, reply) => {
      await requestDeletion(deletions, parts.clock, readOrder(parts, params, tenant))
      return reply.status(204).send()
    })
  }
  route('GET', 'List delete requests', async (_params, tenant, reply) => {
    const own = deletions.list().filter((deletion) => deletion.tenant === tenant)
    return reply.type('application/json; charset=UTF-8').send(formatDeletions(own))
  })
  route('DELETE', 'Cancel a delete request', async (params, tenant, reply) => {
    await cancelDeletion(deletions, parts.clock, tenant, params.required('request_id'))
    return reply.status(204).send()
  })
}

function readOrder({ clock, limitsOf }: QueryParts, params: QueryParams, tenant: string) {
  const limits = limitsOf(tenant)
  const query = params.required('query')
  if (Buffer.byteLength(query) > limits.queryBytesMax) {
    throw new GatewayError('query_refused', `the query is longer than ${limits.queryBytesMax} bytes; shorten it`)
  }
  if (params.get('start') === undefined) {
    throw new GatewayError(
      'parameter_invalid',
      'start time not set; set `start`, so that you do not delete more than intended',
    )
  }
  const now = msToNs(clock.nowMs())
  const start = params.time('start', now)
  // Loki's end is inclusive.
  const end = params.time('end', now) + 1n
  return { id: randomBytes(4).toString('hex'), tenant, query, start, end }
}

/** Processes due requests in rounds that do not overlap; the last round ends before the store closes. */
function registerProcessing(app: FastifyInstance, { clock }: QueryParts, deletions: DeletionStore): void {
  let isStopped = false
  let round: Promise<void> | undefined
  const timer = setInterval(() => {
    round ??= processDeletions(deletions, clock, () => isStopped)
      .catch((error: unknown) =>
        app.log.error({ err: error }, 'processing delete requests failed; the next round retries'),
      )
      .finally(() => {
        round = undefined
      })
  }, PROCESS_MS)
  timer.unref()
  app.addHook('onClose', async () => {
    isStopped = true
    clearInterval(timer)
    await round
  })
}
