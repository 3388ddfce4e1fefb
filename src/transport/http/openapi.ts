/** The description of every route, made when somebody asks for it: most gateways are never asked. */

import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { compilersFactory } from './schemas.ts'

const PATH = '/openapi.json'

/** To be called before the routes that it shall describe. Serves OpenAPI 3 at /openapi.json. */
export function registerOpenApi(app: FastifyInstance, version: string): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  let document: Promise<object> | undefined
  app.get(PATH, { schema: { hide: true } }, () => {
    document ??= describe(routes, version)
    return document
  })
}

/** An application that answers nothing has the same routes, and is described. */
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
