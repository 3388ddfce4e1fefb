/** Endpoints about the gateway itself: health, readiness, version, metrics. */

import type { FastifyInstance } from 'fastify'
import type { LogStore } from '../../ports/log-store.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Auth } from './auth/auth.ts'
import { sendText } from './errors.ts'

/** The Loki version whose API this implements: clients read it to choose features. */
export const LOKI_VERSION = '3.5.0'

const text = (description: string) => ({ description, type: 'string' })

/** Both responses come from memory and do not access the store. */
export function registerHealth(app: FastifyInstance, store: LogStore): void {
  app.get(
    '/healthz',
    {
      schema: {
        tags: ['service'],
        summary: 'Health: whether pushes can be stored',
        response: { 200: text('{"status":"healthy"}'), 503: text('{"status":"degraded","error":"…"}') },
      },
    },
    async (_request, reply) => {
      const trouble = store.trouble()
      reply.type('application/json')
      const failures = store.figures().maintenanceFailures ?? 0
      // Pushes work, so no supervisor should restart it.
      if (trouble === undefined && failures > 0) {
        const error = `maintenance failed ${failures} times in a row: old lines are not deleted; see the log`
        return reply.send(JSON.stringify({ status: 'degraded', error }))
      }
      if (trouble === undefined) return reply.send('{"status":"healthy"}')
      return reply.status(503).send(JSON.stringify({ status: 'degraded', error: trouble }))
    },
  )

  app.get(
    '/ready',
    {
      schema: {
        tags: ['service'],
        summary: 'Loki’s readiness check',
        response: { 200: text('ready'), 503: text('why not') },
      },
    },
    async (_request, reply) => {
      const trouble = store.trouble()
      return sendText(reply.status(trouble === undefined ? 200 : 503), trouble ?? 'ready')
    },
  )
}

export function registerService(
  app: FastifyInstance,
  parts: { readonly metrics: Metrics; readonly auth: Auth; readonly version: string },
): void {
  const { metrics, auth, version } = parts

  app.get(
    '/loki/api/v1/status/buildinfo',
    {
      schema: {
        tags: ['service'],
        summary: "Version of Loki's API and of Millrace",
        response: { 200: text('build information') },
      },
    },
    async (_request, reply) =>
      reply.type('application/json; charset=UTF-8').send(
        `${JSON.stringify({
          version: LOKI_VERSION,
          revision: `millrace-${version}`,
          branch: 'main',
          buildUser: 'millrace',
          buildDate: '',
          goVersion: '',
        })}\n`,
      ),
  )

  app.get(
    '/metrics',
    {
      onRequest: auth.authenticateOperator,
      config: { errorFormat: 'text', challenge: 'basic' },
      schema: {
        tags: ['service'],
        summary: 'Prometheus metrics',
        response: { 200: text('Prometheus text format') },
      },
    },
    async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
}
