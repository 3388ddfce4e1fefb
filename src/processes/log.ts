/** The log of a process: one JSON object a line. */

import pino, { type Logger } from 'pino'
import type { Config } from '../config/read-config.ts'

/** The name under which lines of a process are found. */
export type ServiceName = 'millrace' | 'millrace-worker' | 'millrace-alerts' | 'millrace-compactor'

const STDOUT = 1
const STDERR = 2

/** A function logs to stdout, which Lambda takes as its log. */
export function openFunctionLog(config: Config, service: ServiceName): Logger {
  return openLog(config, service, STDOUT)
}

/** A process logs to stderr: its stdout is for metrics and for the person who started it. */
export function openProcessLog(config: Config, service: ServiceName): Logger {
  return openLog(config, service, STDERR)
}

/** Each line is written before the call returns, so that none is missing when the process ends. */
function openLog({ service: { logLevel: level } }: Config, service: ServiceName, dest: number): Logger {
  return pino({ level, base: { service } }, pino.destination({ dest, sync: true }))
}

/** For the web framework, whose info messages repeat ours. */
export function requestLog({ service: { logLevel } }: Config, log: Logger): Logger {
  return log.child({}, { level: logLevel === 'info' ? 'warn' : logLevel })
}
