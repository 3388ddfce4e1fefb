/** What becomes of connections when the application closes. */

import type { FastifyInstance } from 'fastify'

/**
 * Lets every request that is under way be answered and then ends all connections. Node by itself would wait for those
 * on which no request has ever come, as browsers and load balancers open them ahead. To be called before all routes.
 */
export function registerClosing(app: FastifyInstance): void {
  let underWay = 0
  let isClosing = false
  const endAll = (): void => {
    if (isClosing && underWay === 0) app.server.closeAllConnections()
  }
  app.addHook('onRequest', async (request, { raw }) => {
    // A WebSocket leaves the server's hands; whoever keeps it ends it.
    if (request.headers.upgrade !== undefined) return
    underWay++
    raw.once('close', () => {
      underWay--
      endAll()
    })
  })
  app.addHook('preClose', async () => {
    isClosing = true
    endAll()
  })
}
