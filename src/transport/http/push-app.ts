/**
 * The application that a function starts with: pushes and health only. It behaves like the whole application for these
 * routes, without loading the rest.
 */

import type { FastifyInstance } from 'fastify'
import { type AppState, type BaseParts, openApp, openAuth, openState } from './base-app.ts'
import { registerPushes } from './push/push-routes.ts'
import { registerHealth } from './service-routes.ts'

export interface PushApp {
  readonly app: FastifyInstance
  /** For building the whole application. */
  readonly state: AppState
  /**
   * True only for an exact path of a route; for example, a path with a trailing slash belongs to the whole application.
   */
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
