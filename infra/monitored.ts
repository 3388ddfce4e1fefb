/** The resources that the alarms and the dashboard monitor. */

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

/** The namespace of the functions' own metrics. Each stage has its own, so that an error in one raises no alarm of another. */
export function metricsNamespace(): string {
  return `Millrace/${$app.stage}`
}

/** The namespace of metric filters on watched log groups. Filters have no constant dimensions, so the name contains the stage. */
export function errorNamespace(): string {
  return `LogMonitoring/${$app.stage}`
}
