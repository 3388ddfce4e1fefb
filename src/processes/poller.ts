/** Assembles a poller: the home's parts, the gateway's own store if it is a sink, and a log. */

import { randomUUID } from 'node:crypto'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { ProjectOutcome } from '../flows/poll/poll-outcome.ts'
import { logOutcome, type PollLog, type SourceFigures, SourcePoller, startPolling } from '../flows/poll/poll-sources.ts'
import { StoreSink } from '../flows/poll/store-sink.ts'
import { type Home, openHome } from '../homes/home.ts'
import { wait } from '../homes/machine.ts'
import { openPollerHome } from '../homes/poller-home.ts'
import type { Clock } from '../ports/log-store.ts'
import { logHome } from './home-events.ts'

export interface OpenPoller {
  readonly poller: SourcePoller
  /** Polls every MILLRACE_POLL_INTERVAL until the returned function is called. */
  start(): () => Promise<void>
  close(): void
}

export interface PollerParts {
  readonly config: Config
  readonly clock: Clock
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

/** A poller outside of a gateway, with the gateway's store if that is a sink. */
export interface PollerProcess {
  readonly poller: SourcePoller
  /** Starts polling every MILLRACE_POLL_INTERVAL. */
  start(): void
  /** Finishes the current run, and closes everything. */
  stop(): Promise<void>
}

/**
 * For a function or a separate process. Throws config_invalid if nothing is configured, and in the embedded home if the
 * store is a sink: only one process can open it, and its gateway polls.
 */
export async function openPollerProcess(config: Config, clock: Clock, log: PollLog): Promise<PollerProcess> {
  if (config.poll.projects.length === 0) {
    throw new GatewayError('config_invalid', 'MILLRACE_POLL_PROJECTS: not set; the poller has nothing to poll')
  }
  const home = await openStoreOf(config, clock, log)
  const opened = await openPoller({ config, clock, log, ...(home !== undefined && { ports: home.ports }) })
  if (opened === undefined) throw new Error('BUG: projects are configured, and no poller was made')
  let stopPolling = async (): Promise<void> => undefined
  return {
    poller: opened.poller,
    start: () => {
      stopPolling = opened.start()
    },
    stop: async () => {
      await stopPolling()
      opened.close()
      await home?.close()
    },
  }
}

async function openStoreOf(config: Config, clock: Clock, log: PollLog): Promise<Home | undefined> {
  const isEmbedded = config.service.home === 'embedded'
  const needsStore = config.poll.sinks?.includes('store') ?? isEmbedded
  if (!needsStore) return undefined
  if (isEmbedded) {
    const text =
      'in the embedded home the gateway polls; to poll in a separate container, set MILLRACE_HOME=aws or MILLRACE_POLL_SINKS=cloudwatch'
    throw new GatewayError('config_invalid', text)
  }
  return openHome(config, clock, logHome(log))
}

function makeStoreSink(config: Config, clock: Clock, source: string, ports: PollerParts['ports']): StoreSink {
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
