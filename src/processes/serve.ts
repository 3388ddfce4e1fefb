/** A gateway on a port: listens, reports the address, and stops. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Settings } from '../homes/references.ts'
import { assertSafeBinding } from '../transport/http/auth/binding.ts'
import { openGateway } from './gateway.ts'
import type { RunningProcess } from './process.ts'
import { reportGateway } from './report-metrics.ts'

/** Called once it listens: with its URL, and where its lines are stored, as text. */
export type OnListening = (address: string, place: string) => void

/** Throws like openGateway, and config_invalid if it cannot listen on the address; then nothing is left open. */
export async function serve(settings: Settings, log: Logger, onListening: OnListening): Promise<RunningProcess> {
  const { config } = settings
  assertSafeBinding(config)
  const gateway = await openGateway(settings, log)
  const endReports = reportGateway(config, gateway.metrics)
  const stop = async (): Promise<void> => {
    await gateway.close()
    await endReports()
  }
  let address: string
  try {
    address = await gateway.app.listen({ host: config.http.host, port: config.http.port })
  } catch (cause) {
    await stop()
    throw listenFailure(config.http, cause)
  }
  const place = placeOf(config)
  log.info({ address, place }, 'listening')
  onListening(address, place)
  return { stop }
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
