/** Without credentials only this machine is served: checks of the listen address and of requests. */

import { isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { AuthConfig, Config } from '../../../config/read-config.ts'
import { GatewayError } from '../../../domain/errors.ts'

/** Whether any credentials are configured; otherwise all requests are anonymous. */
export function hasCredentials(auth: AuthConfig): boolean {
  return auth.users.length > 0 || auth.jwksUrl !== undefined || auth.localIssuer
}

/** Call before listening. Throws config_invalid if others could reach the gateway and no credentials are configured. */
export function assertSafeBinding(config: Config): void {
  const { host } = config.http
  if (isLoopback(host) || hasCredentials(config.auth)) return
  throw new GatewayError(
    'config_invalid',
    `MILLRACE_HOST is "${host}", which is reachable from other machines, but no credentials are configured; set MILLRACE_USERS, MILLRACE_JWKS_URL or MILLRACE_LOCAL_ISSUER=true, or set MILLRACE_HOST=127.0.0.1`,
  )
}

/**
 * Throws host_refused unless the request uses a loopback name. A web page of another site can make a browser on this
 * machine send requests here: by DNS rebinding, visible in the Host header, or cross-site, visible in the Origin header.
 */
export function assertLocalRequest(request: FastifyRequest): void {
  const { host, origin } = request.headers
  if (!isLoopback(hostName(host ?? ''))) {
    throw new GatewayError(
      'host_refused',
      'the Host header is not a loopback name, and no credentials are configured; use http://localhost or http://127.0.0.1, or configure credentials',
    )
  }
  if (origin !== undefined && !isLoopback(URL.parse(origin)?.hostname ?? '')) {
    throw new GatewayError(
      'host_refused',
      'the request comes from a web page of another machine, and no credentials are configured; configure credentials',
    )
  }
}

/**
 * Throws host_refused for requests that a page of another site makes a browser send: browsers add a remembered password
 * automatically. Without reading the response, only a WebSocket or a method other than GET can do harm.
 */
export function assertOwnPage({ method, headers }: FastifyRequest): void {
  const { origin, host, upgrade } = headers
  if (origin === undefined || ((method === 'GET' || method === 'HEAD') && upgrade === undefined)) return
  if (URL.parse(origin)?.host === host?.toLowerCase()) return
  throw new GatewayError(
    'host_refused',
    'the request comes from a web page of another site, with a password; send it from a program, or use a token',
  )
}

/** True for localhost, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  return name === 'localhost' || name === '::1' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))
}

/** The host name of a Host header, without the port. */
function hostName(header: string): string {
  return /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header)?.[1] ?? ''
}
