/** Whether a client is a browser that opens an address. */

import type { FastifyRequest } from 'fastify'

/** Browsers name HTML; programs usually accept any type with a star. */
export function wantsPage({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  return (headers.accept ?? '').split(',').some((part) => part.trim().toLowerCase().split(';')[0] === 'text/html')
}
