/** A process from start to exit code: settings, log, its work, and how it stops. */

import closeWithGrace from 'close-with-grace'
import type { Logger } from 'pino'
import { GatewayError } from '../domain/errors.ts'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openProcessLog, type ServiceName } from './log.ts'

export interface ProcessPlan {
  readonly service: ServiceName
  /** How long `stop` may take, ms; then the process ends with exit code 1. */
  readonly stopMs: number
  /** Logged when a signal arrives: what is finished before the process ends. */
  readonly stopping: string
  /**
   * Opens everything and starts the work. Resolves once it runs. If it rejects, nothing is left open: a GatewayError is
   * a fault that the operator can fix, and is printed without a stack.
   */
  start(settings: Settings, log: Logger): Promise<RunningProcess>
}

export interface RunningProcess {
  /** Finishes work in progress and closes everything. Called once. */
  stop(): Promise<void>
}

/** New files are readable only by their owner, even in an existing data folder that others can read. */
const OWNER_ONLY = 0o077
/** A process whose start failed must keep its exit code. */
const EVENTS_LEFT: 'beforeExit'[] = ['beforeExit']

/**
 * Runs until SIGINT, SIGTERM or an uncaught error; the exit code is 0 only after a signal and a complete stop. If the
 * start fails, the exit code is 1 and stderr has the reason.
 */
export async function runProcess(plan: ProcessPlan, env: NodeJS.ProcessEnv): Promise<void> {
  process.umask(OWNER_ONLY)
  try {
    const settings = await loadSettings(env)
    const log = openProcessLog(settings.config, plan.service)
    // Starts after the signal handlers are installed.
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

/** A signal during the start stops what has been started. */
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
