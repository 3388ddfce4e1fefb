/** The model that every answer is compared with: everything sent, acknowledged, deleted and expired, in the simplest form. */

import { formatLabels } from '../../src/domain/labels.ts'
import { type PlainEntry, type PlainStream, toLabels } from '../support/helper.ts'
import { WORD } from './plan.ts'

/** A moment: the number of steps of the scheduler. */
export type Moment = number

/** A line with its stream and time. Two pushes with the same one mean the same entry. */
export class Entry {
  readonly tenant: string
  readonly key: string
  readonly app: string
  /** Undefined: the gateway chooses the time. */
  readonly ns: bigint | undefined
  readonly line: string
  readonly metadata: string
  readonly hasWord: boolean
  /** The gateway must refuse it. */
  readonly isWrong: boolean
  firstSent: Moment = Number.POSITIVE_INFINITY
  lastSent: Moment = Number.NEGATIVE_INFINITY
  /** Pushes of it in progress. */
  working = 0
  /** When it was acknowledged or returned: from then on it must be there. */
  keptSince: Moment | undefined
  acknowledged: Moment | undefined
  /** A deletion removed it, and nobody has sent it since. */
  isErased = false
  /** Came in more than one push: its place among entries of equal time is undefined. */
  isShared = false

  constructor(tenant: string, { labels }: PlainStream, { ns, line, metadata = {}, id }: PlainEntry, isWrong: boolean) {
    this.tenant = tenant
    this.key = formatLabels(toLabels(labels))
    this.app = labels['app'] as string
    this.ns = id === undefined ? ns : undefined
    this.line = line
    this.metadata = JSON.stringify(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)))
    this.hasWord = line.includes(WORD)
    this.isWrong = isWrong
  }

  get name(): string {
    return nameOf(this.tenant, this.key, this.ns, this.line, this.metadata)
  }
}

/** Lines of programs are identified by their text alone. */
export function nameOf(tenant: string, key: string, ns: bigint | undefined, line: string, metadata: string): string {
  return `${tenant} ${key} ${line.startsWith('program') ? '' : ns} ${line} ${metadata}`
}

export interface ModelDeletion {
  readonly id: string
  readonly tenant: string
  readonly app: string
  readonly isFiltered: boolean
  readonly end: bigint
  /** When it was sent, and acknowledged. */
  readonly sent: Moment
  acknowledged: Moment | undefined
  /** When its cancellation was requested, and when it was confirmed. */
  cancelSent: Moment | undefined
  cancelled: Moment | undefined
  /** Carried out: it no longer hides anything. */
  processed: Moment | undefined
}

export interface Range {
  readonly tenant: string
  readonly app: string | undefined
  readonly isFiltered: boolean
  /** Undefined: everything. */
  readonly start: bigint | undefined
  readonly end: bigint | undefined
}

export class Model {
  readonly #entries = new Map<string, Entry>()
  readonly deletions: ModelDeletion[] = []
  /** Entries before this time may have expired. */
  #expiredNs: bigint | undefined

  /** The model's entry for a line that a push is about to send for the first time. */
  entry(candidate: Entry): Entry {
    const known = this.#entries.get(candidate.name)
    if (known === undefined) this.#entries.set(candidate.name, candidate)
    else known.isShared = true
    return known ?? candidate
  }

  find(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  get count(): number {
    return this.#entries.size
  }

  get keptCount(): number {
    let kept = 0
    for (const { acknowledged } of this.#entries.values()) if (acknowledged !== undefined) kept++
    return kept
  }

  entries(range: Range): Entry[] {
    return [...this.#entries.values()].filter((entry) => isIn(entry, range))
  }

  sent(entries: readonly Entry[], now: Moment): void {
    for (const entry of entries) {
      entry.firstSent = Math.min(entry.firstSent, now)
      entry.lastSent = now
      entry.working++
      if (entry.isErased) {
        entry.isErased = false
        entry.isShared = true
      }
    }
  }

  worked(entries: readonly Entry[]): void {
    for (const entry of entries) entry.working--
  }

  acknowledged(entries: readonly Entry[], now: Moment): void {
    for (const entry of entries) {
      if (entry.isWrong) continue
      entry.acknowledged ??= now
      entry.keptSince ??= now
    }
  }

  shown(entry: Entry, now: Moment): void {
    entry.keptSince ??= now
  }

  expired(ns: bigint): void {
    if (this.#expiredNs === undefined || ns > this.#expiredNs) this.#expiredNs = ns
  }

  /** A deletion was carried out; entries that arrived meanwhile may have been missed. */
  processed(deletion: ModelDeletion, began: Moment, now: Moment): void {
    deletion.processed = now
    for (const entry of this.#entries.values()) {
      if (!covers(deletion, entry)) continue
      entry.keptSince = undefined
      entry.acknowledged = undefined
      entry.isShared = true
      if (entry.ns !== undefined && entry.working === 0 && entry.lastSent < began) entry.isErased = true
    }
  }

  /** Must be in the answer to a query that was sent at `from` and answered at `to`. */
  isCertain(entry: Entry, from: Moment, to: Moment): boolean {
    if (entry.keptSince === undefined || entry.keptSince >= from || entry.isErased) return false
    if (entry.ns === undefined ? this.#expiredNs !== undefined : entry.ns < (this.#expiredNs ?? entry.ns)) return false
    return !this.deletions.some((deletion) => {
      const isOver = deletion.cancelled !== undefined && deletion.cancelled < from
      return covers(deletion, entry) && !isOver && deletion.sent <= to && (deletion.processed ?? to) >= from
    })
  }

  /** May be in that answer. */
  isPossible(entry: Entry, from: Moment, to: Moment): boolean {
    if (entry.isWrong || entry.isErased || entry.firstSent > to) return false
    return !this.deletions.some((deletion) => {
      const isHiding =
        deletion.acknowledged !== undefined &&
        deletion.acknowledged < from &&
        (deletion.cancelSent ?? Number.POSITIVE_INFINITY) > to &&
        (deletion.processed ?? Number.POSITIVE_INFINITY) > to
      return isHiding && entry.ns !== undefined && covers(deletion, entry)
    })
  }

  /** The process is gone, with its work in progress. */
  killed(): void {
    for (const entry of this.#entries.values()) entry.working = 0
  }
}

/** The model does not know the times of programs' lines: only deletions by app select them. */
export function covers({ tenant, app, isFiltered, end }: ModelDeletion, entry: Entry): boolean {
  return (
    entry.tenant === tenant &&
    entry.app === app &&
    (!isFiltered || entry.hasWord) &&
    (entry.ns === undefined || entry.ns < end)
  )
}

function isIn(entry: Entry, { tenant, app, isFiltered, start, end }: Range): boolean {
  return (
    entry.tenant === tenant &&
    (app === undefined || entry.app === app) &&
    (!isFiltered || entry.hasWord) &&
    (entry.ns === undefined || ((start === undefined || entry.ns >= start) && (end === undefined || entry.ns < end)))
  )
}
