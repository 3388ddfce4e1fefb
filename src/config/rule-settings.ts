/** Settings of alert rules and anomalies. */

import { isTenant } from '../domain/tenant.ts'
import { boolean, duration, integer, list, optional, text } from './kinds.ts'
import { setting } from './setting.ts'

const MINUTE = 60_000
const DAY = 86_400_000

export const RULE_SETTINGS = {
  path: setting(
    'RULES',
    optional(text('the path of a file or a folder')),
    undefined,
    "Alert rules in the format of Loki's ruler: a file for the default tenant, or a folder with one folder of files per tenant; reloaded when they change.",
  ),
  intervalMs: setting(
    'RULES_INTERVAL',
    duration({ min: 1000 }),
    MINUTE,
    'Evaluation interval of rule groups that do not set one.',
  ),
  timeoutMs: setting(
    'RULES_TIMEOUT',
    duration({ min: 100 }),
    30_000,
    'Timeout for the evaluation of a group; rules that it does not reach wait for the next evaluation.',
  ),
  alertsMax: setting(
    'RULE_ALERTS_MAX',
    integer({ min: 1, max: 100 }),
    50,
    'Maximum number of concurrent alerts per rule; a rule with more fails and keeps its previous alerts.',
  ),
  anomalies: setting(
    'ANOMALIES',
    boolean(),
    false,
    'Learn how many lines each service writes at each level, and open an incident when the rate is unusual.',
  ),
  anomalyTenants: setting(
    'ANOMALY_TENANTS',
    optional(list('comma-separated tenants', isTenant)),
    undefined,
    'Tenants to watch for anomalies; if not set, the default tenant.',
  ),
  anomalyWarmUpMs: setting(
    'ANOMALY_WARM_UP',
    duration({ min: DAY }),
    7 * DAY,
    'How long a service is observed before it is judged; with less than a week, weekends are unknown.',
  ),
  anomalyFactor: setting(
    'ANOMALY_FACTOR',
    integer({ min: 2, max: 1000 }),
    2,
    'Factor above or below the usual rate that is an anomaly, if it is also beyond the usual noise.',
  ),
  anomalyCountMin: setting(
    'ANOMALY_COUNT_MIN',
    integer({ min: 1 }),
    30,
    'Lines in five minutes below which nothing is an anomaly: observed lines for an increase, usual lines for a drop.',
  ),
  anomalySeriesMax: setting(
    'ANOMALY_SERIES_MAX',
    integer({ min: 1, max: 10_000 }),
    500,
    'Maximum number of pairs of service and level watched per tenant; further pairs are ignored and counted.',
  ),
} as const
