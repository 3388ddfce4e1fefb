/** All push routes. */

import type { FastifyInstance } from 'fastify'
import type { Auth } from '../auth/auth.ts'
import { registerLogsPush } from './logs-push-routes.ts'
import { registerLokiPush } from './loki-push-routes.ts'
import { registerOtlp } from './otlp-routes.ts'
import type { PushReceiver } from './push-receiver.ts'

export function registerPushes(app: FastifyInstance, receiver: PushReceiver, auth: Auth): void {
  registerLokiPush(app, receiver, auth)
  registerOtlp(app, receiver, auth)
  registerLogsPush(app, receiver, auth)
}
