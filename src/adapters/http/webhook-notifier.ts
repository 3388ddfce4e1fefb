/** Notifier that posts JSON to a URL, signed where there is a secret. */

import { createHmac } from 'node:crypto'
import { GatewayError } from '../../domain/errors.ts'
import type { Message } from '../../domain/notification.ts'
import type { Notifier } from '../../ports/incidents.ts'
import type { Clock } from '../../ports.ts'
import type { LinkSettings } from '../../protocol/incident-links.ts'
import { formatMessageJson, formatSlack } from '../../protocol/incident-message.ts'

export interface WebhookSettings {
  readonly url: string
  /** Signs the body; undefined: nothing is signed. */
  readonly secret: string | undefined
  /** Generic JSON, or text and blocks as Slack takes them. */
  readonly format: 'json' | 'slack'
  readonly links: LinkSettings
}

/**
 * Headers: `X-Millrace-Notification` with the message's id, the same over all attempts; with a secret
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
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'millrace',
      'x-millrace-notification': message.id,
      ...this.#signature(body),
    }
    // What answers elsewhere was not meant: the body would follow there, and the signature with it.
    const response = await this.#fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
    await response.body?.cancel()
    if (response.ok) return
    const text = `the webhook answered ${response.status}; wanted 2xx: look at MILLRACE_ALERT_WEBHOOK_URL and its receiver`
    throw new GatewayError('source_unavailable', text)
  }

  #signature(body: string): Readonly<Record<string, string>> {
    const { secret } = this.#settings
    if (secret === undefined) return {}
    const seconds = Math.floor(this.#clock.nowMs() / 1000)
    const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
    return { 'x-millrace-signature': `t=${seconds},v1=${digest}` }
  }
}
