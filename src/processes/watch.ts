/** Assembles alert rules and anomalies, for a server that starts and stops them or a function on a schedule. */

import type { Config } from '../config/read-config.ts'
import type { QueryLimits } from '../domain/limits.ts'
import { hideDeleted } from '../flows/delete/delete-logs.ts'
import type { QueryTurns } from '../flows/query/query-turns.ts'
import { AnomalyDetector } from '../flows/rules/detect-anomalies.ts'
import { RuleEvaluator } from '../flows/rules/evaluate-rules.ts'
import { RuleClock, type Timer } from '../flows/rules/rule-clock.ts'
import type { IncidentSink } from '../ports/incidents.ts'
import type { Ports } from '../ports/log-store.ts'
import type { RuleSource, StateStore } from '../ports/rules.ts'
import type { WatchReports } from '../telemetry/watch-log.ts'
import { openRuleFiles, queryLimitsOf } from './rule-files.ts'

export interface WatchParts {
  readonly config: Config
  readonly ports: Ports
  readonly incidents: IncidentSink
  /** For example the incident store. */
  readonly states: StateStore
  /** Must not throw. */
  readonly events: WatchReports
  /** Shared with user queries, if this process serves any. */
  readonly turns?: QueryTurns
}

export interface Watch {
  /** For the rules routes; undefined if no rules are configured. */
  readonly rules: { readonly source: RuleSource; readonly states: StateStore } | undefined
  /** Undefined if anomaly detection is off. */
  readonly anomalies: Pick<AnomalyDetector, 'figures'> | undefined
  /** Evaluates everything due at `nowMs`, ms since the epoch: for a function on a schedule. Never rejects. */
  evaluateDue(nowMs: number): Promise<void>
  /** Evaluates by the clock until close: for a server. */
  start(): void
  /** Resolves when running evaluations have ended; call it before closing the stores. */
  close(): Promise<void>
}

/** How much to catch up after a pause: of the gateway in the embedded home, of the schedule in the aws home. */
const CATCH_UP_MINUTES = { embedded: 2, aws: 15 } as const

const waitFor: Timer = (ms, run) => {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}

/** Throws config_invalid with all faults of invalid rule files. */
export function openWatch(parts: WatchParts): Watch {
  const { config, ports, states, events } = parts
  const limitsOf = queryLimitsOf(config, ports)
  const files = openRuleFiles(config, ports, events)
  const rules = files && openEvaluator(parts, files, limitsOf)
  const anomalies = config.rules.anomalies ? openDetector(parts, limitsOf) : undefined
  let clock: RuleClock | undefined
  const evaluateDue = async (nowMs: number): Promise<void> => {
    await rules?.evaluateDue(nowMs)
    await anomalies?.evaluateDue(nowMs)
  }
  return {
    rules: files && { source: files, states },
    anomalies,
    evaluateDue,
    start: () => {
      if (rules === undefined && anomalies === undefined) return
      clock ??= new RuleClock({ clock: ports.clock, timer: waitFor, evaluateDue })
    },
    close: async () => {
      files?.close()
      await clock?.stop()
    },
  }
}

function openEvaluator(
  { config, ports, incidents, states, events, turns }: WatchParts,
  source: RuleSource,
  limitsOf: (tenant: string) => QueryLimits,
): RuleEvaluator {
  const { alertsMax, timeoutMs } = config.rules
  const shared = { store: readable(ports), clock: ports.clock, incidents, states, events, limitsOf, turns }
  return new RuleEvaluator({ ...shared, source, alertsMax, timeoutMs, signalAfter: (ms) => AbortSignal.timeout(ms) })
}

function openDetector(
  { config, ports, incidents, states, events, turns }: WatchParts,
  limitsOf: (tenant: string) => QueryLimits,
): AnomalyDetector {
  const { anomalyTenants, anomalyWarmUpMs, anomalyFactor, anomalyCountMin, anomalySeriesMax } = config.rules
  const { defaultTenant } = config.auth
  return new AnomalyDetector({
    store: readable(ports),
    clock: ports.clock,
    states,
    incidents,
    limitsOf,
    turns,
    tenants: anomalyTenants ?? (defaultTenant === undefined ? [] : [defaultTenant]),
    settings: {
      warmUpHours: Math.floor(anomalyWarmUpMs / 3_600_000),
      factor: anomalyFactor,
      countMin: anomalyCountMin,
      seriesMax: anomalySeriesMax,
    },
    catchUpMinutes: CATCH_UP_MINUTES[config.service.home],
    signalAfter: (ms) => AbortSignal.timeout(ms),
    onFailure: (tenant, cause) => events.anomaliesFailed(tenant, cause),
  })
}

/** The store without deleted entries. */
function readable({ store, deletions }: Ports): Ports['store'] {
  return deletions === undefined ? store : hideDeleted(store, deletions)
}
