/** IncidentStore on SQLite: `incidents.db` beside the logs, one transaction per change or round of counts. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { GatewayError } from '../../domain/errors.ts'
import {
  INCIDENT_STATES,
  type Incident,
  type IncidentRef,
  isWanted,
  type LineCount,
  mergeCounts,
} from '../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../domain/incidents/notification.ts'
import type {
  AuditRow,
  CountDecider,
  CountRecord,
  Decide,
  Decision,
  IncidentListing,
  IncidentPage,
  IncidentStore,
  RecordOutcome,
} from '../../ports/incidents.ts'
import {
  decodeCounts,
  decodeIncident,
  decodeOutboxItem,
  encodeCounts,
  encodeIncident,
  encodeOutboxItem,
} from '../../protocol/incidents/incident-record.ts'
import { openIncidentDatabase } from './incident-database.ts'

export interface IncidentRetention {
  /** How long a delivery is remembered. */
  readonly eventMemoryMs: number
  /** How long closed incidents and audit rows are kept. */
  readonly closedKeptMs: number
}

const MINUTE_MS = 60_000
/** Rows decoded per page: if few are wanted, the page is short, and says that there are more. */
const SCANNED_MAX = 500
/** Maximum number of closed incidents, however recent: some hundred MB. */
const CLOSED_MAX = 50_000
/** Filters by the index alone, because a body takes some pages of the file. */
const LIST = `
  SELECT body FROM (
    SELECT tenant, id, last_seen_ms FROM incidents INDEXED BY incidents_by_time
    WHERE tenant = ? AND last_seen_ms >= ? AND state IN (SELECT value FROM json_each(?)) AND (last_seen_ms, id) < (?, ?)
    ORDER BY last_seen_ms DESC, id DESC LIMIT ?
  ) AS heads JOIN incidents USING (tenant, id)
  ORDER BY heads.last_seen_ms DESC, heads.id DESC`
/** Rows deleted in one round. */
const PRUNED_MAX = 5_000
/** Incidents changed by one transaction: a commit blocks the whole process, and pushes run between two. */
const CHANGED_MAX = 64
/** Counts that wait for a fold and are kept in memory too, so that it need not read them. */
const KEPT_COUNTS_MAX = 2_000
/** Rows of counts that are merged in one transaction; a row takes about 50 KB of memory. */
const MERGED_ROWS_MAX = 100
const REMOVE_PENDING = 'DELETE FROM pending_counts WHERE id = ?'
const REFUSED: RecordOutcome = { isNew: false, decisions: [], isPending: false }

export class SqliteIncidents implements IncidentStore {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #retention: IncidentRetention
  readonly #nowMs: () => number
  readonly #closedMax: number
  /** The counts of rows that wait, by the row's id: those of this process, as far as there is room. */
  readonly #kept = new Map<number, readonly LineCount[]>()
  #keptCounts = 0
  /** Records whose counts may wait; a file that was opened may have those of several. */
  #waitingRecords = 2
  #isClosed = false

  /** Opens or creates the file in `dataDir`. Throws store_unavailable or store_damaged. */
  constructor(dataDir: string, retention: IncidentRetention, nowMs: () => number, closedMax = CLOSED_MAX) {
    this.#closedMax = closedMax
    this.#retention = retention
    this.#nowMs = nowMs
    this.#db = openIncidentDatabase(dataDir)
  }

  async change(ref: IncidentRef, decide: Decide): Promise<Decision | undefined> {
    return this.#write(() => {
      const decision = decide(this.#find(ref))
      if (decision !== undefined) this.#apply(decision)
      return decision
    })
  }

  /** Few counts are applied immediately; many are recorded first, and applied in parts. */
  async record(
    { deliveryId, counts, later = [], cursor, rows }: CountRecord,
    decider: CountDecider,
  ): Promise<RecordOutcome> {
    return this.#write(() => {
      if (cursor !== undefined && this.#cursor(cursor.name) !== cursor.from) return REFUSED
      if (deliveryId !== undefined && !this.#addDelivery(deliveryId)) return REFUSED
      for (const row of rows) this.#addRow(row)
      if (cursor !== undefined) this.#putCursor(cursor.name, cursor.to)
      const isPending = counts.length > CHANGED_MAX
      const isWaiting = counts.length + later.length > CHANGED_MAX
      const decisions = isPending ? [] : this.#applyCounts(isWaiting ? counts : [...counts, ...later], decider)
      if (isPending) this.#addPending(counts)
      if (isWaiting) this.#addPending(later)
      if (isPending || isWaiting) this.#waitingRecords++
      return { isNew: true, decisions, isPending }
    })
  }

  async fold(decider: CountDecider): Promise<readonly Decision[]> {
    const decisions: Decision[] = []
    if (this.#waitingRecords > 1) this.#write(() => this.#mergePending())
    for (;;) {
      const applied = this.#write(() => this.#applyPending(decider))
      if (applied === undefined) return decisions
      decisions.push(...applied)
      await setImmediate()
    }
  }

  async find(ref: IncidentRef): Promise<Incident | undefined> {
    return this.#read(() => this.#find(ref))
  }

  async list(listing: IncidentListing): Promise<IncidentPage> {
    const { tenant, states, sinceMs, limit, after } = listing
    return this.#read(() => {
      const position = after ?? { lastSeenMs: Number.MAX_SAFE_INTEGER, id: '' }
      const wanted = JSON.stringify(states ?? INCIDENT_STATES)
      const rows = this.#prepared(LIST).iterate(
        tenant,
        sinceMs ?? 0,
        wanted,
        position.lastSeenMs,
        position.id,
        SCANNED_MAX,
      )
      const incidents: Incident[] = []
      let scanned = 0
      let last: Incident | undefined
      for (const row of rows) {
        const incident = decodeIncident(row['body'] as string)
        const isListed = isWanted(incident, listing)
        // One more than requested shows whether there is a next page.
        if (isListed && incidents.length === limit) return { incidents, next: positionOf(last) }
        if (isListed) incidents.push(incident)
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
      const postpone = this.#prepared('UPDATE outbox SET due_ms = ? WHERE id = ?')
      for (const { notification } of items) postpone.run(untilMs, notification.id)
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
    return this.#read(() => this.#cursor(name))
  }

  async writeCursor(name: string, text: string): Promise<void> {
    this.#write(() => this.#putCursor(name, text))
  }

  async prune(nowMs: number): Promise<void> {
    const closedBefore = nowMs - this.#retention.closedKeptMs
    this.#write(() => {
      const remove = (table: string, condition: string, value: number | string): void => {
        const rows = `SELECT rowid FROM ${table} WHERE ${condition} LIMIT ${PRUNED_MAX}`
        this.#db.prepare(`DELETE FROM ${table} WHERE rowid IN (${rows})`).run(value)
      }
      remove('deliveries', 'kept_until_ms < ?', nowMs)
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

  /** Counts of one incident in several rows become one, so that the incident changes once. */
  #mergePending(): void {
    const rows = this.#prepared('SELECT id, body FROM pending_counts ORDER BY id LIMIT ?').all(MERGED_ROWS_MAX)
    if (rows.length < 2) return
    const merged = new Map<string, LineCount>()
    let counts = 0
    for (const row of rows) {
      for (const lines of this.#countsOf(row)) {
        const name = `${lines.tenant}\n${lines.key}`
        const before = merged.get(name)
        merged.set(name, before === undefined ? lines : mergeCounts(before, lines))
        counts++
      }
    }
    if (merged.size === counts) return
    for (const row of rows) this.#removePending(row['id'] as number)
    this.#addPending([...merged.values()])
  }

  /** Applies the counts of the oldest row; undefined if none waits. */
  #applyPending(decider: CountDecider): readonly Decision[] | undefined {
    const row = this.#prepared('SELECT id, body FROM pending_counts ORDER BY id LIMIT 1').get()
    if (row === undefined) {
      this.#waitingRecords = 0
      return undefined
    }
    const counts = this.#countsOf(row)
    this.#removePending(row['id'] as number)
    return this.#applyCounts(counts, decider)
  }

  #countsOf(row: Record<string, unknown>): readonly LineCount[] {
    return this.#kept.get(row['id'] as number) ?? decodeCounts(row['body'] as string)
  }

  #removePending(id: number): void {
    this.#prepared(REMOVE_PENDING).run(id)
    this.#keptCounts -= this.#kept.get(id)?.length ?? 0
    this.#kept.delete(id)
  }

  #addPending(counts: readonly LineCount[]): void {
    for (let i = 0; i < counts.length; i += CHANGED_MAX) {
      const some = counts.slice(i, i + CHANGED_MAX)
      const put = this.#prepared('INSERT INTO pending_counts (body) VALUES (?)')
      const id = Number(put.run(encodeCounts(some)).lastInsertRowid)
      if (this.#keptCounts + some.length > KEPT_COUNTS_MAX) continue
      this.#kept.set(id, some)
      this.#keptCounts += some.length
    }
  }

  #applyCounts(counts: readonly LineCount[], decider: CountDecider): readonly Decision[] {
    return counts.map((lines) => {
      const id = decider.idOf(lines)
      const decision = decider.decide(this.#find({ tenant: lines.tenant, id }), id, lines)
      this.#apply(decision)
      return decision
    })
  }

  #find({ tenant, id }: IncidentRef): Incident | undefined {
    const row = this.#prepared('SELECT body FROM incidents WHERE tenant = ? AND id = ?').get(tenant, id)
    return row === undefined ? undefined : decodeIncident(row['body'] as string)
  }

  #apply({ incident, outbox }: Decision): void {
    const { tenant, id, state, lastSeenMs, quietAtMs = null, closedMs = null } = incident
    const body = encodeIncident(incident)
    const put = this.#prepared('INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?)')
    put.run(tenant, id, state, lastSeenMs, quietAtMs, closedMs, body)
    if (outbox !== undefined) this.#putOutbox(outbox)
  }

  /** False if it already exists. */
  #addDelivery(id: string): boolean {
    const keptUntilMs = this.#nowMs() + this.#retention.eventMemoryMs
    return this.#prepared('INSERT OR IGNORE INTO deliveries VALUES (?, ?)').run(id, keptUntilMs).changes === 1
  }

  #addRow({ incidentId, tenant, groupId, ms, logGroup, logStream, message, severity, createdMs }: AuditRow): void {
    const [timestamp, createdAt] = [ms, createdMs].map((time) => new Date(time).toISOString()) as [string, string]
    const values = [incidentId, tenant, groupId, timestamp, logGroup, logStream, message, severity, createdAt]
    this.#prepared('INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(...values)
  }

  #cursor(name: string): string | undefined {
    return this.#prepared('SELECT text FROM cursors WHERE name = ?').get(name)?.['text'] as string | undefined
  }

  #putCursor(name: string, text: string): void {
    const put = 'INSERT INTO cursors (name, text) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text'
    this.#prepared(put).run(name, text)
  }

  #putOutbox(item: OutboxItem): void {
    const { id, createdMs } = item.notification
    const put = 'INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?)'
    this.#prepared(put).run(id, item.dueMs, createdMs, encodeOutboxItem(item))
  }

  /** A prepared statement, from the cache. */
  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const made = this.#db.prepare(sql)
    this.#statements.set(sql, made)
    return made
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
        // Rows of the transaction are gone, and later ones may have their ids.
        this.#kept.clear()
        this.#keptCounts = 0
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
