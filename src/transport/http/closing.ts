/** Ends connections when the application closes. */

import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'

/**
 * Finishes requests in progress and then ends all connections. Node alone would wait for connections without any
 * request, which browsers and load balancers open in advance. New requests in the meantime get 503, which every agent
 * retries; some agents drop a batch that gets a 500. Call it before registering routes.
 */
export function registerClosing(app: FastifyInstance): void {
  let underWay = 0
  let isClosing = false
  const endAll = (): void => {
    if (isClosing && underWay === 0) app.server.closeAllConnections()
  }
  app.addHook('onRequest', async (request, { raw }) => {
    // An upgraded socket no longer belongs to the server; the WebSocket code ends it.
    if (request.headers.upgrade === undefined) {
      underWay++
      raw.once('close', () => {
        underWay--
        endAll()
      })
    }
    if (isClosing) throw new GatewayError('stopping', 'the gateway is stopping and stored nothing of this; retry later')
  })
  app.addHook('preClose', async () => {
    isClosing = true
    endAll()
  })
}
