/** What alarms and dashboard look at. */

import type { Base, ImageFunction } from './functions.ts'
import type { Gateway } from './gateway.ts'
import type { Incidents } from './incidents.ts'
import type { Poller } from './poller.ts'

export interface Monitored extends Base {
  readonly gateway: Gateway
  readonly worker: ImageFunction
  /** On the direct path. */
  readonly compactor: ImageFunction | undefined
  readonly poller: Poller | undefined
  readonly incidents: Incidents
}

export interface Alarm {
  readonly id: string
  readonly arn: $util.Output<string>
}

/** Of the functions' own metrics: each stage has its own, so an error in one rings no alarm of another. */
export function metricsNamespace(): string {
  return `Millrace/${$app.stage}`
}

/** Of what metric filters count in watched log groups. Filters take no constant dimension, so the stage is in the name. */
export function errorNamespace(): string {
  return `LogMonitoring/${$app.stage}`
}
