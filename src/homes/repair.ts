/** Repairs of the configured home. */

import { type RepairReport, repair } from '../adapters/embedded/repair/repair.ts'
import type { Config } from '../config/read-config.ts'
import { dataFolder } from './backup.ts'
import { SYSTEM_CLOCK } from './machine.ts'

/** Checks or repairs `folder`, or the data folder. Throws like repair, and config_invalid in the aws home. */
export function repairHome(config: Config, folder: string | undefined, isCheck: boolean): RepairReport {
  return repair(folder ?? dataFolder(config), { isCheck, nowMs: SYSTEM_CLOCK.nowMs() })
}
