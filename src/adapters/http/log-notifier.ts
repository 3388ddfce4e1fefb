/** Notifier that writes to the gateway's own log: that something happened, never a line or a label of anybody. */

import type { Message } from '../../domain/notification.ts'
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

  async send({ notifications }: Message): Promise<void> {
    for (const { id, transition, incident } of notifications) {
      const { tenant, kind, severity, count, id: incidentId } = incident
      const facts = { notification: id, incident: incidentId, transition, tenant, kind, severity, count }
      if (transition === 'opened' || transition === 'reopened') this.#log.warn(facts, 'incident')
      else this.#log.info(facts, 'incident')
    }
  }
}
