/** One export of the embedded home: opens the data folder, reads it, writes the folder. */

import type { Config } from '../../config/read-config.ts'
import { type ExportOrder, exportLogs } from '../../flows/archive/export-logs.ts'
import { openExport } from '../../homes/export-home.ts'
import type { ExportReport } from '../../ports/archive.ts'

/** Rejects like openExport and exportLogs, and leaves nothing behind then. */
export async function runExport(config: Config, folder: string, order: ExportOrder): Promise<ExportReport> {
  const { source, target } = await openExport(config, folder)
  try {
    return await exportLogs(source, target, order)
  } finally {
    source.close()
  }
}
