/** What alarms and dashboard look at. */

import type { Base, ImageFunction } from './functions.ts'
import type { Gateway } from './gateway.ts'
import type { Incidents } from './incidents.ts'
import type { Poller } from './poller.ts'

export interface Monitored extends Base {
  readonly gateway: Gateway
  readonly worker: ImageFunction
  readonly poller: Poller | undefined
  readonly incidents: Incidents
}

export interface Alarm {
  readonly id: string
  readonly arn: $util.Output<string>
}

/** Of the functions' own metrics. */
export const NAMESPACE = 'Millrace'
