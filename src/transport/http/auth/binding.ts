/** Without credentials only this machine is served: where the gateway may listen then, and whom it answers. */

import { isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { AuthConfig, Config } from '../../../config/read-config.ts'
import { GatewayError } from '../../../domain/errors.ts'

/** True when some kind of credentials is configured; otherwise everybody is anonymous. */
export function hasCredentials(auth: AuthConfig): boolean {
  return auth.users.length > 0 || auth.jwksUrl !== undefined || auth.localIssuer
}

/** To be called before the gateway listens. Throws config_invalid when it would serve strangers without credentials. */
export function assertSafeBinding(config: Config): void {
  const { host } = config.http
  if (isLoopback(host) || hasCredentials(config.auth)) return
  throw new GatewayError(
    'config_invalid',
    `MILLRACE_HOST is "${host}", which others can reach, and no credentials are configured; set MILLRACE_USERS, MILLRACE_JWKS_URL or MILLRACE_LOCAL_ISSUER=true, or set MILLRACE_HOST=127.0.0.1`,
  )
}

/**
 * Throws host_refused unless the request names this machine by a loopback name. A web page from elsewhere can make a
 * browser on this machine send requests here: by DNS rebinding, which the Host header shows, or blindly, which the
 * Origin header shows.
 */
export function assertLocalRequest(request: FastifyRequest): void {
  const { host, origin } = request.headers
  if (!isLoopback(hostName(host ?? ''))) {
    throw new GatewayError(
      'host_refused',
      'the Host header does not name this machine, and no credentials are configured; use http://localhost or http://127.0.0.1, or configure credentials',
    )
  }
  if (origin !== undefined && !isLoopback(URL.parse(origin)?.hostname ?? '')) {
    throw new GatewayError(
      'host_refused',
      'the request comes from a page of another machine, and no credentials are configured; configure credentials',
    )
  }
}

/**
 * Throws host_refused for what a page of another site has a browser send in its user's name: browsers add a password
 * that they know by themselves, and only a WebSocket or what is no GET does any harm unread.
 */
export function assertOwnPage({ method, headers }: FastifyRequest): void {
  const { origin, host, upgrade } = headers
  if (origin === undefined || ((method === 'GET' || method === 'HEAD') && upgrade === undefined)) return
  if (URL.parse(origin)?.host === host?.toLowerCase()) return
  throw new GatewayError(
    'host_refused',
    'the request comes from a page of another site, with a password; send it from a program, or with a token',
  )
}

/** True for localhost, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  return name === 'localhost' || name === '::1' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))
}

/** A Host header without its port. */
function hostName(header: string): string {
  return /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header)?.[1] ?? ''
}
