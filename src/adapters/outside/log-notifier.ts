/** Notifier that writes to the gateway's own log, without client lines or labels. */

import { countTransitions, type Message, type Notification } from '../../domain/incidents/notification.ts'
import type { Notifier } from '../../ports/incidents.ts'

export interface IncidentLog {
  warn(facts: object, text: string): void
  info(facts: object, text: string): void
}

export class LogNotifier implements Notifier {
  readonly name = 'log'
  readonly #log: IncidentLog

  constructor(log: IncidentLog) {
    this.#log = log
  }

  /** One log line per message, so that a digest does not flood the log. */
  async send({ id, notifications }: Message): Promise<void> {
    const [first] = notifications
    const counts = countTransitions(notifications)
    const isSingle = first !== undefined && notifications.length === 1
    const facts = isSingle ? factsOf(first) : { digest: id, ...Object.fromEntries(counts) }
    const text = isSingle ? 'incident' : 'incidents'
    if (counts.has('opened') || counts.has('reopened')) this.#log.warn(facts, text)
    else this.#log.info(facts, text)
  }
}

function factsOf({ id, transition, incident }: Notification): object {
  const { tenant, kind, severity, count, id: incidentId } = incident
  return { notification: id, incident: incidentId, transition, tenant, kind, severity, count }
}
