/** Responses from the query cache, and the header that reports it. */

import type { AskedAnswer } from '../../../flows/query/answer-cache.ts'
import type { Body } from '../../../protocol/bytes/body-writer.ts'
import type { QueryParts, QueryRequest } from './query-route.ts'

/** `hit`: from the cache; `miss`: computed now and cached; `off`: computed now and not cached. */
const CACHE_HEADER = 'x-millrace-cache'

/**
 * Returns a cached result or calls `make`. If `asked` is undefined, the result is not cached. A client that sends
 * `Cache-Control: no-cache` or `no-store` never gets a cached result.
 */
export async function cachedAnswer(
  { answers }: QueryParts,
  { tenant, request, reply }: QueryRequest,
  asked: Omit<AskedAnswer, 'tenant'> | undefined,
  make: () => Promise<Body>,
): Promise<Body> {
  const isOff = asked === undefined || /\bno-(?:cache|store)\b/i.test(request.headers['cache-control'] ?? '')
  const { body, outcome } = isOff
    ? { body: await make(), outcome: 'off' }
    : await answers.answer({ ...asked, tenant }, make)
  reply.header(CACHE_HEADER, outcome)
  return body
}
