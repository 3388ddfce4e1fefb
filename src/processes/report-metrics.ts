/** Writes counts for CloudWatch: a function after each call, a process periodically. */

import type { Config } from '../config/read-config.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { EmfReporter, gatewayTotals, type ReadTotals } from '../telemetry/emf.ts'
import type { Metrics } from '../telemetry/metrics.ts'

const ROUND_MS = 10_000

export type WriteLine = (line: string) => void

const writeOut: WriteLine = (line) => process.stdout.write(line)

/** A reporter of a service's totals, as lines of the embedded metric format on stdout. */
export function openReporter(
  { aws }: Config,
  service: 'gateway' | 'worker' | 'alert-processor' | 'compactor',
  readTotals: ReadTotals,
  write: WriteLine = writeOut,
): EmfReporter {
  return new EmfReporter({ namespace: aws.metricsNamespace, service, readTotals, clock: SYSTEM_CLOCK, write })
}

/** A reporter of the gateway's totals. */
export function openGatewayReporter(config: Config, metrics: Metrics, write?: WriteLine): EmfReporter {
  return openReporter(config, 'gateway', gatewayTotals(metrics), write)
}

/** The same handler, with a report before its response: a function is frozen after that. */
export function reportAfterEach<Event, Context, Answer>(
  reporter: EmfReporter,
  handle: (event: Event, context: Context) => Promise<Answer>,
): (event: Event, context: Context) => Promise<Answer> {
  return async (event, context) => {
    const answer = await handle(event, context)
    await reporter.report()
    return answer
  }
}

/** Reports every ten seconds; the returned function stops it and reports the rest. */
export function reportInRounds(reporter: EmfReporter): () => Promise<void> {
  const rounds = setInterval(() => void reporter.report(), ROUND_MS)
  rounds.unref()
  return async () => {
    clearInterval(rounds)
    await reporter.flush()
  }
}

/**
 * Reports the totals of a long-running gateway. In the embedded home it does nothing, because Prometheus scrapes it.
 */
export function reportGateway(config: Config, metrics: Metrics, write?: WriteLine): () => Promise<void> {
  if (config.service.home !== 'aws') return async () => undefined
  return reportInRounds(openGatewayReporter(config, metrics, write))
}
