/** The poller as a Lambda function, scheduled once a minute. */

import pino from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { openHome } from '../homes/home.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { homeEvents } from '../processes/home-events.ts'
import { type OpenPoller, openPoller } from '../processes/poller.ts'
import { Metrics } from '../telemetry/metrics.ts'
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

const { config } = await loadSettings(process.env)
const log = pino({ level: config.service.logLevel, base: { service: 'millrace' } }, pino.destination({ sync: true }))
const { poller } = await open(config)

/**
 * Runs once. Rejects with source_unavailable if no project could be polled, so that it counts as an error of the function.
 * If only some failed, the result and the log report them.
 */
export async function handler(): Promise<PollerAnswer> {
  const summary = await poller.poll()
  process.stdout.write(formatPollMetrics(summary, { namespace: config.aws.metricsNamespace, nowMs: Date.now() }))
  const { stored, late, rejected, requests, lagSeconds = null, failed, outcomes } = summary
  if (failed > 0 && failed === outcomes.length) {
    throw outcomes[0]?.error ?? new GatewayError('source_unavailable', 'no project could be polled; see the log')
  }
  const projects = outcomes.map(({ project, state }) => ({ project: project.name, state }))
  return { stored, late, rejected, requests, lagSeconds, projects }
}

async function open(config: Config): Promise<OpenPoller> {
  if (config.service.home !== 'aws') {
    throw new GatewayError(
      'config_invalid',
      'MILLRACE_HOME: a function has no durable disk and keeps its cursors in SSM; set it to aws',
    )
  }
  const clock = SYSTEM_CLOCK
  const needsStore = config.poll.sinks?.includes('store') === true
  const home = needsStore ? await openHome(config, clock, homeEvents(new Metrics(), log)) : undefined
  const opened = await openPoller({ config, clock, log, ...(home !== undefined && { ports: home.ports }) })
  if (opened !== undefined) return opened
  throw new GatewayError('config_invalid', 'MILLRACE_POLL_PROJECTS: not set; the poller has nothing to poll')
}
