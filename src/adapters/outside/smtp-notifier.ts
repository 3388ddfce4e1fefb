/** Notifier that sends mail. */

import { GatewayError } from '../../domain/errors.ts'
import type { Message } from '../../domain/incidents/notification.ts'
import type { Notifier } from '../../ports/incidents.ts'
import type { LinkSettings } from '../../protocol/incidents/incident-links.ts'
import { formatSubject, formatText } from '../../protocol/incidents/incident-message.ts'

/** The used part of a nodemailer transport. */
export interface MailTransport {
  sendMail(mail: {
    readonly from: string
    readonly to: string[]
    readonly subject: string
    readonly text: string
    readonly messageId: string
    readonly headers: Readonly<Record<string, string>>
  }): Promise<unknown>
}

export interface SmtpSettings {
  readonly from: string
  readonly to: readonly string[]
  readonly links: LinkSettings
}

/** The visible length in mail lists. */
const SUBJECT_CHARS_MAX = 200

export class SmtpNotifier implements Notifier {
  readonly name = 'smtp'
  readonly #settings: SmtpSettings
  readonly #open: () => Promise<MailTransport>

  constructor(settings: SmtpSettings, open: () => Promise<MailTransport>) {
    this.#settings = settings
    this.#open = open
  }

  async send(message: Message): Promise<void> {
    const { from, to, links } = this.#settings
    const transport = await this.#open()
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject: formatSubject(message, SUBJECT_CHARS_MAX),
        text: formatText(message, links),
        // A retried mail has the same id, so that clients show it once.
        messageId: `<${message.id}@millrace>`,
        // Prevents automatic replies. See RFC 3834.
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    } catch (cause) {
      const { responseCode, code = 'no response' } = cause as { responseCode?: number; code?: string }
      const advice = 'check MILLRACE_ALERT_SMTP_URL, MILLRACE_ALERT_MAIL_FROM and MILLRACE_ALERT_MAIL_TO'
      // Without the cause: servers quote rejected content, which contains client lines.
      const text = `the mail server did not accept a mail (${responseCode ?? code}); ${advice}`
      throw new GatewayError('source_unavailable', text)
    }
  }
}

/**
 * Opens a nodemailer transport for smtp:// (with STARTTLS if the server supports it) or smtps://. `timeoutMs` is the
 * timeout for the server.
 */
export function smtpTransport(url: string, timeoutMs: number): () => Promise<MailTransport> {
  let transport: MailTransport | undefined
  return async () => {
    const { createTransport } = await import('nodemailer')
    const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs }
    transport ??= createTransport({ url, ...timeouts } as Parameters<typeof createTransport>[0])
    return transport
  }
}
