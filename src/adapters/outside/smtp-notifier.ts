/** Notifier that sends mail. */

import { GatewayError } from '../../domain/errors.ts'
import type { Message } from '../../domain/incidents/notification.ts'
import type { Notifier } from '../../ports/incidents.ts'
import type { LinkSettings } from '../../protocol/incidents/incident-links.ts'
import { formatSubject, formatText } from '../../protocol/incidents/incident-message.ts'

/** What is used of a nodemailer transport. */
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

/** What lists of mails show. */
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
        // A mail that is sent again is the same mail: clients show it once.
        messageId: `<${message.id}@millrace>`,
        // Machines are not to answer it. See RFC 3834.
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    } catch (cause) {
      const { responseCode, code = 'no answer' } = cause as { responseCode?: number; code?: string }
      const advice = 'look at MILLRACE_ALERT_SMTP_URL, MILLRACE_ALERT_MAIL_FROM and MILLRACE_ALERT_MAIL_TO'
      // No cause: servers repeat what they refuse, and that has a line of somebody in it.
      const text = `the mail server did not take a mail (${responseCode ?? code}); ${advice}`
      throw new GatewayError('source_unavailable', text)
    }
  }
}

/**
 * Opens a transport of nodemailer for smtp:// (STARTTLS where the server has it) or smtps://. `timeoutMs`: how long it
 * waits for the server.
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
