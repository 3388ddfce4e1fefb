/** Assembles a poller: the home's parts, the gateway's own store if it is a sink, and a log. */

import { randomUUID } from 'node:crypto'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { ProjectOutcome } from '../flows/poll/poll-outcome.ts'
import { logOutcome, type PollLog, type SourceFigures, SourcePoller, startPolling } from '../flows/poll/poll-sources.ts'
import { StoreSink } from '../flows/poll/store-sink.ts'
import type { Home } from '../homes/home.ts'
import { wait } from '../homes/machine.ts'
import { openPollerHome } from '../homes/poller-home.ts'

export interface OpenPoller {
  readonly poller: SourcePoller
  /** Polls every MILLRACE_POLL_INTERVAL until the returned function is called. */
  start(): () => Promise<void>
  close(): void
}

export interface PollerParts {
  readonly config: Config
  readonly clock: Home['ports']['clock']
  readonly log: PollLog
  /** The gateway's store, if this process has one. */
  readonly ports?: Pick<Home['ports'], 'store' | 'feed'>
  readonly onOutcome?: (outcome: ProjectOutcome, figures: SourceFigures) => void
}

/** Returns undefined if no projects are configured. Throws config_invalid, or store_unavailable if cursors cannot be opened. */
export async function openPoller({
  config,
  clock,
  log,
  ports,
  onOutcome,
}: PollerParts): Promise<OpenPoller | undefined> {
  const home = await openPollerHome(config, clock, {
    readsBackward: (project) =>
      log.warn({ project: project.name }, 'the source ignores sort and startDate; reading backward'),
  })
  if (home === undefined) return undefined
  const { source, cursors, sinks, projects, storesToo } = home
  const poller = new SourcePoller({
    source,
    cursors,
    sinks: storesToo ? [...sinks, makeStoreSink(config, clock, source.name, ports)] : sinks,
    projects,
    clock,
    settings: config.poll,
    makeHolder: randomUUID,
    onOutcome: (outcome, figures) => {
      logOutcome(log, outcome, figures)
      onOutcome?.(outcome, figures)
    },
  })
  return {
    poller,
    start: () => startPolling(poller, config.poll.intervalMs, { clock, wait }),
    close: () => home.close(),
  }
}

function makeStoreSink(
  config: Config,
  clock: PollerParts['clock'],
  source: string,
  ports: PollerParts['ports'],
): StoreSink {
  const tenant = config.poll.tenant ?? config.auth.defaultTenant
  if (ports === undefined) {
    throw new GatewayError(
      'config_invalid',
      'MILLRACE_POLL_SINKS includes `store`, but this process has none; let the gateway poll, or remove it',
    )
  }
  if (tenant === undefined) {
    throw new GatewayError('config_invalid', 'MILLRACE_POLL_TENANT: not set; it is required without a default tenant')
  }
  return new StoreSink({ ...ports, clock, tenant, source, lineBytesMax: config.push.limits.lineBytesMax })
}
