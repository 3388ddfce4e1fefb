/** Writes the gateway's metrics to stdout for CloudWatch: after each request of a function, or periodically. */

import type { Config } from '../config/read-config.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { EmfReporter, gatewayTotals } from '../telemetry/emf.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LambdaHandler } from '../transport/lambda/http-handler.ts'

const ROUND_MS = 10_000

type WriteLine = (line: string) => void

const writeOut: WriteLine = (line) => process.stdout.write(line)

/** Wraps the handler so that it reports metrics before it returns: a function is frozen after that. */
export function reportAfterEach(
  handler: LambdaHandler,
  config: Config,
  metrics: Metrics,
  write: WriteLine = writeOut,
): LambdaHandler {
  const reporter = makeReporter(config, metrics, write)
  return async (event, context) => {
    const answer = await handler(event, context)
    await reporter.report()
    return answer
  }
}

/** Reports every ten seconds until the returned function reports the rest. The embedded home reports nothing. */
export function reportInRounds(config: Config, metrics: Metrics, write: WriteLine = writeOut): () => Promise<void> {
  if (config.service.home !== 'aws') return async () => undefined
  const reporter = makeReporter(config, metrics, write)
  const rounds = setInterval(() => void reporter.report(), ROUND_MS)
  rounds.unref()
  return async () => {
    clearInterval(rounds)
    await reporter.flush()
  }
}

function makeReporter({ aws }: Config, metrics: Metrics, write: WriteLine): EmfReporter {
  return new EmfReporter({
    namespace: aws.metricsNamespace,
    service: 'gateway',
    readTotals: gatewayTotals(metrics),
    clock: SYSTEM_CLOCK,
    write,
  })
}
