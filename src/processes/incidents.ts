/** Incidents put together: for the gateway, the function and the process that reads log groups. */

import { setImmediate } from 'node:timers/promises'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { KindLimits } from '../domain/incidents/kind-limits.ts'
import { LEVELS } from '../domain/levels/level.ts'
import { teeFeed } from '../flows/incidents/accepted-feed.ts'
import { LineGrouper, type LineRules } from '../flows/incidents/find-errors.ts'
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
import { LineScanner } from '../flows/incidents/scan-accepted.ts'
import { type IncidentHome, type IncidentHomeLog, openIncidentHome } from '../homes/incident-home.ts'
import type { Clock, LiveFeed } from '../ports/log-store.ts'

export interface Incidents {
  readonly home: IncidentHome
  readonly desk: IncidentDesk
  readonly notify: NotifyDesk
  readonly rules: LineRules
  /** What events of CloudWatch Logs are raised with. */
  readonly cloudWatch: CloudWatchParts
  /** Counts for metrics: transitions by name, messages sent and failed by notifier. */
  readonly totals: IncidentCounts
}

export interface IncidentCounts {
  readonly transitions: Map<string, number>
  readonly sent: Map<string, number>
  readonly failed: Map<string, number>
}

/** How long people are told of what was found last, once the process is told to stop. */
const LAST_MESSAGES_MS = 5_000
/** All targets of an item may take their time one after the other before anybody else tries. */
const LEASE_FACTOR = 3

/** Opens what incidents need. Throws as openIncidentHome does, and config_invalid for a filter that cannot be read. */
export async function openIncidents(config: Config, clock: Clock, log: IncidentHomeLog): Promise<Incidents> {
  const rules = readRules(config, clock)
  const home = await openIncidentHome(config, clock, log)
  const { notify: settings, cloudWatch } = config.incidents
  const leaseMs = LEASE_FACTOR * settings.timeoutMs
  const totals: IncidentCounts = { transitions: new Map(), sent: new Map(), failed: new Map() }
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

function readRules({ incidents }: Config, clock: Clock): LineRules {
  const rules = { ...incidents.lines, levelMin: LEVELS.indexOf(incidents.lines.levelMin) }
  try {
    // Each who looks at lines compiles its own: here it is only tried.
    new LineGrouper(rules, clock.nowMs())
    return rules
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GatewayError('config_invalid', `MILLRACE_INCIDENT_FILTER: ${why}; wanted a LogQL log query`, { cause })
  }
}

/** Rounds that every process which stays up has. */
export function commonRounds({ desk, notify }: Incidents): readonly Round[] {
  return [
    { everyMs: OUTBOX_EVERY_MS, run: () => notify.sendDue() },
    { everyMs: SWEEP_EVERY_MS, run: () => desk.sweep() },
  ]
}

export interface RunningIncidents {
  /** The feed to hand to the application: what it publishes is looked at. */
  readonly feed: LiveFeed
  /** Looks at what was accepted last, tells of it, and lets go of the store. */
  stop(): Promise<void>
}

/** Watches the lines that a gateway of the embedded home accepts. */
export async function startIncidents(
  incidents: Incidents,
  { feed, clock, log }: { feed: LiveFeed; clock: Clock; log: IncidentHomeLog },
): Promise<RunningIncidents> {
  const { home, desk: sink, rules } = incidents
  const { blocks, store, audit } = home
  if (blocks === undefined) throw new Error('BUG: lines are watched where none are kept')
  const onFailure = (err: unknown): void => log.error({ err }, 'incidents fall behind; the next round tries again')
  const scanner = new LineScanner({ rules, sink, audit, store, blocks, clock, pause: () => setImmediate(), onFailure })
  await scanner.begin()
  const scanning = { everyMs: LINES_EVERY_MS, run: () => scanner.round() }
  const loop = new IncidentLoop([scanning, ...commonRounds(incidents)], scheduleTimer, onFailure)
  loop.start()
  return {
    feed: teeFeed(feed, (batch) => scanner.offer(batch)),
    stop: () =>
      closeIncidents(incidents, async () => {
        await loop.stop()
        await scanner.round()
      }),
  }
}

/** Lets `finish` find the last incidents, tells of them while receivers answer soon, and lets go of the store. */
export async function closeIncidents({ home, notify }: Incidents, finish: () => Promise<void>): Promise<void> {
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
