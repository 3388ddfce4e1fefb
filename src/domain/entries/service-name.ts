/** The label `service_name`, derived in the same way as in Loki's distributor: Logs Drilldown depends on it. */

import { type Labels, labelValue, sortLabels } from '../labels.ts'

/** Labels that identify the service, in order of precedence. Loki's discover_service_name. */
export const SERVICE_LABELS = [
  'service',
  'app',
  'application',
  'app_name',
  'name',
  'app_kubernetes_io_name',
  'container',
  'container_name',
  'k8s_container_name',
  'component',
  'workload',
  'job',
  'k8s_job_name',
] as const

export const SERVICE_NAME = 'service_name'
const UNKNOWN_SERVICE = 'unknown_service'
/** Loki's internal streams have no service. */
const INTERNAL_LABELS = ['__aggregated_metric__', '__pattern__'] as const
/** Labels with the service_name that Loki would add; unchanged if they have one or must not have one. */
export function withServiceName(labels: Labels): Labels {
  if (labelValue(labels, SERVICE_NAME) !== '') return labels
  if (INTERNAL_LABELS.some((name) => labelValue(labels, name) !== '')) return labels
  const source = SERVICE_LABELS.find((name) => labelValue(labels, name) !== '')
  const value = source === undefined ? UNKNOWN_SERVICE : labelValue(labels, source)
  return sortLabels([...labels, { name: SERVICE_NAME, value }])
}
