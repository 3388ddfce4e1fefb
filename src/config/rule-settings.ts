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
    "Alert rules in the format of Loki's ruler: a file for the default tenant, or a folder with a folder of files for each tenant; read again when they change.",
  ),
  intervalMs: setting(
    'RULES_INTERVAL',
    duration({ min: 1000 }),
    MINUTE,
    'How often a group of rules that does not say so is evaluated.',
  ),
  timeoutMs: setting(
    'RULES_TIMEOUT',
    duration({ min: 100 }),
    30_000,
    'How long one evaluation of a group may take; rules that it does not reach wait for the next.',
  ),
  alertsMax: setting(
    'RULE_ALERTS_MAX',
    integer({ min: 1, max: 100 }),
    50,
    'Alerts that one rule may have at a time; with more it fails, and its alerts stay as they were.',
  ),
  anomalies: setting(
    'ANOMALIES',
    boolean(),
    false,
    'Watch how many lines each service writes at each level, and open an incident when it is far from usual.',
  ),
  anomalyTenants: setting(
    'ANOMALY_TENANTS',
    optional(list('tenants, between commas', isTenant)),
    undefined,
    'Tenants that are watched; the default tenant where nothing is said.',
  ),
  anomalyWarmUpMs: setting(
    'ANOMALY_WARM_UP',
    duration({ min: DAY }),
    7 * DAY,
    'How long a service is learned before it is judged; less than a week knows nothing of weekends.',
  ),
  anomalyFactor: setting(
    'ANOMALY_FACTOR',
    integer({ min: 2, max: 1000 }),
    2,
    'How many times more or fewer lines than usual are an anomaly, if they are also beyond the usual noise.',
  ),
  anomalyCountMin: setting(
    'ANOMALY_COUNT_MIN',
    integer({ min: 1 }),
    30,
    'Lines in five minutes below which nothing is judged: seen ones for too many, usual ones for too few.',
  ),
  anomalySeriesMax: setting(
    'ANOMALY_SERIES_MAX',
    integer({ min: 1, max: 10_000 }),
    500,
    'Pairs of service and level that are watched for a tenant; more are left out and counted.',
  ),
} as const
