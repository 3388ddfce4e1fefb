/** A process from its start to its exit code: settings, log, what it runs, and how it stops. */

import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { GatewayError } from '../domain/errors.ts'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openProcessLog, type ServiceName } from './log.ts'

export interface ProcessPlan {
  readonly service: ServiceName
  /** How long `stop` may take, ms; then the process ends with exit code 1. */
  readonly stopMs: number
  /** Logged at a signal: what is finished before the process ends. */
  readonly stopping: string
  /**
   * Opens everything and starts the work. Resolves once it runs. When it rejects, nothing is left open: a GatewayError is
   * the operator's to mend and is printed without a stack.
   */
  start(settings: Settings, log: Logger): Promise<RunningProcess>
}

export interface RunningProcess {
  /** Finishes what is under way and closes everything. Called once. */
  stop(): Promise<void>
}

/** New files are readable only by their owner, even in an existing data folder that others can read. */
const OWNER_ONLY = 0o077
/** Left to Node: a process whose start failed keeps its exit code. */
const EVENTS_LEFT: 'beforeExit'[] = ['beforeExit']

/**
 * Runs until SIGINT, SIGTERM or an error that nothing caught; the exit code is 0 only after a signal and a complete stop.
 * A start that fails ends with 1 and says why on stderr.
 */
export async function runProcess(plan: ProcessPlan, env: NodeJS.ProcessEnv): Promise<void> {
  process.umask(OWNER_ONLY)
  try {
    const settings = await loadSettings(env)
    const log = openProcessLog(settings.config, plan.service)
    // Begins only when the signals are listened to.
    const running = Promise.resolve().then(() => plan.start(settings, log))
    const signals = stopOnSignals(plan, running, log)
    await running.catch((cause: unknown) => {
      signals.uninstall()
      throw cause
    })
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    process.stderr.write(`millrace: ${error.message}\n`)
    process.exitCode = 1
  }
}

/** A signal that comes during the start stops what was started. */
function stopOnSignals({ stopMs, stopping }: ProcessPlan, running: Promise<RunningProcess>, log: Logger) {
  const onTimeout = (): void => log.fatal({ stopMs }, 'stopped before everything was finished')
  const options = { delay: stopMs, logger: false as const, skip: EVENTS_LEFT, onTimeout }
  return closeWithGrace(options, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    else log.info({ signal }, stopping)
    try {
      await (await running).stop()
    } catch (cause) {
      log.fatal({ err: cause }, 'the stop failed')
      throw cause
    }
  })
}
