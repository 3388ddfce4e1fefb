/** The OpenAPI document, generated on the first request for it, as most gateways never need it. */

import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { compilersFactory } from './schemas.ts'

const PATH = '/openapi.json'

/** Serves OpenAPI 3 at /openapi.json. Call it before registering the routes to describe. */
export function registerOpenApi(app: FastifyInstance, version: string): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  let document: Promise<object> | undefined
  app.get(PATH, { schema: { hide: true } }, () => {
    document ??= describe(routes, version)
    return document
  })
}

/** Registers the routes in a separate application without handlers, and describes that. */
async function describe(routes: readonly RouteOptions[], version: string): Promise<object> {
  const { default: swagger } = await import('@fastify/swagger')
  const stage = Fastify({ exposeHeadRoutes: false, schemaController: { compilersFactory } })
  await stage.register(swagger, {
    openapi: { info: { title: 'Millrace', description: 'A log gateway that speaks Loki', version } },
  })
  for (const { method, url, schema = {} } of routes) {
    stage.route({ method, url, schema, handler: () => {} })
  }
  await stage.ready()
  return stage.swagger()
}
