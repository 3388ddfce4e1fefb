/** The HTTP client of the commands: address, credentials and responses of a gateway. */

import { GatewayError } from '../domain/errors.ts'
import { type ClientSource, type ClientValues, NO_SOURCE, readClientSettings, URL_DEFAULT } from './client-settings.ts'

/** For parseArgs: the options of every command that calls a gateway. */
export const CLIENT_OPTIONS = {
  url: { type: 'string' },
  user: { type: 'string' },
  token: { type: 'string' },
  tenant: { type: 'string' },
  profile: { type: 'string' },
  'password-file': { type: 'string' },
  'token-file': { type: 'string' },
} as const

export const CLIENT_USAGE = `  --url URL           the gateway; default MILLRACE_URL, LOKI_ADDR or ${URL_DEFAULT}
  --user NAME[:PASS]  basic authentication; the password is better in MILLRACE_PASSWORD or a file
  --password-file FILE  its first line is the password
  --token TOKEN       bearer token; better in MILLRACE_TOKEN or a file
  --token-file FILE   its first line is the token
  --tenant TENANT     tenant (X-Scope-OrgID)
  --profile NAME      address and credentials of ~/.config/millrace/profiles.json`

/** The address of a gateway, and the headers of requests to it. */
export interface GatewayAddress {
  /** Without a trailing slash. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Credentials in the URL, `http://name:password@host`, count as --user; the address is without them, as it is printed.
 * Throws parameter_invalid if the address is not a URL, and like readClientSettings.
 */
export function readAddress(values: ClientValues, source: ClientSource = NO_SOURCE): GatewayAddress {
  const { url, username, password, token, tenant, origins } = readClientSettings(values, source)
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new GatewayError(
      'parameter_invalid',
      `${origins.url === 'flags' ? '--url' : `the address from ${origins.url}`} is not a URL; give one like ${URL_DEFAULT}`,
    )
  }
  const headers: Record<string, string> = {}
  if (parsed.username !== '') headers['authorization'] = `Basic ${encodeUser(parsed)}`
  if (username !== undefined)
    headers['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  if (tenant !== undefined) headers['x-scope-orgid'] = tenant
  return { url: `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, ''), headers }
}

function encodeUser({ username, password }: URL): string {
  try {
    return Buffer.from(decodeURIComponent(`${username}:${password}`)).toString('base64')
  } catch (cause) {
    const text = 'the address has credentials with an invalid %; write it as %25, or use --user'
    throw new GatewayError('parameter_invalid', text, { cause })
  }
}

export type Parameters = Readonly<Record<string, string | number | bigint | undefined>>

/** `url` + `path` with the defined parameters. */
export function addressOf({ url }: GatewayAddress, path: string, parameters: Parameters): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value))
  return `${url}${path}?${search}`
}

/** A response of the gateway with any status. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** Longer responses are rejected: a page of lines is far smaller. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024
const TEXT_CHARS_MAX = 500

/** Sends a request. Throws source_unavailable if there is no response or it is too long. */
export async function ask(gateway: GatewayAddress, path: string, parameters: Parameters = {}): Promise<Answer> {
  const headers = { ...gateway.headers, 'x-loki-response-encoding-flags': 'categorize-labels' }
  try {
    const response = await fetch(addressOf(gateway, path, parameters), { headers })
    return { status: response.status, text: await readText(response) }
  } catch (error) {
    if (error instanceof GatewayError) throw error
    const { cause, message } = error as Error
    const why = cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : message
    const text = `${gateway.url} cannot be reached: ${why}; start the gateway, or give its address with --url`
    throw new GatewayError('source_unavailable', text, { cause: error })
  }
}

/**
 * Requests JSON. Throws like `ask`, and with the gateway's message: not_found, source_unavailable for 429 and 5xx,
 * query_refused for other errors.
 */
export async function askJson(gateway: GatewayAddress, path: string, parameters: Parameters = {}): Promise<unknown> {
  const answer = await ask(gateway, path, parameters)
  if (answer.status !== 200) throw refusalOf(gateway, answer)
  try {
    return JSON.parse(answer.text)
  } catch (cause) {
    const text = `the response of ${gateway.url} is not JSON; is --url the address of a gateway?`
    throw new GatewayError('source_unavailable', text, { cause })
  }
}

/** The error for a response whose status is not 200. */
export function refusalOf({ url }: GatewayAddress, { status, text }: Answer): GatewayError {
  const advice = status === 401 ? '; give credentials with --user, --token or --profile, or in the environment' : ''
  const words = wordsOf(text).trim().slice(0, TEXT_CHARS_MAX)
  const message = `${url} responded with ${status}${words === '' ? '' : `: ${words}`}${advice}`
  if (status === 404) return new GatewayError('not_found', message)
  return new GatewayError(status >= 500 || status === 429 ? 'source_unavailable' : 'query_refused', message)
}

/** The error message of a response: JSON from Millrace's own routes, plain text from Loki's. */
function wordsOf(text: string): string {
  try {
    const message = JSON.parse(text)?.error?.message
    return typeof message === 'string' ? message : text
  } catch {
    return text
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) {
      const message = `the response is longer than ${ANSWER_BYTES_MAX} bytes; use a shorter time range or fewer lines`
      throw new GatewayError('source_unavailable', message)
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
