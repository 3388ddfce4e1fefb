/** Answers from the cache, and the header that tells so. */

import type { AskedAnswer } from '../../../flows/query/answer-cache.ts'
import type { QueryParts, QueryRequest } from './query-route.ts'

/** `hit`: made before, and nothing has changed since; `miss`: made now, and kept; `off`: made now, and not kept. */
const CACHE_HEADER = 'x-millrace-cache'

/**
 * What `make` gives, now or before. `asked` undefined: the answer must not be kept. A client that sends
 * `Cache-Control: no-cache` or `no-store` is never given an old one.
 */
export async function cachedAnswer(
  { answers }: QueryParts,
  { tenant, request, reply }: QueryRequest,
  asked: Omit<AskedAnswer, 'tenant'> | undefined,
  make: () => Promise<string>,
): Promise<string> {
  const isOff = asked === undefined || /\bno-(?:cache|store)\b/i.test(request.headers['cache-control'] ?? '')
  const { body, outcome } = isOff
    ? { body: await make(), outcome: 'off' }
    : await answers.answer({ ...asked, tenant }, make)
  reply.header(CACHE_HEADER, outcome)
  return body
}
