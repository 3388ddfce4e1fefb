/** The poller as a Lambda function, scheduled once a minute. */

import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { startFunction } from '../processes/function.ts'
import { openPollerProcess } from '../processes/poller.ts'
import { formatPollMetrics } from '../telemetry/poll-emf.ts'

/** The outcome of a run: counts, and the lag of the poller. */
export interface PollerAnswer {
  readonly stored: number
  readonly late: number
  readonly rejected: number
  readonly requests: number
  readonly lagSeconds: number | null
  readonly projects: readonly { readonly project: string; readonly state: string }[]
}

const { config, log } = await startFunction('millrace', process.env)
assertFit(config)
const { poller } = await openPollerProcess(config, SYSTEM_CLOCK, log)

/**
 * Runs once. Rejects with source_unavailable if no project could be polled, so that it counts as an error of the function.
 * If only some failed, the result and the log report them.
 */
export async function handler(): Promise<PollerAnswer> {
  const summary = await poller.poll()
  const place = { namespace: config.aws.metricsNamespace, nowMs: SYSTEM_CLOCK.nowMs() }
  process.stdout.write(formatPollMetrics(summary, place))
  const { stored, late, rejected, requests, lagSeconds = null, failed, outcomes } = summary
  if (failed > 0 && failed === outcomes.length) {
    throw outcomes[0]?.error ?? new GatewayError('source_unavailable', 'no project could be polled; see the log')
  }
  const projects = outcomes.map(({ project, state }) => ({ project: project.name, state }))
  return { stored, late, rejected, requests, lagSeconds, projects }
}

function assertFit({ service }: Config): void {
  if (service.home === 'aws') return
  throw new GatewayError(
    'config_invalid',
    'MILLRACE_HOME: a function has no durable disk and keeps its cursors in SSM; set it to aws',
  )
}
