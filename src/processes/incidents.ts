/** Assembles incidents for the gateway, the function and the process that reads log groups. */

import type { Config } from '../config/read-config.ts'
import { AcceptedCounter } from '../flows/incidents/count-accepted.ts'
import type { GroupParts } from '../flows/incidents/count-log-group.ts'
import {
  IncidentLoop,
  LINES_EVERY_MS,
  OUTBOX_EVERY_MS,
  type Round,
  SWEEP_EVERY_MS,
} from '../flows/incidents/incident-loop.ts'
import { NotifyDesk } from '../flows/incidents/notify-incidents.ts'
import { type LineRules, openCounter } from '../flows/incidents/open-counter.ts'
import { IncidentDesk } from '../flows/incidents/raise-incidents.ts'
import { type IncidentHome, type IncidentHomeLog, openIncidentHome } from '../homes/incident-home.ts'
import type { CommittedBlocks, IncidentStore } from '../ports/incidents.ts'
import type { Clock } from '../ports/log-store.ts'
import { readLineRules } from './line-rules.ts'

export interface Incidents {
  readonly home: IncidentHome
  readonly desk: IncidentDesk
  readonly notify: NotifyDesk
  readonly rules: LineRules
  /** The parts that count events of CloudWatch Logs. */
  readonly cloudWatch: GroupParts
  /** Counts for metrics: transitions by name, sent and failed notifications by notifier. */
  readonly totals: IncidentCounts
}

export interface IncidentCounts {
  readonly transitions: Map<string, number>
  readonly sent: Map<string, number>
  readonly failed: Map<string, number>
}

/** Maximum time for the last notifications when the process stops. */
const LAST_MESSAGES_MS = 5_000
/** All targets of an item may use their timeouts one after another before another process tries. */
const LEASE_FACTOR = 3

/** Opens incidents. Throws like openIncidentHome, and config_invalid for an invalid filter. */
export async function openIncidents(config: Config, clock: Clock, log: IncidentHomeLog): Promise<Incidents> {
  const rules = await readLineRules(config, clock)
  const home = await openIncidentHome(config, clock, log)
  const { store, hash } = home
  const { notify: settings, cloudWatch } = config.incidents
  const leaseMs = LEASE_FACTOR * settings.timeoutMs
  const totals: IncidentCounts = { transitions: new Map(), sent: new Map(), failed: new Map() }
  const notify = new NotifyDesk({
    store,
    hash,
    notifiers: home.notifiers,
    clock,
    settings: { ...settings, leaseMs },
    events: {
      sent: (notifier) => count(totals.sent, notifier),
      sendFailed: (notifier, err, isGivenUp) => {
        count(totals.failed, notifier)
        log.warn({ notifier, isGivenUp, err }, 'a notification was not sent')
      },
      outboxFailed: (err) => log.error({ err }, 'the outbox cannot be read or written; notifications are retried'),
    },
    timeoutSignal: (ms) => AbortSignal.timeout(ms),
  })
  const desk = new IncidentDesk({
    store,
    hash,
    clock,
    settings: { targets: home.notifiers.map(({ name }) => name), leaseMs, singlesMax: settings.perMinuteMax },
    onWritten: (item) => notify.offer(item),
    onTransition: (transition) => count(totals.transitions, transition),
  })
  const opened = openCounter(rules, hash, clock)
  const parts = { desk, opened, hash, clock, tenant: cloudWatch.tenant }
  return { home, desk, notify, rules, cloudWatch: parts, totals }
}

/** Incidents as people read them: counts that wait are applied first. */
export function readApplied({ home, desk }: Incidents): Pick<IncidentStore, 'find' | 'list'> {
  return {
    find: async (ref) => {
      await desk.fold()
      return home.store.find(ref)
    },
    list: async (listing) => {
      await desk.fold()
      return home.store.list(listing)
    },
  }
}

/** The periodic tasks of every long-running process. */
export function commonRounds({ desk, notify }: Incidents): readonly Round[] {
  return [
    { everyMs: OUTBOX_EVERY_MS, run: () => notify.sendDue() },
    { everyMs: SWEEP_EVERY_MS, run: () => desk.sweep() },
  ]
}

export interface RunningIncidents {
  /** Counts the last accepted lines, sends their notifications, and closes the store. */
  stop(): Promise<void>
}

export interface StartParts {
  /** The blocks of the gateway's own store. */
  readonly blocks: CommittedBlocks
  readonly clock: Clock
  readonly log: IncidentHomeLog
}

/** Counts the accepted lines of a gateway in the embedded home. Rejects with store_unavailable. */
export async function startIncidents(
  incidents: Incidents,
  { blocks, clock, log }: StartParts,
): Promise<RunningIncidents> {
  const { home, desk, rules } = incidents
  const onFailure = (err: unknown): void => log.error({ err }, 'counting incidents failed; the next round retries')
  const counter = new AcceptedCounter({ rules, hash: home.hash, desk, store: home.store, blocks, clock, onFailure })
  await counter.begin()
  const counting = { everyMs: LINES_EVERY_MS, run: () => counter.round() }
  const loop = new IncidentLoop([counting, ...commonRounds(incidents)], scheduleTimer, onFailure)
  loop.start()
  return {
    stop: () =>
      closeIncidents(incidents, async () => {
        await loop.stop()
        await counter.finish()
      }),
  }
}

/**
 * Runs `finish` to count the last lines, sends notifications as long as receivers respond quickly, and closes the
 * store.
 */
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

/** Schedules with a real timer. */
export function scheduleTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
