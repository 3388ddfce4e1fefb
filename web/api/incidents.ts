/** Incidents, as the gateway keeps them. */

import { type Asking, askJson, type Parameters } from './request.ts'

export type IncidentState = 'open' | 'acknowledged' | 'closed'

export interface Incident {
  readonly id: string
  readonly kind: 'line' | 'rule' | 'anomaly'
  readonly state: IncidentState
  readonly severity: string
  readonly title: string
  readonly labels: Readonly<Record<string, string>>
  readonly count: number
  readonly firstSeen: string
  readonly lastSeen: string
  readonly openedAt: string
  readonly closedAt?: string
  readonly query?: string
  readonly samples?: readonly { readonly eventId: string; readonly timestamp: string; readonly line: string }[]
  /** Changes of its state, oldest first. */
  readonly history: readonly { readonly at: string; readonly what: string; readonly by?: string }[]
}

export interface IncidentPage {
  readonly items: readonly Incident[]
  readonly hasMore: boolean
  readonly nextToken?: string
}

export const listIncidents = (parameters: Parameters, asking: Asking = {}): Promise<IncidentPage> =>
  askJson('incidents', { samples: 'no', ...parameters }, asking)

export const readIncident = (id: string, asking: Asking = {}): Promise<Incident> =>
  askJson(`incidents/${encodeURIComponent(id)}`, {}, asking)

export const changeIncident = (id: string, what: 'ack' | 'close'): Promise<Incident> =>
  askJson(`incidents/${encodeURIComponent(id)}/${what}`, {}, { method: 'POST' })
