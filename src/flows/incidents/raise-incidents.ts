/** Raises, acknowledges and closes incidents, and writes what is to be told of them along with each change. */

import { GatewayError } from '../../domain/errors.ts'
import { CHANGE_EVENTS_MAX } from '../../domain/incidents/event-window.ts'
import {
  acknowledge,
  applyReport,
  close,
  closeQuiet,
  type Incident,
  type IncidentChange,
  type IncidentEvent,
  type IncidentRef,
  type IncidentReport,
  incidentIdOf,
  type Transition,
} from '../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../domain/incidents/notification.ts'
import type { Decision, IncidentSink, IncidentStore, Raised } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'

export interface DeskSettings {
  /** Names of the notifiers that are told of each transition. */
  readonly targets: readonly string[]
  /** How long whoever changed an incident has to tell of it; then anybody may. */
  readonly leaseMs: number
}

export interface DeskParts {
  readonly store: IncidentStore
  readonly clock: Clock
  readonly settings: DeskSettings
  /** Told of each outbox item as soon as it is written: whoever is told has the lease. Must not throw. */
  readonly onWritten: (item: OutboxItem) => void
  /** Told of each transition, for metrics. */
  readonly onTransition?: (transition: Transition, incident: Incident) => void
}

/** Incidents closed by themselves in one round; the next round takes the rest. */
const QUIET_MAX = 500
/** Samples in a notification, and characters of each: it has to fit into a mail, and many of them into the outbox. */
const TOLD_SAMPLES = 3
const TOLD_SAMPLE_CHARS_MAX = 500

export class IncidentDesk implements IncidentSink {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  async raise(report: IncidentReport): Promise<Raised> {
    const { tenant } = report
    const id = incidentIdOf(report)
    let counted = 0
    let transition: Transition | undefined
    for (const events of chunks(report.events)) {
      let fresh = 0
      const decision = await this.#change({ tenant, id }, events, (found, isFresh) => {
        fresh = 0
        const isCounted = (event: IncidentEvent): boolean => {
          const isNew = isFresh(event)
          if (isNew) fresh++
          return isNew
        }
        return applyReport(found, { ...report, events }, isCounted, this.#parts.clock.nowMs())
      })
      if (decision === undefined) continue
      counted += fresh
      transition ??= decision.transition
    }
    return { tenant, id, counted, transition }
  }

  async resolve(incident: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>): Promise<void> {
    const ref = { tenant: incident.tenant, id: incidentIdOf(incident) }
    await this.#change(ref, [], (found) => found && close(found, undefined, this.#parts.clock.nowMs()))
  }

  /** A person has seen it. Throws not_found, or state_conflict when it is closed. */
  acknowledge(ref: IncidentRef, by: string): Promise<Incident> {
    return this.#changeKnown(ref, (found, nowMs) => acknowledge(found, by, nowMs))
  }

  /** A person says that it is over. Throws not_found. */
  close(ref: IncidentRef, by: string): Promise<Incident> {
    return this.#changeKnown(ref, (found, nowMs) => close(found, by, nowMs))
  }

  /** Closes what was quiet for long enough, and forgets what is old. Calls may overlap. Resolves to how many closed. */
  async sweep(): Promise<number> {
    const { store, clock } = this.#parts
    const quiet = await store.listQuiet(clock.nowMs(), QUIET_MAX)
    let closed = 0
    for (const ref of quiet) {
      const decision = await this.#change(ref, [], (found) => found && closeQuiet(found, clock.nowMs()))
      if (decision !== undefined) closed++
    }
    await store.prune(clock.nowMs())
    return closed
  }

  async #changeKnown(
    ref: IncidentRef,
    change: (found: Incident, nowMs: number) => IncidentChange | undefined,
  ): Promise<Incident> {
    let known: Incident | undefined
    const decision = await this.#change(ref, [], (found) => {
      known = found
      return found && change(found, this.#parts.clock.nowMs())
    })
    if (known === undefined) {
      throw new GatewayError('not_found', 'no incident of this tenant has this id; list them at GET /incidents')
    }
    return decision?.incident ?? known
  }

  async #change(
    ref: IncidentRef,
    events: readonly IncidentEvent[],
    decide: (
      found: Incident | undefined,
      isFresh: (event: Pick<IncidentEvent, 'id' | 'ms'>) => boolean,
    ) => IncidentChange | undefined,
  ): Promise<Decision | undefined> {
    const { store, onWritten, onTransition } = this.#parts
    const decision = await store.change(ref, events, (found, isFresh) => this.#withOutbox(decide(found, isFresh)))
    if (decision?.transition !== undefined) onTransition?.(decision.transition, decision.incident)
    if (decision?.outbox !== undefined) onWritten(decision.outbox)
    return decision
  }

  #withOutbox(change: IncidentChange | undefined): Decision | undefined {
    const { settings, clock } = this.#parts
    if (change?.transition === undefined || settings.targets.length === 0) return change
    const { incident, transition } = change
    const nowMs = clock.nowMs()
    const samples = incident.samples
      .slice(-TOLD_SAMPLES)
      .map((sample) => ({ ...sample, line: sample.line.slice(0, TOLD_SAMPLE_CHARS_MAX).toWellFormed() }))
    const told = { ...incident, samples }
    const notification = { id: `${incident.id}-${incident.transitions}`, transition, createdMs: nowMs, incident: told }
    const dueMs = nowMs + settings.leaseMs
    return { ...change, outbox: { notification, targets: settings.targets, attempts: 0, dueMs, digestId: undefined } }
  }
}

/** At most CHANGE_EVENTS_MAX at a time, in the order of their times, each id once. */
function chunks(events: readonly IncidentEvent[]): readonly (readonly IncidentEvent[])[] {
  const known = new Set<string>()
  const once = events.filter(({ id }) => !known.has(id) && known.add(id))
  once.sort((a, b) => a.ms - b.ms)
  const parts: IncidentEvent[][] = []
  for (let i = 0; i < once.length; i += CHANGE_EVENTS_MAX) parts.push(once.slice(i, i + CHANGE_EVENTS_MAX))
  return parts
}
