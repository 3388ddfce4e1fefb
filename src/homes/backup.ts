/** Backups of the configured home. */

import { type BackupReport, backUp, restore } from '../adapters/embedded/backup.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'

/** Copies the data folder to the new folder `target`. Throws like backUp, and config_invalid in the aws home. */
export function backUpHome(config: Config, target: string): BackupReport {
  return backUp(dataFolder(config), target)
}

/** Copies the backup in `source` to the data folder. Throws like restore, and config_invalid in the aws home. */
export function restoreHome(config: Config, source: string): BackupReport {
  return restore(source, dataFolder(config))
}

/** The folder of the embedded home. Throws config_invalid in the aws home. */
export function dataFolder({ service }: Config): string {
  if (service.home === 'embedded') return service.dataDir
  throw new GatewayError(
    'config_invalid',
    'MILLRACE_HOME is aws, so the data is in AWS: use point-in-time recovery of the table and versioning of the bucket',
  )
}
