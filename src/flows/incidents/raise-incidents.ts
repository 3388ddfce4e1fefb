/**
 * Raises, acknowledges and closes incidents, and writes the notification of each transition in the same transaction.
 */

import { GatewayError } from '../../domain/errors.ts'
import {
  acknowledge,
  applyCount,
  applyReport,
  close,
  closeQuiet,
  type Incident,
  type IncidentChange,
  type IncidentKey,
  type IncidentRef,
  type IncidentReport,
  type KeyedHash,
  type LineCount,
  nameIncident,
  type Sample,
  type Transition,
} from '../../domain/incidents/incident.ts'
import { DIGEST_PENDING, nextDigestMs, type OutboxItem } from '../../domain/incidents/notification.ts'
import type {
  CountDecider,
  CountRecord,
  Decision,
  IncidentSink,
  IncidentStore,
  Raised,
  RecordOutcome,
} from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'

export interface DeskSettings {
  /** Names of the notifiers that each transition is sent to. */
  readonly targets: readonly string[]
  /** How long only the process that wrote a notification may send it; after that any process may. */
  readonly leaseMs: number
  /**
   * Maximum number of notifications of lines that are counted together to be sent one by one, without delay. The others go
   * straight to the next digest: there is no room for more of them in this minute.
   */
  readonly singlesMax: number
}

export interface DeskParts {
  readonly store: IncidentStore
  readonly clock: Clock
  readonly settings: DeskSettings
  readonly hash: KeyedHash
  /** Called with each outbox item to be sent now, after it is written; the callee has its lease. Must not throw. */
  readonly onWritten: (item: OutboxItem) => void
  /** Called for each transition, for metrics. */
  readonly onTransition?: (transition: Transition, incident: Incident) => void
}

/** Maximum number of incidents closed in one round. */
const QUIET_MAX = 500
/**
 * Maximum number of samples in a notification, and characters of each: it must fit into a mail, and many into the
 * outbox.
 */
const SENT_SAMPLES = 3
const SENT_SAMPLE_CHARS_MAX = 500
/** How long an incident is assumed to be open without checking; its lines can wait for the next fold. */
const KNOWN_OPEN_MS = 60_000
const KNOWN_OPEN_MAX = 10_000
/** Maximum number of ids in memory. */
const IDS_MAX = 10_000

export class IncidentDesk implements IncidentSink {
  readonly #parts: DeskParts
  /** Of lines: their ids by tenant and key, because a keyed hash takes longer than what is done with it. */
  readonly #ids = new Map<string, Map<string, string>>()
  #idCount = 0
  /** When a fold last saw an incident open, ms since the epoch. */
  readonly #open = new Map<string, number>()

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** Decides about lines that are counted together. */
  #decideTogether(): CountDecider {
    const { clock, settings } = this.#parts
    // By id, so that a decision that is repeated stays the same.
    const singles = new Set<string>()
    return {
      idOf: (lines) => this.#idOf(lines),
      decide: (current, id, lines) => {
        const change = applyCount(current, id, lines, clock.nowMs())
        if (change.transition !== undefined && singles.size < settings.singlesMax) singles.add(id)
        return this.#withOutbox(change, singles.has(id))
      },
    }
  }

  #idOf({ tenant, key, kind }: LineCount): string {
    const ofTenant = this.#ids.get(tenant)
    const known = ofTenant?.get(key)
    if (known !== undefined) return known
    if (this.#idCount >= IDS_MAX) {
      this.#ids.clear()
      this.#idCount = 0
    }
    const id = nameIncident(this.#parts.hash, { tenant, key, kind })
    const ids = this.#ids.get(tenant)
    if (ids === undefined) this.#ids.set(tenant, new Map([[key, id]]))
    else ids.set(key, id)
    this.#idCount++
    return id
  }

  async raise(report: IncidentReport): Promise<Raised> {
    const { clock } = this.#parts
    const ref = this.refOf(report)
    const decision = await this.#change(ref, (current) => applyReport(current, ref.id, report, clock.nowMs()))
    return { ...ref, counted: decision === undefined ? 0 : 1, transition: decision?.transition }
  }

  async resolve(key: IncidentKey): Promise<void> {
    await this.#change(this.refOf(key), (current) => current && close(current, undefined, this.#parts.clock.nowMs()))
  }

  /**
   * Writes counted lines. Counts of incidents that were not seen open within a minute are applied immediately, others
   * perhaps by the next fold. Rejects with store_unavailable.
   */
  async record(record: CountRecord): Promise<RecordOutcome> {
    const { true: later = [], false: counts = [] } = Object.groupBy(record.counts, (lines) =>
      this.#isKnownOpen(lines) ? 'true' : 'false',
    )
    const outcome = await this.#parts.store.record({ ...record, counts, later }, this.#decideTogether())
    for (const decision of outcome.decisions) this.#announce(decision)
    // Also if the delivery is not new: its recorder may have died before applying it.
    if (!outcome.isPending || counts.length === 0) return outcome
    const ids = new Set(counts.map((lines) => this.#idOf(lines)))
    const decisions = (await this.fold()).filter(({ incident }) => ids.has(incident.id))
    return { ...outcome, decisions }
  }

  #isKnownOpen(lines: LineCount): boolean {
    const seenMs = this.#open.get(this.#idOf(lines))
    return seenMs !== undefined && this.#parts.clock.monotonicMs() - seenMs < KNOWN_OPEN_MS
  }

  /** Applies counts of other processes. Resolves to the changed incidents. Rejects with store_unavailable. */
  async fold(): Promise<readonly Decision[]> {
    const decisions = await this.#parts.store.fold(this.#decideTogether())
    for (const decision of decisions) this.#announce(decision)
    return decisions
  }

  refOf(key: IncidentKey): IncidentRef {
    return { tenant: key.tenant, id: nameIncident(this.#parts.hash, key) }
  }

  /** Marks it as seen by a person. Throws not_found, or state_conflict if it is closed. */
  acknowledge(ref: IncidentRef, by: string): Promise<Incident> {
    return this.#changeKnown(ref, (current, nowMs) => acknowledge(current, by, nowMs))
  }

  /** Closes it on behalf of a person. Throws not_found. */
  close(ref: IncidentRef, by: string): Promise<Incident> {
    return this.#changeKnown(ref, (current, nowMs) => close(current, by, nowMs))
  }

  /**
   * Applies recorded counts, closes quiet incidents, and deletes expired data. Calls may overlap. Resolves to the
   * number of closed incidents.
   */
  async sweep(): Promise<number> {
    const { store, clock } = this.#parts
    // First, because counts that are not applied yet keep an incident open.
    await this.fold()
    const quiet = await store.listQuiet(clock.nowMs(), QUIET_MAX)
    let closed = 0
    for (const ref of quiet) {
      const decision = await this.#change(ref, (current) => current && closeQuiet(current, clock.nowMs()))
      if (decision !== undefined) closed++
    }
    await store.prune(clock.nowMs())
    return closed
  }

  async #changeKnown(
    ref: IncidentRef,
    change: (current: Incident, nowMs: number) => IncidentChange | undefined,
  ): Promise<Incident> {
    // Lines of before must not reopen what somebody closes now.
    await this.fold()
    let known: Incident | undefined
    const decision = await this.#change(ref, (current) => {
      known = current
      return current && change(current, this.#parts.clock.nowMs())
    })
    if (known === undefined) {
      throw new GatewayError('not_found', 'no incident of this tenant has this id; list them at GET /incidents')
    }
    return decision?.incident ?? known
  }

  async #change(
    ref: IncidentRef,
    decide: (current: Incident | undefined) => IncidentChange | undefined,
  ): Promise<Decision | undefined> {
    const decision = await this.#parts.store.change(ref, (current) => {
      const change = decide(current)
      return change && this.#withOutbox(change, true)
    })
    if (decision !== undefined) this.#announce(decision)
    return decision
  }

  #announce({ transition, incident, outbox }: Decision): void {
    const { onWritten, onTransition, clock } = this.#parts
    if (this.#open.size > KNOWN_OPEN_MAX) this.#open.clear()
    if (incident.state === 'closed') this.#open.delete(incident.id)
    else this.#open.set(incident.id, clock.monotonicMs())
    if (transition !== undefined) onTransition?.(transition, incident)
    if (outbox !== undefined && outbox.digestId === undefined) onWritten(outbox)
  }

  /** `isSingle`: sent by itself; otherwise in the next digest, which has no lines. */
  #withOutbox(change: IncidentChange, isSingle: boolean): Decision {
    const { settings, clock } = this.#parts
    if (change.transition === undefined || settings.targets.length === 0) return change
    const { incident, transition } = change
    const nowMs = clock.nowMs()
    const samples = isSingle ? sentSamples(incident) : []
    const sent = { ...incident, samples }
    const notification = { id: `${incident.id}-${incident.transitions}`, transition, createdMs: nowMs, incident: sent }
    const dueMs = isSingle ? nowMs + settings.leaseMs : nextDigestMs(nowMs)
    const digestId = isSingle ? undefined : DIGEST_PENDING
    return { ...change, outbox: { notification, targets: settings.targets, attempts: 0, dueMs, digestId } }
  }
}

function sentSamples({ samples }: Incident): readonly Sample[] {
  return samples
    .slice(-SENT_SAMPLES)
    .map((sample) => ({ ...sample, line: sample.line.slice(0, SENT_SAMPLE_CHARS_MAX).toWellFormed() }))
}
