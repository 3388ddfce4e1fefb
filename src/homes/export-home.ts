/** Exports of the embedded home: its logs as of one moment, and a folder that DuckDB's files are written to. */

import { openStoredLogs, type StoredLogs } from '../adapters/embedded/stored-logs.ts'
import { ExportFolder } from '../adapters/files/export-folder.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { LogExport } from '../ports/archive.ts'

export interface ExportHome {
  readonly source: StoredLogs
  readonly target: LogExport
}

/** Lines that are sorted at once; DuckDB sorts them within its memory. */
const LINE_BYTES_MAX = 128 * 2 ** 20
const FILE_LINE_BYTES = 2 ** 30

/**
 * Opens the data folder, and a new folder `path` for the export. Throws like openStoredLogs and ExportFolder.open; config_invalid in the
 * aws home, and where DuckDB is not installed.
 */
export async function openExport({ service, aws }: Config, path: string): Promise<ExportHome> {
  if (service.home === 'aws') {
    const text = 'MILLRACE_HOME is aws, whose archive is already such files: see docs/archive.md for reading the bucket'
    throw new GatewayError('config_invalid', text)
  }
  const DuckdbFiles = await loadBuilder()
  const source = openStoredLogs(service.dataDir)
  try {
    const target = await ExportFolder.open({
      path,
      lineBytesMax: LINE_BYTES_MAX,
      openBuilder: (folder) =>
        new DuckdbFiles({ folder, memoryBytes: aws.compactorMemoryBytes, fileLineBytes: FILE_LINE_BYTES }),
    })
    return { source, target }
  } catch (cause) {
    source.close()
    throw cause
  }
}

/** Loaded here: images other than the compactor's are without DuckDB's library. */
async function loadBuilder() {
  try {
    return (await import('../adapters/duckdb/duckdb-files.ts')).DuckdbFiles
  } catch (cause) {
    const text = "DuckDB's library is not installed; export from a checkout after npm ci, or in the image 'compactor'"
    throw new GatewayError('config_invalid', text, { cause })
  }
}
