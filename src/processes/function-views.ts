/**
 * Views of the gateway's function on incidents, alert rules and polled sources. Their code and clients are loaded on
 * first use, because most functions start for a push.
 */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { type Lazy, lazy } from '../kit/lazy.ts'
import type { Clock } from '../ports/log-store.ts'
import type { AppParts } from '../transport/http/app.ts'
import type { Incidents } from './incidents.ts'

type Views = Pick<AppParts, 'incidents' | 'poller' | 'rules'>

/** Reads the rule files immediately; throws config_invalid if they are invalid. */
export async function openViews(config: Config, clock: Clock, log: Logger): Promise<Views> {
  const { incidents: settings, poll, rules } = config
  const incidents = lazy(async () => {
    const { openIncidents } = await import('./incidents.ts')
    return openIncidents(config, clock, log)
  })
  return {
    incidents: settings.enabled ? viewIncidents(incidents, settings.links) : undefined,
    poller: poll.projects.length > 0 ? viewSources(config, clock, log) : undefined,
    ...(rules.path !== undefined && { rules: await viewRules(config, incidents) }),
  }
}

function viewIncidents(
  incidents: Lazy<Incidents>,
  links: Config['incidents']['links'],
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

async function viewRules(config: Config, incidents: Lazy<Incidents>): Promise<NonNullable<Views['rules']>> {
  const [{ openRules }, { checkRuleExpr, checkRuleTemplate }] = await Promise.all([
    import('../homes/rules.ts'),
    import('../flows/rules/check-rules.ts'),
  ])
  const checks = {
    expr: (text: string, intervalMs: number) => checkRuleExpr(text, intervalMs, config.query),
    template: checkRuleTemplate,
  }
  const events = { rulesChanged: () => undefined, rulesRefused: () => undefined }
  const source = openRules(config, { checksOf: () => checks, events })
  if (source === undefined) throw new Error('BUG: no rules are configured')
  return {
    source,
    states: {
      readCursor: async (...request) => (await incidents()).home.store.readCursor(...request),
      writeCursor: async (...request) => (await incidents()).home.store.writeCursor(...request),
    },
  }
}
