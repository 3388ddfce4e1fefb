/** What every Lambda function begins with: its settings and its log. */

import type { Logger } from 'pino'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openFunctionLog, type ServiceName } from './log.ts'

export interface FunctionStart extends Settings {
  readonly log: Logger
}

/**
 * Reads the environment. To be awaited while the function's module loads, so that faulty settings fail the start. Throws
 * config_invalid, or source_unavailable when a referenced setting cannot be read.
 */
export async function startFunction(service: ServiceName, env: NodeJS.ProcessEnv): Promise<FunctionStart> {
  const settings = await loadSettings(env)
  return { ...settings, log: openFunctionLog(settings.config, service) }
}
