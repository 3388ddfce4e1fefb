/**
 * Views of the gateway's function on incidents, alert rules and polled sources. Their code and clients are loaded on
 * first use, because most functions start for a push.
 */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { linkSettings } from '../homes/incident-settings.ts'
import { type Lazy, lazy } from '../kit/lazy.ts'
import type { Clock, Ports } from '../ports/log-store.ts'
import type { StateStore } from '../ports/rules.ts'
import type { AppParts } from '../transport/http/app.ts'
import type { Incidents } from './incidents.ts'

type Views = Pick<AppParts, 'incidents' | 'poller' | 'rules'>

export interface ViewParts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  readonly ports: Pick<Ports, 'limits'>
}

/**
 * Called at the first request other than a push. Never throws for faults of a view: those are errors of its own routes.
 */
export async function openViews(parts: ViewParts): Promise<Views> {
  const { config, clock, log } = parts
  const { incidents: settings, poll, rules } = config
  const incidents = lazy(async () => {
    const { openIncidents } = await import('./incidents.ts')
    return openIncidents(config, clock, log)
  })
  return {
    incidents: settings.enabled ? viewIncidents(incidents, linkSettings(config)) : undefined,
    poller: poll.projects.length > 0 ? viewSources(config, clock, log) : undefined,
    ...(rules.path !== undefined && { rules: await viewRules(parts, incidents) }),
  }
}

function viewIncidents(
  incidents: Lazy<Incidents>,
  links: ReturnType<typeof linkSettings>,
): NonNullable<Views['incidents']> {
  /** Sends notifications before the response: a function is frozen after that. */
  const thenNotify = async <T>(act: (desk: Incidents['desk']) => Promise<T>): Promise<T> => {
    const { desk, notify } = await incidents()
    const result = await act(desk)
    await notify.settled()
    return result
  }
  return {
    store: {
      find: async (...request) => (await incidents()).home.store.find(...request),
      list: async (...request) => (await incidents()).home.store.list(...request),
    },
    desk: {
      acknowledge: (...request) => thenNotify((desk) => desk.acknowledge(...request)),
      close: (...request) => thenNotify((desk) => desk.close(...request)),
    },
    links,
  }
}

function viewSources(config: Config, clock: Clock, log: Logger): NonNullable<Views['poller']> {
  const opened = lazy(async () => {
    const { openPoller } = await import('./poller.ts')
    return openPoller({ config, clock, log })
  })
  return { describe: async () => (await opened())?.poller.describe() ?? [] }
}

async function viewRules(
  { config, ports, log }: ViewParts,
  incidents: Lazy<Incidents>,
): Promise<NonNullable<Views['rules']> | undefined> {
  const [{ viewRuleFiles }, { logWatch }] = await Promise.all([
    import('./rule-files.ts'),
    import('../telemetry/watch-log.ts'),
  ])
  const states = {
    readCursor: async (...request) => (await incidents()).home.store.readCursor(...request),
    writeCursor: async (...request) => (await incidents()).home.store.writeCursor(...request),
  } satisfies StateStore
  return viewRuleFiles(config, ports, states, logWatch(log))
}
