/** The gateway in a Lambda function: starts with pushes and health, and loads the rest on first use. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { openAws } from '../homes/aws-home.ts'
import { SYSTEM_CLOCK, SYSTEM_HEAP } from '../homes/machine.ts'
import type { Settings } from '../homes/references.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { hasCredentials } from '../transport/http/auth/binding.ts'
import { buildPushApp } from '../transport/http/push-app.ts'
import { buildLambdaHandler, type LambdaHandler } from '../transport/lambda/http-handler.ts'
import { homeEvents, rotationEvents } from './home-events.ts'
import { requestLog } from './log.ts'
import { countPushes } from './push-counts.ts'
import { openGatewayReporter, reportAfterEach } from './report-metrics.ts'
import { VERSION } from './version.ts'

/** Calls no service yet. Throws config_invalid. */
export async function openGatewayFunction({ config, openUsers }: Settings, log: Logger): Promise<LambdaHandler> {
  assertFit(config)
  const metrics = new Metrics()
  const clock = SYSTEM_CLOCK
  const home = await openAws(config, clock, homeEvents(metrics, log))
  const ports = await countPushes(config, clock, home, log)
  const parts = {
    ports,
    config,
    keys: home.keys,
    users: openUsers({ clock, random: Math.random, events: rotationEvents(metrics, log) }),
    metrics,
    version: VERSION,
    heap: SYSTEM_HEAP,
    logger: requestLog(config, log),
  }
  const pushes = await buildPushApp(parts)
  // Most functions only ever handle pushes.
  const others = {
    isOther: (method: string, path: string) => !pushes.hasRoute(method, path),
    open: async () => {
      const [{ buildApp }, { openViews }] = await Promise.all([
        import('../transport/http/app.ts'),
        import('./function-views.ts'),
      ])
      const views = await openViews({ config, clock, log, ports })
      return buildApp({ ...parts, ...views }, pushes.state)
    },
  }
  return reportAfterEach(openGatewayReporter(config, metrics), await buildLambdaHandler(pushes.app, others))
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
