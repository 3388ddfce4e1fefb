/** Notifier that posts JSON to a URL, signed if there is a secret. */

import { createHmac } from 'node:crypto'
import { GatewayError } from '../../domain/errors.ts'
import type { Message } from '../../domain/incidents/notification.ts'
import type { Notifier } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { LinkSettings } from '../../protocol/incidents/incident-links.ts'
import { formatMessageJson, formatSlack } from '../../protocol/incidents/incident-message.ts'

export interface WebhookSettings {
  /** A name and a password in the URL are sent as basic authentication. */
  readonly url: string
  /** Signs the body; undefined: no signature. */
  readonly secret: string | undefined
  /** Generic JSON, or text and blocks for Slack. */
  readonly format: 'json' | 'slack'
  readonly links: LinkSettings
}

/**
 * Headers: `X-Millrace-Notification` with the message id, the same for all attempts; with a secret
 * `X-Millrace-Signature: t=<seconds since the epoch>,v1=<HMAC-SHA256 of "<t>.<body>", hexadecimal>`.
 */
export class WebhookNotifier implements Notifier {
  readonly name = 'webhook'
  readonly #settings: WebhookSettings
  readonly #clock: Clock
  readonly #fetch: typeof fetch

  constructor(settings: WebhookSettings, clock: Clock, request: typeof fetch = fetch) {
    this.#settings = settings
    this.#clock = clock
    this.#fetch = request
  }

  async send(message: Message, signal: AbortSignal): Promise<void> {
    const { url, format, links } = this.#settings
    const body = format === 'slack' ? formatSlack(message, links) : formatMessageJson(message, links)
    const { address, authorization } = splitCredentials(url)
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'millrace',
      'x-millrace-notification': message.id,
      ...(authorization !== undefined && { authorization }),
      ...this.#signature(body),
    }
    const response = await this.#post(address, { headers, body, signal })
    await response.body?.cancel()
    if (response.ok) return
    const text = `the webhook responded with ${response.status}; expected 2xx: check MILLRACE_ALERT_WEBHOOK_URL and its receiver`
    throw new GatewayError('source_unavailable', text)
  }

  async #post(address: URL, request: Pick<RequestInit, 'headers' | 'body' | 'signal'>): Promise<Response> {
    try {
      // A redirect is not followed: it would send body and signature to another address.
      return await this.#fetch(address, { ...request, method: 'POST', redirect: 'manual' })
    } catch (cause) {
      // Without the cause: its message may contain the URL, which is a secret.
      const text = `the webhook did not respond (${reasonOf(cause)}); check MILLRACE_ALERT_WEBHOOK_URL and its receiver`
      throw new GatewayError('source_unavailable', text)
    }
  }

  #signature(body: string): Readonly<Record<string, string>> {
    const { secret } = this.#settings
    if (secret === undefined) return {}
    const seconds = Math.floor(this.#clock.nowMs() / 1000)
    const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
    return { 'x-millrace-signature': `t=${seconds},v1=${digest}` }
  }
}

/** fetch rejects a URL with credentials, and its error would contain them. */
function splitCredentials(url: string): { readonly address: URL; readonly authorization: string | undefined } {
  const address = new URL(url)
  const { username, password } = address
  address.username = ''
  address.password = ''
  if (username === '' && password === '') return { address, authorization: undefined }
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { address, authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** An error code like ECONNREFUSED, or the name of the error. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as Error
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? name
}
