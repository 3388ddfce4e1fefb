/** When counts are written for CloudWatch: by a function after each call, by a process in rounds. */

import type { Config } from '../config/read-config.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { EmfReporter, gatewayTotals, type ReadTotals } from '../telemetry/emf.ts'
import type { Metrics } from '../telemetry/metrics.ts'

const ROUND_MS = 10_000

export type WriteLine = (line: string) => void

const writeOut: WriteLine = (line) => process.stdout.write(line)

/** What reports the totals of a service, as lines of the embedded metric format on stdout. */
export function openReporter(
  { aws }: Config,
  service: 'gateway' | 'worker' | 'alert-processor' | 'compactor',
  readTotals: ReadTotals,
  write: WriteLine = writeOut,
): EmfReporter {
  return new EmfReporter({ namespace: aws.metricsNamespace, service, readTotals, clock: SYSTEM_CLOCK, write })
}

/** Reports what the gateway counts. */
export function openGatewayReporter(config: Config, metrics: Metrics, write?: WriteLine): EmfReporter {
  return openReporter(config, 'gateway', gatewayTotals(metrics), write)
}

/** The same handler, which reports before its answer leaves: a function is frozen from then on. */
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

/** Reports every ten seconds; the returned function reports the rest and ends it. */
export function reportInRounds(reporter: EmfReporter): () => Promise<void> {
  const rounds = setInterval(() => void reporter.report(), ROUND_MS)
  rounds.unref()
  return async () => {
    clearInterval(rounds)
    await reporter.flush()
  }
}

/** Reports what a gateway that stays up counts. The embedded home reports nothing here: Prometheus scrapes it. */
export function reportGateway(config: Config, metrics: Metrics, write?: WriteLine): () => Promise<void> {
  if (config.service.home !== 'aws') return async () => undefined
  return reportInRounds(openGatewayReporter(config, metrics, write))
}
