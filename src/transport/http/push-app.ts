/**
 * The application that a function starts with: pushes and health, of the many routes there are. The whole application
 * has these, too, and does the same with them; what only that one needs is not loaded for this one.
 */

import type { FastifyInstance } from 'fastify'
import { type AppState, type BaseParts, openApp, openAuth, openState } from './base-app.ts'
import { registerPushes } from './push/push-routes.ts'
import { registerHealth } from './service-routes.ts'

export interface PushApp {
  readonly app: FastifyInstance
  /** To build the whole application with. */
  readonly state: AppState
  /** False for whatever is not exactly one of the routes: a path with a slash at its end is the whole application's. */
  hasRoute(method: string, path: string): boolean
}

export async function buildPushApp(parts: BaseParts): Promise<PushApp> {
  const state = await openState(parts)
  const app = openApp(parts)
  const routes = new Set<string>()
  app.addHook('onRoute', ({ method, url }) => void routes.add(`${method} ${url}`))
  const auth = await openAuth(app, parts, state)
  registerHealth(app, parts.ports.store)
  registerPushes(app, state.receiver, auth)
  await app.ready()
  return { app, state, hasRoute: (method, path) => routes.has(`${method} ${path}`) }
}
