/** Incidents put together: for the gateway, the function and the process that reads log groups. */

import { setImmediate } from 'node:timers/promises'
import type { Config } from '../config/read-config.ts'
import { LEVELS } from '../domain/entries/level.ts'
import { GatewayError } from '../domain/errors.ts'
import { KindLimits } from '../domain/incidents/kind-limits.ts'
import { watchFeed } from '../flows/incidents/accepted-feed.ts'
import { LineObserver, type LineRules } from '../flows/incidents/find-errors.ts'
import {
  IncidentLoop,
  LINES_EVERY_MS,
  OUTBOX_EVERY_MS,
  type Round,
  SWEEP_EVERY_MS,
} from '../flows/incidents/incident-loop.ts'
import { NotifyDesk } from '../flows/incidents/notify-incidents.ts'
import type { CloudWatchParts } from '../flows/incidents/raise-cloudwatch.ts'
import { IncidentDesk } from '../flows/incidents/raise-incidents.ts'
import { LineWatch } from '../flows/incidents/scan-accepted.ts'
import { type AlertHome, type AlertLog, openAlertHome } from '../homes/incident-home.ts'
import type { Clock, LiveFeed } from '../ports/log-store.ts'

export interface Alerts {
  readonly home: AlertHome
  readonly desk: IncidentDesk
  readonly notify: NotifyDesk
  readonly rules: LineRules
  /** What events of CloudWatch Logs are raised with. */
  readonly cloudWatch: CloudWatchParts
  /** Counts for metrics: transitions by name, messages sent and failed by notifier. */
  readonly totals: AlertTotals
}

export interface AlertTotals {
  readonly transitions: Map<string, number>
  readonly sent: Map<string, number>
  readonly failed: Map<string, number>
}

/** How long people are told of what was found last, once the process is told to stop. */
const LAST_MESSAGES_MS = 5_000
/** All targets of an item may take their time one after the other before anybody else tries. */
const LEASE_FACTOR = 3

/** Opens what incidents need. Throws as openAlertHome does, and config_invalid for a filter that cannot be read. */
export async function openAlerts(config: Config, clock: Clock, log: AlertLog): Promise<Alerts> {
  const rules = readRules(config, clock)
  const home = await openAlertHome(config, clock, log)
  const { notify: settings, cloudWatch } = config.alerts
  const leaseMs = LEASE_FACTOR * settings.timeoutMs
  const totals: AlertTotals = { transitions: new Map(), sent: new Map(), failed: new Map() }
  const notify = new NotifyDesk({
    store: home.store,
    notifiers: home.notifiers,
    clock,
    settings: { ...settings, leaseMs },
    events: {
      sent: (notifier) => count(totals.sent, notifier),
      sendFailed: (notifier, err, isGivenUp) => {
        count(totals.failed, notifier)
        log.warn({ notifier, isGivenUp, err }, 'a notification was not taken')
      },
      outboxFailed: (err) => log.error({ err }, 'notifications cannot be read or written; they are tried again'),
    },
    timeoutSignal: (ms) => AbortSignal.timeout(ms),
  })
  const desk = new IncidentDesk({
    store: home.store,
    clock,
    settings: { targets: home.notifiers.map(({ name }) => name), leaseMs },
    onWritten: (item) => notify.offer(item),
    onTransition: (transition) => count(totals.transitions, transition),
  })
  const parts = { sink: desk, audit: home.audit, rules, clock, kinds: new KindLimits(), tenant: cloudWatch.tenant }
  return { home, desk, notify, rules, cloudWatch: parts, totals }
}

function readRules({ alerts }: Config, clock: Clock): LineRules {
  const rules = { ...alerts.lines, levelMin: LEVELS.indexOf(alerts.lines.levelMin) }
  try {
    // Each who looks at lines compiles its own: here it is only tried.
    new LineObserver(rules, clock.nowMs())
    return rules
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GatewayError('config_invalid', `MILLRACE_INCIDENT_FILTER: ${why}; wanted a LogQL log query`, { cause })
  }
}

/** Rounds that every process which stays up has. */
export function commonRounds({ desk, notify }: Alerts): readonly Round[] {
  return [
    { everyMs: OUTBOX_EVERY_MS, run: () => notify.sendDue() },
    { everyMs: SWEEP_EVERY_MS, run: () => desk.sweep() },
  ]
}

export interface RunningAlerts {
  /** The feed to hand to the application: what it publishes is looked at. */
  readonly feed: LiveFeed
  /** Looks at what was accepted last, tells of it, and lets go of the store. */
  stop(): Promise<void>
}

/** Watches the lines that a gateway of the embedded home accepts. `rounds`: more that are to run beside. */
export async function startWatching(
  alerts: Alerts,
  { feed, clock, log, rounds = [] }: { feed: LiveFeed; clock: Clock; log: AlertLog; rounds?: readonly Round[] },
): Promise<RunningAlerts> {
  const { home, desk: sink, rules } = alerts
  const { blocks, store, audit } = home
  if (blocks === undefined) throw new Error('BUG: lines are watched where none are kept')
  const onFailure = (err: unknown): void => log.error({ err }, 'incidents fall behind; the next round tries again')
  const watch = new LineWatch({ rules, sink, audit, store, blocks, clock, pause: () => setImmediate(), onFailure })
  await watch.begin()
  const watching = { everyMs: LINES_EVERY_MS, run: () => watch.round() }
  const loop = new IncidentLoop([watching, ...commonRounds(alerts), ...rounds], scheduleTimer, onFailure)
  loop.start()
  return {
    feed: watchFeed(feed, (batch) => watch.offer(batch)),
    stop: () =>
      closeAlerts(alerts, async () => {
        await loop.stop()
        await watch.round()
      }),
  }
}

/** Lets `finish` find the last incidents, tells of them while receivers answer soon, and lets go of the store. */
export async function closeAlerts({ home, notify }: Alerts, finish: () => Promise<void>): Promise<void> {
  const cancel = scheduleTimer(() => notify.abandon(), LAST_MESSAGES_MS)
  try {
    await finish()
    await notify.settled()
  } finally {
    cancel()
    await home.close()
  }
}

/** A timer of the machine's. */
export function scheduleTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
