/** Log lines and metrics of the compactor. Never contains lines or names of tenants' streams. */

import type { CompactionReports } from '../flows/archive/compact-archive.ts'
import type { Total } from './emf.ts'

export interface CompactorLog {
  info(facts: object, text: string): void
  debug(facts: object, text: string): void
  error(facts: object, text: string): void
}

export class CompactorReports implements CompactionReports {
  readonly #log: CompactorLog
  #entries = 0
  #files = 0
  #merged = 0
  #removed = 0
  #damages = 0
  #failures = 0
  #behindMs = 0

  constructor(log: CompactorLog) {
    this.#log = log
  }

  sealed(facts: Parameters<CompactionReports['sealed']>[0]): void {
    this.#entries += facts.entries
    this.#files += facts.files
    if (facts.files > 0) this.#log.debug(facts, 'compacted arrivals')
  }

  behind(ms: number): void {
    this.#behindMs = ms
  }

  merged(facts: Parameters<CompactionReports['merged']>[0]): void {
    this.#merged += facts.from
    this.#files += facts.to
    this.#log.debug(facts, 'merged files')
  }

  removed(facts: Parameters<CompactionReports['removed']>[0]): void {
    this.#removed += facts.files
    this.#log.debug(facts, 'deleted files that no query reads any more')
  }

  damaged(facts: Parameters<CompactionReports['damaged']>[0]): void {
    this.#damages++
    this.#log.error(facts, 'compacted arrivals without what cannot be read; that is kept under bad/')
  }

  failed(facts: Parameters<CompactionReports['failed']>[0], err: unknown): void {
    this.#failures++
    this.#log.error({ ...facts, err }, 'the files of a day could not be merged or deleted; the next round tries again')
  }

  /** A part of the archive cannot be read and was left out. */
  sourceDamaged(source: string, why: string): void {
    this.#damages++
    this.#log.error({ source, why }, 'a part of the archive cannot be read; compaction continues without it')
  }

  /** A round ended with an error. */
  roundFailed(err: unknown): void {
    this.#failures++
    this.#log.error({ err }, 'compaction failed; the next round tries again')
  }

  readonly totals = async (): Promise<readonly Total[]> => [
    { name: 'CompactedLogCount', unit: 'Count', value: this.#entries },
    { name: 'CompactedFileCount', unit: 'Count', value: this.#files },
    { name: 'MergedFileCount', unit: 'Count', value: this.#merged },
    { name: 'RemovedFileCount', unit: 'Count', value: this.#removed },
    { name: 'CompactionDamages', unit: 'Count', value: this.#damages },
    { name: 'CompactionFailures', unit: 'Count', value: this.#failures },
    { name: 'CompactionBehindSeconds', unit: 'Seconds', value: Math.round(this.#behindMs / 1000), isGauge: true },
  ]
}
