/** IncidentStore and AuditTrail on SQLite: `incidents.db` beside the logs, one transaction a change. */

import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { GatewayError } from '../../domain/errors.ts'
import { EventWindows, windowEndMs } from '../../domain/incidents/event-window.ts'
import {
  hasLabels,
  INCIDENT_STATES,
  type Incident,
  type IncidentEvent,
  type IncidentRef,
} from '../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../domain/incidents/notification.ts'
import type {
  AuditRecord,
  AuditTrail,
  Decide,
  Decision,
  IncidentListing,
  IncidentPage,
  IncidentStore,
} from '../../ports/incidents.ts'
import {
  decodeIncident,
  decodeOutboxItem,
  encodeIncident,
  encodeOutboxItem,
} from '../../protocol/incidents/incident-record.ts'
import { openIncidentDatabase } from './incident-database.ts'

export interface IncidentRetention {
  /** How long a counted event is known. */
  readonly eventMemoryMs: number
  /** How long a closed incident and a row of the audit trail are kept. */
  readonly closedKeptMs: number
}

const MINUTE_MS = 60_000
/** Rows a page decodes: where a filter by labels takes few, the page is short, and says that there are more. */
const SCANNED_MAX = 500
/** Closed incidents that are kept at the most, however young: some hundred MB. */
const CLOSED_MAX = 50_000
/** What is left out is left out by the index alone: a body is some pages of the file. */
const LIST = `
  SELECT body FROM (
    SELECT tenant, id, last_seen_ms FROM incidents INDEXED BY incidents_by_time
    WHERE tenant = ? AND last_seen_ms >= ? AND state IN (SELECT value FROM json_each(?)) AND (last_seen_ms, id) < (?, ?)
    ORDER BY last_seen_ms DESC, id DESC LIMIT ?
  ) AS heads JOIN incidents USING (tenant, id)
  ORDER BY heads.last_seen_ms DESC, heads.id DESC`
/** Rows deleted in one round. */
const PRUNED_MAX = 5_000

export class SqliteIncidents implements IncidentStore, AuditTrail {
  readonly #db: DatabaseSync
  #synchronous: 'NORMAL' | 'FULL' = 'FULL'
  readonly #retention: IncidentRetention
  readonly #nowMs: () => number
  readonly #closedMax: number
  #isClosed = false

  /** Opens (or creates) the file in `dataDir`. Throws store_unavailable or store_damaged. */
  constructor(dataDir: string, retention: IncidentRetention, nowMs: () => number, closedMax = CLOSED_MAX) {
    this.#closedMax = closedMax
    this.#retention = retention
    this.#nowMs = nowMs
    this.#db = openIncidentDatabase(dataDir)
  }

  async change(
    ref: IncidentRef,
    events: readonly Pick<IncidentEvent, 'id' | 'ms'>[],
    decide: Decide,
  ): Promise<Decision | undefined> {
    // A commit holds the whole process: of a thousand in a row, pushes have their turn between any two.
    await setImmediate()
    this.#synchronize(events.length > 0 ? 'NORMAL' : 'FULL')
    return this.#write(() => {
      const windows = new EventWindows(events, (number) => this.#window(ref, number))
      const found = this.#find(ref)
      const decision = decide(found, (event) => windows.isFresh(event))
      if (decision === undefined) return undefined
      this.#put(decision.incident)
      this.#putWindows(ref, windows.take(events))
      if (decision.outbox !== undefined) this.#putOutbox(decision.outbox)
      return decision
    })
  }

  async find(ref: IncidentRef): Promise<Incident | undefined> {
    return this.#read(() => this.#find(ref))
  }

  async list({ tenant, states, sinceMs, labels, limit, after }: IncidentListing): Promise<IncidentPage> {
    return this.#read(() => {
      const position = after ?? { lastSeenMs: Number.MAX_SAFE_INTEGER, id: '' }
      const wanted = JSON.stringify(states ?? INCIDENT_STATES)
      const rows = this.#db
        .prepare(LIST)
        .iterate(tenant, sinceMs ?? 0, wanted, position.lastSeenMs, position.id, SCANNED_MAX)
      const incidents: Incident[] = []
      let scanned = 0
      let last: Incident | undefined
      for (const row of rows) {
        const incident = decodeIncident(row['body'] as string)
        const isWanted = hasLabels(incident, labels)
        // One more than asked for tells that there is a next page.
        if (isWanted && incidents.length === limit) return { incidents, next: positionOf(last) }
        if (isWanted) incidents.push(incident)
        last = incident
        scanned++
      }
      return { incidents, next: scanned < SCANNED_MAX ? undefined : positionOf(last) }
    })
  }

  async listQuiet(nowMs: number, limit: number): Promise<readonly IncidentRef[]> {
    return this.#read(() =>
      this.#db
        .prepare('SELECT tenant, id FROM incidents WHERE quiet_at_ms <= ? ORDER BY quiet_at_ms LIMIT ?')
        .all(nowMs, limit)
        .map((row) => ({ tenant: row['tenant'] as string, id: row['id'] as string })),
    )
  }

  async takeDue(nowMs: number, untilMs: number, limit: number): Promise<readonly OutboxItem[]> {
    return this.#write(() => {
      const rows = this.#db
        .prepare('SELECT body FROM outbox WHERE due_ms <= ? ORDER BY due_ms, created_ms, id LIMIT ?')
        .all(nowMs, limit)
      const items = rows.map((row) => ({ ...decodeOutboxItem(row['body'] as string), dueMs: untilMs }))
      for (const item of items) this.#putOutbox(item)
      return items
    })
  }

  async settle(items: readonly OutboxItem[]): Promise<void> {
    this.#write(() => {
      const remove = this.#db.prepare('DELETE FROM outbox WHERE id = ?')
      for (const item of items) {
        if (item.targets.length > 0) this.#putOutbox(item)
        else remove.run(item.notification.id)
      }
    })
  }

  async countSending(nowMs: number): Promise<number> {
    return this.#write(() => {
      const count = `
        INSERT INTO sendings (minute, count) VALUES (?, 1) ON CONFLICT (minute) DO UPDATE SET count = count + 1
        RETURNING count`
      return Number(this.#db.prepare(count).get(Math.floor(nowMs / MINUTE_MS))?.['count'])
    })
  }

  async readCursor(name: string): Promise<string | undefined> {
    return this.#read(() => {
      const row = this.#db.prepare('SELECT text FROM cursors WHERE name = ?').get(name)
      return row === undefined ? undefined : (row['text'] as string)
    })
  }

  async writeCursor(name: string, text: string): Promise<void> {
    const put = 'INSERT INTO cursors (name, text) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text'
    this.#write(() => this.#db.prepare(put).run(name, text))
  }

  async write(records: readonly AuditRecord[]): Promise<number> {
    const insert = 'INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
    return this.#write(() => {
      const statement = this.#db.prepare(insert)
      let written = 0
      for (const { incidentId, tenant, groupId, ms, logGroup, logStream, message, severity, createdMs } of records) {
        const [timestamp, createdAt] = [ms, createdMs].map((time) => new Date(time).toISOString()) as [string, string]
        const values = [incidentId, tenant, groupId, timestamp, logGroup, logStream, message, severity, createdAt]
        written += Number(statement.run(...values).changes)
      }
      return written
    })
  }

  async prune(nowMs: number): Promise<void> {
    const closedBefore = nowMs - this.#retention.closedKeptMs
    this.#write(() => {
      const remove = (table: string, condition: string, value: number | string): void => {
        const rows = `SELECT rowid FROM ${table} WHERE ${condition} LIMIT ${PRUNED_MAX}`
        this.#db.prepare(`DELETE FROM ${table} WHERE rowid IN (${rows})`).run(value)
      }
      remove('windows', 'kept_until_ms < ?', nowMs)
      remove('audit', 'created_at < ?', new Date(closedBefore).toISOString())
      this.#db.prepare('DELETE FROM incidents WHERE closed_ms < ?').run(closedBefore)
      this.#db
        .prepare(`
          DELETE FROM incidents WHERE closed_ms <= (
            SELECT closed_ms FROM incidents WHERE closed_ms IS NOT NULL ORDER BY closed_ms DESC LIMIT 1 OFFSET ?)`)
        .run(this.#closedMax)
      this.#db.prepare('DELETE FROM sendings WHERE minute < ?').run(Math.floor(nowMs / MINUTE_MS) - 1)
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#db.close()
  }

  /**
   * What comes of events can be made again from them: it survives the process, and after a loss of power all of it goes
   * back to one earlier moment, cursors included, from where the events are looked at again. What a person did is synced.
   */
  #synchronize(level: 'NORMAL' | 'FULL'): void {
    if (level === this.#synchronous || this.#isClosed) return
    this.#db.exec(`PRAGMA synchronous = ${level}`)
    this.#synchronous = level
  }

  #find({ tenant, id }: IncidentRef): Incident | undefined {
    const row = this.#db.prepare('SELECT body FROM incidents WHERE tenant = ? AND id = ?').get(tenant, id)
    return row === undefined ? undefined : decodeIncident(row['body'] as string)
  }

  #put(incident: Incident): void {
    const { tenant, id, state, lastSeenMs, quietAtMs = null, closedMs = null } = incident
    this.#db
      .prepare('INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(tenant, id, state, lastSeenMs, quietAtMs, closedMs, encodeIncident(incident))
  }

  #window({ tenant, id }: IncidentRef, number: number): Uint8Array | undefined {
    const find = 'SELECT events FROM windows WHERE tenant = ? AND id = ? AND number = ?'
    return this.#db.prepare(find).get(tenant, id, number)?.['events'] as Uint8Array | undefined
  }

  #putWindows({ tenant, id }: IncidentRef, windows: ReturnType<EventWindows['take']>): void {
    const put = this.#db.prepare(`
      INSERT INTO windows (tenant, id, number, kept_until_ms, events) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (tenant, id, number) DO UPDATE SET events = excluded.events, kept_until_ms = excluded.kept_until_ms`)
    for (const [number, bytes] of windows) {
      // Lines may carry times of the past or the future: what counts is when they came.
      const keptUntilMs = Math.max(this.#nowMs(), windowEndMs(number)) + this.#retention.eventMemoryMs
      put.run(tenant, id, number, keptUntilMs, bytes)
    }
  }

  #putOutbox(item: OutboxItem): void {
    const { id, createdMs } = item.notification
    this.#db
      .prepare('INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?)')
      .run(id, item.dueMs, createdMs, encodeOutboxItem(item))
  }

  #write<T>(body: () => T): T {
    return this.#read(() => {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        const result = body()
        this.#db.exec('COMMIT')
        return result
      } catch (cause) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw cause
      }
    })
  }

  #read<T>(body: () => T): T {
    try {
      return body()
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new GatewayError('store_unavailable', `incidents cannot be read or written: ${why}; retry`, { cause })
    }
  }
}

function positionOf(incident: Incident | undefined): IncidentPage['next'] {
  return incident && { lastSeenMs: incident.lastSeenMs, id: incident.id }
}
