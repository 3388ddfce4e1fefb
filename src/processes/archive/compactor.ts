/** The compactor of the archive: what its function and its process share. */

import type { Logger } from 'pino'
import type { Config } from '../../config/read-config.ts'
import { compactArrivals, mergeFiles } from '../../flows/archive/compact-archive.ts'
import { openCompactor as openCompactorHome } from '../../homes/compactor-home.ts'
import { SYSTEM_CLOCK } from '../../homes/machine.ts'
import { CompactorReports } from '../../telemetry/compaction-reports.ts'
import type { EmfReporter } from '../../telemetry/emf.ts'
import { openReporter } from '../report-metrics.ts'

export interface Compactor {
  /** One round; never rejects. */
  run(signal?: AbortSignal): Promise<void>
  readonly metrics: EmfReporter
  close(): Promise<void>
}

/** Files are merged in rounds of their own: once an hour, and in the first round. */
const MERGE_MS = 3600_000

/** No service is asked for anything yet. Throws config_invalid where settings are missing. */
export async function openCompactor(config: Config, log: Logger): Promise<Compactor> {
  const reports = new CompactorReports(log)
  const home = await openCompactorHome(config, reports)
  const work = {
    ...home,
    nowMs: () => SYSTEM_CLOCK.nowMs(),
    retentionMs: config.store.retentionAgeMs,
    reports,
  }
  let mergedMs = Number.NEGATIVE_INFINITY
  return {
    metrics: openReporter(config, 'compactor', reports.totals),
    run: async (signal) => {
      await compactArrivals(work, signal).catch((cause) => reports.roundFailed(cause))
      if (signal?.aborted === true || SYSTEM_CLOCK.monotonicMs() - mergedMs < MERGE_MS) return
      try {
        await mergeFiles(work, signal)
        mergedMs = SYSTEM_CLOCK.monotonicMs()
      } catch (cause) {
        reports.roundFailed(cause)
      }
    },
    close: () => home.close(),
  }
}
