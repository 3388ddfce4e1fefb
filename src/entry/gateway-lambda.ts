/** The gateway as a Lambda function, behind API Gateway, a Function URL or a load balancer. */

import pino from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { openAws } from '../homes/aws-home.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openViews } from '../processes/function-views.ts'
import { reportAfterEach } from '../processes/gateway-emf.ts'
import { homeEvents, rotationEvents } from '../processes/home-events.ts'
import { countPushes } from '../processes/push-counts.ts'
import { VERSION } from '../processes/version.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { hasCredentials } from '../transport/http/auth/binding.ts'
import { buildPushApp } from '../transport/http/push-app.ts'
import { buildLambdaHandler, type LambdaHandler } from '../transport/lambda/http-handler.ts'

/** Called by Lambda for each request. Invalid settings fail the start of the function. */
export const handler: LambdaHandler = await open(await loadSettings(process.env))

async function open({ config, openUsers }: Settings): Promise<LambdaHandler> {
  assertFit(config)
  // Lambda collects stdout as the function's log.
  const log = pino({ level: config.service.logLevel, base: { service: 'millrace' } }, pino.destination({ sync: true }))
  const metrics = new Metrics()
  const clock = SYSTEM_CLOCK
  const home = await openAws(config, clock, homeEvents(metrics, log))
  const parts = {
    ports: await countPushes(config, clock, home, log),
    config,
    keys: home.keys,
    users: openUsers({ clock, random: Math.random, events: rotationEvents(metrics, log) }),
    metrics,
    version: VERSION,
    logger: log.child({}, { level: config.service.logLevel === 'info' ? 'warn' : config.service.logLevel }),
  }
  const views = await openViews(config, clock, log)
  const pushes = await buildPushApp(parts)
  // Most functions only ever handle pushes.
  const others = {
    isOther: (method: string, path: string) => !pushes.hasRoute(method, path),
    open: async () => {
      const { buildApp } = await import('../transport/http/app.ts')
      return buildApp({ ...parts, ...views }, pushes.state)
    },
  }
  return reportAfterEach(await buildLambdaHandler(pushes.app, others), config, metrics)
}

/** A function has no durable disk, and no loopback address to protect it without credentials. */
function assertFit({ auth, service }: Config): void {
  if (service.home !== 'aws') {
    throw new GatewayError('config_invalid', 'a function has no durable disk; set MILLRACE_HOME=aws')
  }
  if (hasCredentials(auth)) return
  throw new GatewayError(
    'config_invalid',
    'no credentials are configured, and a function is reachable from outside; set MILLRACE_USERS, MILLRACE_JWKS_URL or MILLRACE_LOCAL_ISSUER=true',
  )
}
