/** `X-Prom-Label-Policy` restricts what a request may read. It is not enforced here, so it must not be ignored. */

import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'

const HEADER = 'x-prom-label-policy'
/** Routes that only write, which a policy does not restrict, as in Loki. */
const PUSHES: readonly string[] = ['/loki/api/v1/push', '/api/prom/push', '/otlp/v1/logs', '/v1/logs', '/logs']

/** Throws query_unsupported for requests with the header, except pushes. */
export function registerLabelPolicy(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ headers, method, routeOptions }) => {
    if (headers[HEADER] === undefined || (method === 'POST' && PUSHES.includes(routeOptions.url ?? ''))) return
    throw new GatewayError(
      'query_unsupported',
      'X-Prom-Label-Policy is not enforced here, so the request could read more than the policy allows; bind the user to a tenant instead, or leave the header out',
    )
  })
}
