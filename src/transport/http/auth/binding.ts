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
 * Throws host_refused unless the request uses a loopback name or one of `allowed`: names, addresses, and `*.name` for
 * every name below it. A web page of another site can make a browser on this machine send requests here: by DNS
 * rebinding, visible in the Host header, or cross-site, visible in the headers Origin and Sec-Fetch-Site. A page of another
 * port of this machine is another origin. Browsers always send Host; HTTP/1.0 clients may not.
 */
export function assertLocalRequest(request: FastifyRequest, allowed: readonly string[]): void {
  const { headers, raw } = request
  const { host, origin } = headers
  const isAllowed = (name: string): boolean => allowed.some((pattern) => fitsHost(pattern, name))
  const isNamed = (name: string): boolean => isLoopback(name) || isAllowed(name)
  const isOldClient = host === undefined && raw.httpVersion === '1.0'
  if (!isOldClient && !isNamed(hostName(host ?? ''))) {
    throw new GatewayError(
      'host_refused',
      `the Host header ${shown(host)} is neither a loopback name nor an allowed one, and no credentials are configured; ` +
        'use http://localhost or http://127.0.0.1, add the name to MILLRACE_HOSTS_ALLOWED, or configure credentials',
    )
  }
  const from = origin === undefined ? undefined : URL.parse(origin)
  if (isAllowed(from?.hostname ?? '')) return
  if (origin !== undefined && (from === null || from?.host !== URL.parse(`http://${host}`)?.host)) {
    throw new GatewayError(
      'host_refused',
      `the request comes from a web page of another origin (Origin ${shown(origin)}), and no credentials are configured; ` +
        'add its host name to MILLRACE_HOSTS_ALLOWED, or configure credentials',
    )
  }
  if (headers['sec-fetch-site'] === 'cross-site' && !isLink(request)) {
    throw new GatewayError(
      'host_refused',
      'the request comes from a web page of another site (Sec-Fetch-Site), and no credentials are configured; ' +
        'add its host name to MILLRACE_HOSTS_ALLOWED, or configure credentials',
    )
  }
}

/** Whether somebody followed a link, as to an incident in a message: the other page does not see the response. */
function isLink({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

/**
 * Throws host_refused for a POST without a header of which a browser asks leave before another site may send it: a form of
 * that site could send the POST otherwise, with a remembered password.
 */
export function assertNoForm({ method, headers }: FastifyRequest): void {
  const hasToken = headers.authorization !== undefined && !/^basic\b/i.test(headers.authorization.trim())
  if (method !== 'POST' || hasToken) return
  if (headers['x-scope-orgid'] !== undefined || headers['x-requested-with'] !== undefined) return
  throw new GatewayError(
    'host_refused',
    'a delete request by POST needs a header that no form of a web page can send; add `X-Scope-OrgID: <tenant>`, or `X-Requested-With: curl`, or use PUT',
  )
}

function fitsHost(pattern: string, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  const wanted = pattern.toLowerCase()
  if (wanted.startsWith('*.')) return name.length > wanted.length - 1 && name.endsWith(wanted.slice(1))
  return name !== '' && name.replace(/^\[|\]$/g, '') === wanted.replace(/^\[|\]$/g, '')
}

function shown(header: string | undefined): string {
  return header === undefined ? '(missing)' : JSON.stringify(header.slice(0, 80))
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
