/** The gateway as a server: `npm start`, `millrace serve`, the container's command. */

import closeWithGrace from 'close-with-grace'
import pino from 'pino'
import { welcome } from '../cli/welcome.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { loadSettings, type Settings } from '../homes/references.ts'
import { openGateway } from '../processes/gateway.ts'
import { reportInRounds } from '../processes/gateway-emf.ts'
import { VERSION } from '../processes/version.ts'
import { assertSafeBinding } from '../transport/http/auth/binding.ts'

/** New files are readable only by their owner, even in an existing data folder that others can read. */
const OWNER_ONLY = 0o077
/** How long requests in progress may take after a signal to stop. */
const CLOSE_DELAY_MS = 20_000

process.umask(OWNER_ONLY)
try {
  await serve(await loadSettings(process.env))
} catch (error) {
  if (!(error instanceof GatewayError)) throw error
  process.stderr.write(`millrace: ${error.message}\n`)
  process.exitCode = 1
}

async function serve(settings: Settings): Promise<void> {
  const { config } = settings
  assertSafeBinding(config)
  const log = pino(
    { level: config.service.logLevel, base: { service: 'millrace' } },
    pino.destination({ dest: 2, sync: true }),
  )
  const gateway = await openGateway(settings, log)
  const endReports = reportInRounds(config, gateway.metrics)
  const close = async (): Promise<void> => {
    await gateway.close()
    await endReports()
  }
  closeWithGrace({ delay: CLOSE_DELAY_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    else log.info({ signal }, 'stopping after finishing accepted requests')
    await close()
  })
  let address: string
  try {
    address = await gateway.app.listen({ host: config.http.host, port: config.http.port })
  } catch (cause) {
    await close()
    throw listenFailure(config.http, cause)
  }
  const place = placeOf(config)
  log.info({ address, place }, 'listening')
  process.stdout.write(welcome(address, place, VERSION))
}

/** Where the lines are stored, for the welcome text. */
function placeOf({ service, aws }: Config): string {
  return service.home === 'aws' ? `the bucket ${aws.bucket}` : service.dataDir
}

/** Explains the usual error codes of listen; other messages are unchanged. */
function listenFailure({ host, port }: Config['http'], cause: unknown): GatewayError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reasons = new Map([
    ['EADDRINUSE', 'another process is using it; stop that process, or set MILLRACE_PORT to another port'],
    ['EADDRNOTAVAIL', 'this machine does not have that address; set MILLRACE_HOST to one that it has'],
    ['ENOTFOUND', 'the host name cannot be resolved; set MILLRACE_HOST to an address of this machine'],
    ['EACCES', 'this user is not allowed to use that port; set MILLRACE_PORT to one above 1023'],
  ])
  const why = reasons.get(code ?? '') ?? message
  return new GatewayError('config_invalid', `cannot listen on ${host} port ${port}: ${why}`, { cause })
}
