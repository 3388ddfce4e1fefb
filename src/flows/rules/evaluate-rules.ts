/** Evaluates due groups of alert rules, and reports firing and resolved alerts as incidents. */

import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { type Alert, advanceAlerts, type RuleGroup } from '../../domain/rules/alert-rule.ts'
import {
  fitState,
  formatGroupState,
  type GroupState,
  parseGroupState,
  type RuleState,
  stateNameOf,
} from '../../domain/rules/rule-state.ts'
import type { IncidentSink } from '../../ports/incidents.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import type { RuleSource, StateStore } from '../../ports/rules.ts'
import { openTurn, type QueryTurns } from '../query/query-turns.ts'
import { needsReport, reportAlert } from './report-alert.ts'
import { sampleRule } from './sample-rule.ts'

/** Events of an evaluation. Must not throw. */
export interface RuleEvents {
  groupEvaluated(group: RuleGroup, seconds: number): void
  /** A rule could not be evaluated and keeps its alerts. */
  ruleFailed(group: RuleGroup, rule: string, cause: unknown): void
  /** The state could not be read or written, or an incident could not be reported; the next evaluation retries. */
  groupFailed(group: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>, cause: unknown): void
}

export interface RuleParts {
  readonly source: RuleSource
  readonly states: StateStore
  readonly store: LogStore
  readonly clock: Clock
  readonly limitsOf: (tenant: string) => QueryLimits
  /** Shared with user queries, if this process serves any. */
  readonly turns?: QueryTurns | undefined
  readonly incidents: IncidentSink
  readonly events: RuleEvents
  /** Maximum number of alerts per rule, unless the group has a lower limit. */
  readonly alertsMax: number
  /** Timeout for the evaluation of a group. */
  readonly timeoutMs: number
  /** A signal that is aborted after `ms`. */
  readonly signalAfter: (ms: number) => AbortSignal
}

/** Maximum number of concurrent evaluations, to leave capacity for user queries. */
const GROUPS_RUNNING_MAX = 2
/** How long a group waits after a failure. */
const RETRY_MS = 10_000
/** Maximum difference between the clocks of two processes. */
const CLOCKS_DIFFER_MS = 5 * 60_000
/** The state with the names of all groups, so that the alerts of removed groups are closed. */
const INDEX_NAME = 'rules'

type GroupName = Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>

/**
 * A group is due at every multiple of its interval since the epoch. If ticks were missed, only the last is evaluated. The
 * evaluations of a group do not overlap; its state is in the state store, so that any process can do the next evaluation.
 * Two processes that evaluate the same tick report the same incidents with the same ids.
 */
export class RuleEvaluator {
  readonly #parts: RuleParts
  /** The last known tick of each group. */
  readonly #ticks = new Map<string, number>()
  /** When to retry a failed group or the index: readings of Clock.monotonicMs. */
  readonly #retries = new Map<string, number>()
  readonly #running = new Set<string>()
  /** The stored text of the index. */
  #index: string | undefined

  constructor(parts: RuleParts) {
    this.#parts = parts
  }

  /** Evaluates the groups due at `nowMs`, ms since the epoch; resolves to their number. Never rejects. */
  async evaluateDue(nowMs: number): Promise<number> {
    const groups = this.#parts.source.list()
    await this.#closeGone(groups)
    const due = groups.filter((group) => this.#isDue(group, nowMs))
    let next = 0
    let evaluated = 0
    const work = async (): Promise<void> => {
      for (let group = due[next++]; group !== undefined; group = due[next++]) {
        if (await this.#evaluateOnce(group, nowMs)) evaluated++
      }
    }
    await Promise.all(Array.from({ length: GROUPS_RUNNING_MAX }, work))
    return evaluated
  }

  #isDue(group: RuleGroup, nowMs: number): boolean {
    const name = stateNameOf(group)
    if (this.#waits(name)) return false
    return isTickNew(this.#ticks.get(name), tickOf(group, nowMs))
  }

  #waits(name: string): boolean {
    const dueMs = this.#retries.get(name)
    return dueMs !== undefined && this.#parts.clock.monotonicMs() < dueMs
  }

  #retryLater(name: string): void {
    this.#retries.set(name, this.#parts.clock.monotonicMs() + RETRY_MS)
  }

  /** True if it was evaluated. */
  async #evaluateOnce(group: RuleGroup, nowMs: number): Promise<boolean> {
    const name = stateNameOf(group)
    if (this.#running.has(name)) return false
    this.#running.add(name)
    try {
      const tickMs = tickOf(group, nowMs)
      const { isEvaluated, isReported } = await this.#evaluateGroup(group, tickMs)
      if (isReported) this.#ticks.set(name, tickMs)
      else this.#retryLater(name)
      return isEvaluated
    } catch (cause) {
      this.#retryLater(name)
      this.#parts.events.groupFailed(group, cause)
      return false
    } finally {
      this.#running.delete(name)
    }
  }

  /** Skips a tick that was already evaluated, here or by another process, but retries failed reports. */
  async #evaluateGroup(group: RuleGroup, tickMs: number): Promise<{ isEvaluated: boolean; isReported: boolean }> {
    const { states, clock, events } = this.#parts
    const name = stateNameOf(group)
    const { state: before, left } = fitState(parseGroupState(await states.readCursor(name)), group)
    // Before anything is written: if the report fails, the alerts of removed rules must not be lost.
    await this.#closeAlerts(group, left)
    const isEvaluated = isTickNew(before.tickMs, tickMs)
    let state = before
    if (isEvaluated) {
      const startedMs = clock.monotonicMs()
      const rules = await this.#evaluateRules(group, before, tickMs)
      state = { tickMs, seconds: (clock.monotonicMs() - startedMs) / 1000, rules }
      // The state is written before the report: after a crash in between, the next process reports with the same ids.
      await states.writeCursor(name, formatGroupState(state))
      events.groupEvaluated(group, state.seconds)
    }
    if (!hasUnreported(state)) return { isEvaluated, isReported: true }
    state = { ...state, rules: await this.#reportRules(group, state.rules) }
    await states.writeCursor(name, formatGroupState(state))
    return { isEvaluated, isReported: !hasUnreported(state) }
  }

  async #evaluateRules(group: RuleGroup, before: GroupState, tickMs: number): Promise<RuleState[]> {
    const { clock, events, timeoutMs, signalAfter } = this.#parts
    const missedMs = before.tickMs === undefined ? 0 : Math.max(0, tickMs - before.tickMs - group.intervalMs)
    const signal = signalAfter(timeoutMs)
    const room = { chars: STATE_CHARS_MAX }
    const after: RuleState[] = []
    for (const [index, rule] of group.rules.entries()) {
      // fitState returns one state for each rule.
      const state = before.rules[index] as RuleState
      const startedMs = clock.monotonicMs()
      const done = { evaluatedMs: tickMs, seconds: 0 }
      try {
        const samples = await this.#sample(group, rule, tickMs, room, signal)
        const alerts = advanceAlerts(state.alerts, { rule, samples, nowMs: tickMs, missedMs })
        const seconds = (clock.monotonicMs() - startedMs) / 1000
        after.push({ ...state, ...done, seconds, health: 'ok', lastError: '', alerts })
      } catch (cause) {
        events.ruleFailed(group, rule.name, cause)
        const seconds = (clock.monotonicMs() - startedMs) / 1000
        after.push({ ...state, ...done, seconds, health: 'err', lastError: wordsOf(cause, timeoutMs) })
      }
    }
    return after
  }

  async #sample(
    group: RuleGroup,
    rule: RuleGroup['rules'][number],
    tickMs: number,
    room: { chars: number },
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<typeof sampleRule>>> {
    signal.throwIfAborted()
    const { store, clock, limitsOf, alertsMax, turns } = this.#parts
    const limits = limitsOf(group.tenant)
    const samplesMax = group.limit === 0 ? alertsMax : Math.min(group.limit, alertsMax)
    const turn = openTurn(turns, group.tenant, signal)
    const samples = await sampleRule({ store, clock, limits }, { group, rule, tickMs, samplesMax }, turn)
    room.chars -= JSON.stringify(samples).length
    if (room.chars >= 0) return samples
    const text = `the alerts of the group have more than ${STATE_CHARS_MAX} characters; split the group or shorten their texts`
    throw new GatewayError('query_refused', text)
  }

  /** Failed reports are retried at the next evaluation. */
  async #reportRules(group: RuleGroup, rules: readonly RuleState[]): Promise<RuleState[]> {
    const { incidents, events } = this.#parts
    const reported: RuleState[] = []
    for (const [index, rule] of rules.entries()) {
      const alerts: Alert[] = []
      for (const alert of rule.alerts) {
        try {
          const after = await reportAlert(incidents, group, alert, group.rules[index]?.expr)
          if (after !== undefined) alerts.push(after)
        } catch (cause) {
          events.groupFailed(group, cause)
          alerts.push(alert)
        }
      }
      reported.push({ ...rule, alerts })
    }
    return reported
  }

  /** Closes the incidents of alerts whose rule was removed. Rejects with store_unavailable. */
  async #closeAlerts(group: GroupName, alerts: readonly Alert[]): Promise<void> {
    for (const alert of alerts) {
      await reportAlert(this.#parts.incidents, group, { ...alert, state: 'resolved', isReported: false }, undefined)
    }
  }

  /** Closes the alerts of removed groups. */
  async #closeGone(groups: readonly RuleGroup[]): Promise<void> {
    const { states, events } = this.#parts
    const names = groups.map(({ tenant, namespace, name }): GroupName => ({ tenant, namespace, name }))
    const index = JSON.stringify(names)
    if (index === this.#index || this.#waits(INDEX_NAME)) return
    try {
      const here = new Set(names.map(stateNameOf))
      for (const gone of readIndex(await states.readCursor(INDEX_NAME))) {
        const name = stateNameOf(gone)
        if (here.has(name)) continue
        const { left } = fitState(parseGroupState(await states.readCursor(name)), { rules: [] })
        await this.#closeAlerts(gone, left)
        await states.writeCursor(name, formatGroupState({ tickMs: undefined, seconds: 0, rules: [] }))
        this.#ticks.delete(name)
      }
      await states.writeCursor(INDEX_NAME, index)
      this.#index = index
    } catch (cause) {
      this.#retryLater(INDEX_NAME)
      events.groupFailed({ tenant: '', namespace: '', name: '' }, cause)
    }
  }
}

/** Well below the size limit of a DynamoDB item, even with two bytes per character. */
const STATE_CHARS_MAX = 150_000

function hasUnreported({ rules }: GroupState): boolean {
  return rules.some(({ alerts }) => alerts.some(needsReport))
}

/** The last multiple of the group's interval. */
function tickOf({ intervalMs }: RuleGroup, nowMs: number): number {
  return Math.floor(nowMs / intervalMs) * intervalMs
}

/** Ignores a tick far in the future: if the clock moved backwards, do not wait for it to catch up. */
function isTickNew(lastMs: number | undefined, tickMs: number): boolean {
  return lastMs === undefined || lastMs < tickMs || lastMs - tickMs > CLOCKS_DIFFER_MS
}

function wordsOf(cause: unknown, timeoutMs: number): string {
  if (cause instanceof GatewayError) return cause.message
  if (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError')) {
    return `the evaluation of the group took longer than ${timeoutMs} ms; simplify its queries or raise MILLRACE_RULES_TIMEOUT`
  }
  return 'the evaluation failed; see the log of the gateway'
}

/** Parses the text of the index; invalid text gives no groups. */
function readIndex(text: string | undefined): readonly GroupName[] {
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter(isGroupName) : []
  } catch {
    return [] // as an index of another version
  }
}

function isGroupName(value: unknown): value is GroupName {
  if (typeof value !== 'object' || value === null) return false
  return ['tenant', 'namespace', 'name'].every((field) => typeof Reflect.get(value, field) === 'string')
}
