/** Notifier that publishes to an SNS topic, for mail and for programs that filter by attributes. */

import type { PublishCommandInput, SNS } from '@aws-sdk/client-sns'
import { GatewayError } from '../../../domain/errors.ts'
import type { Message } from '../../../domain/incidents/notification.ts'
import type { Lazy } from '../../../kit/lazy.ts'
import type { Notifier } from '../../../ports/incidents.ts'
import type { LinkSettings } from '../../../protocol/incidents/incident-links.ts'
import { formatSubject, formatText } from '../../../protocol/incidents/incident-message.ts'
import { errorName } from '../aws-errors.ts'

export interface SnsSettings {
  readonly topic: string
  readonly links: LinkSettings
}

/** SNS accepts 256 KiB including attributes, and a subject of up to 100 ASCII characters. */
const TEXT_BYTES_MAX = 240 * 1024
const SUBJECT_CHARS_MAX = 99

export class SnsNotifier implements Notifier {
  readonly name = 'sns'
  readonly #settings: SnsSettings
  readonly #client: Lazy<Pick<SNS, 'publish'>>

  constructor(settings: SnsSettings, client: Lazy<Pick<SNS, 'publish'>>) {
    this.#settings = settings
    this.#client = client
  }

  async send(message: Message, signal: AbortSignal): Promise<void> {
    const { topic, links } = this.#settings
    const request: PublishCommandInput = {
      TopicArn: topic,
      // SNS rejects messages with other characters in the subject.
      Subject: formatSubject(message, SUBJECT_CHARS_MAX).replace(/[^ -~]/g, '?'),
      Message: cutBytes(formatText(message, links), TEXT_BYTES_MAX),
      MessageAttributes: attributesOf(message),
      // A FIFO topic deduplicates messages by this id.
      ...(topic.endsWith('.fifo') && { MessageGroupId: 'incidents', MessageDeduplicationId: message.id }),
    }
    try {
      const client = await this.#client()
      await client.publish(request, { abortSignal: signal })
    } catch (cause) {
      const text = `SNS did not take a message (${errorName(cause)}); look at MILLRACE_ALERT_SNS_TOPIC and the right to publish`
      throw new GatewayError('source_unavailable', text, { cause })
    }
  }
}

function attributesOf({ id, notifications }: Message): NonNullable<PublishCommandInput['MessageAttributes']> {
  const [first] = notifications
  const facts: [name: string, value: string][] = [['notification', id]]
  if (first !== undefined && notifications.length === 1) {
    const { transition, incident } = first
    facts.push(['transition', transition], ['severity', incident.severity], ['kind', incident.kind])
    facts.push(['tenant', incident.tenant], ['incident', incident.id])
  } else facts.push(['transition', 'digest'])
  return Object.fromEntries(facts.map(([name, value]) => [name, { DataType: 'String', StringValue: value }]))
}

function cutBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return text
  // A truncated character is decoded as the replacement character, which is removed.
  return bytes
    .subarray(0, bytesMax)
    .toString('utf8')
    .replace(/\ufffd$/, '')
}
