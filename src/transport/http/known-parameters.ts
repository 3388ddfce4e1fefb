/** Rejects query parameters that a route does not have: a misspelt filter would otherwise select everything. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { nearestName } from '../../kit/nearest-name.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True for routes of our own; Loki's routes ignore what they do not know, as in Loki. */
    knownParametersOnly?: boolean
  }
}

/** Names are shown up to this length. */
const NAME_CHARS_MAX = 64

/** Checks the URL's parameters of marked routes against the names of their schema, once the client is known. */
export function registerKnownParameters(app: FastifyInstance): void {
  app.addHook('preValidation', async (request) => {
    const { config, schema } = request.routeOptions
    if (config.knownParametersOnly !== true) return
    const { properties = {} } = (schema?.querystring ?? {}) as { readonly properties?: object }
    assertKnown(request, Object.keys(properties))
  })
}

function assertKnown(request: FastifyRequest, known: readonly string[]): void {
  const unknown = Object.keys(request.query as object).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const shown = JSON.stringify(unknown.slice(0, NAME_CHARS_MAX))
  throw new GatewayError('parameter_invalid', `unknown parameter ${shown}; ${advice(unknown, known)}`)
}

function advice(unknown: string, known: readonly string[]): string {
  if (known.length === 0) return 'this route has no parameters; leave it out'
  const nearest = nearestName(unknown, known)
  return nearest === undefined ? `use ${known.join(', ')}` : `did you mean ${nearest}?`
}
