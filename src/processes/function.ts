/** The start of every Lambda function: its settings and its log. */

import type { Logger } from 'pino'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openFunctionLog, type ServiceName } from './log.ts'

export interface FunctionStart extends Settings {
  readonly log: Logger
}

/**
 * Reads the environment. Awaited while the function's module loads, so that invalid settings fail the start. Throws
 * config_invalid, or source_unavailable if a referenced setting cannot be read.
 */
export async function startFunction(service: ServiceName, env: NodeJS.ProcessEnv): Promise<FunctionStart> {
  const settings = await loadSettings(env)
  return { ...settings, log: openFunctionLog(settings.config, service) }
}
