/** Settings of incidents and notifications. */

import { LEVELS } from '../domain/levels/level.ts'
import { isTenant } from '../domain/tenant.ts'
import { boolean, choice, duration, integer, type Kind, list, optional, orOff, text } from './kinds.ts'
import { setting } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Labels that identify the service, but not the instance. */
const IDENTITY_LABELS = [
  'service_name',
  'service_namespace',
  'namespace',
  'env',
  'environment',
  'deployment_environment',
  'cluster',
  'log_group',
]

export const INCIDENT_SETTINGS = {
  enabled: setting(
    'INCIDENTS',
    boolean(),
    true,
    'Open incidents for error lines and serve /incidents; needs MILLRACE_DISCOVER_LEVELS.',
  ),
  lines: {
    levelMin: setting(
      'INCIDENT_LEVEL',
      choice(LEVELS.slice(1) as readonly Exclude<(typeof LEVELS)[number], ''>[]),
      'error',
      'Lowest level that opens an incident; unknown: every line that passes the filter.',
    ),
    filter: setting(
      'INCIDENT_FILTER',
      optional(text('a LogQL log query like {app="shop"} |= "timeout"', (text) => text.startsWith('{'))),
      undefined,
      'LogQL filter that a line must also pass to open an incident.',
    ),
    identityLabels: setting(
      'INCIDENT_LABELS',
      list('comma-separated label names'),
      IDENTITY_LABELS,
      'Labels by which incidents are grouped; a stream with none of them is grouped by all its labels.',
    ),
    closesAfterMs: setting(
      'INCIDENT_QUIET',
      orOff(duration({ min: MINUTE })),
      30 * MINUTE,
      'Close an incident after this time without a new occurrence.',
    ),
  },
  retention: {
    eventMemoryMs: setting(
      'INCIDENT_EVENT_MEMORY',
      duration({ min: 10 * MINUTE, max: 14 * DAY }),
      DAY,
      'How long a repeated delivery of CloudWatch Logs, or a repeated push in the aws home, is recognised and not counted again.',
    ),
    closedKeptMs: setting('INCIDENT_KEPT', duration({ min: HOUR }), 90 * DAY, 'How long closed incidents are kept.'),
  },
  audit: setting('INCIDENT_AUDIT', boolean(), false, 'Also store an audit row for each line that raised an incident.'),
  rowTable: setting(
    'INCIDENT_TABLE',
    optional(text('the name of a DynamoDB table', (given) => /^[\w.-]{3,255}$/.test(given))),
    undefined,
    "In the aws home, the table of those rows, with the key `incident_id`; by default they are stored in the gateway's table.",
  ),
  notify: {
    perMinuteMax: setting(
      'ALERT_PER_MINUTE',
      integer({ min: 1, max: 10_000 }),
      20,
      'Maximum number of notifications per minute; further ones are combined in one digest.',
    ),
    timeoutMs: setting(
      'ALERT_TIMEOUT',
      duration({ min: 100, max: MINUTE }),
      10_000,
      'Timeout for sending one notification.',
    ),
    log: setting('ALERT_LOG', boolean(), true, "Report incidents in the gateway's own log."),
    webhookUrl: setting(
      'ALERT_WEBHOOK_URL',
      optional(secret(text('a URL that begins with https:// or http://', isHttpUrl))),
      undefined,
      'URL that incidents are posted to.',
    ),
    webhookFormat: setting(
      'ALERT_WEBHOOK_FORMAT',
      choice(['json', 'slack']),
      'json',
      'Format of the webhook body: the whole incident as JSON, or text and blocks for Slack.',
    ),
    webhookSecret: setting(
      'ALERT_WEBHOOK_SECRET',
      optional(secret(text('at least 16 characters', (text) => text.length >= 16))),
      undefined,
      'Secret that signs webhook requests, in the header X-Millrace-Signature.',
    ),
    smtpUrl: setting(
      'ALERT_SMTP_URL',
      optional(secret(text('a URL like smtps://user:password@mail.example.com', isSmtpUrl))),
      undefined,
      'SMTP server for mail notifications.',
    ),
    mailFrom: setting(
      'ALERT_MAIL_FROM',
      optional(text('an address', isAddress)),
      undefined,
      'Sender address of mail notifications.',
    ),
    mailTo: setting(
      'ALERT_MAIL_TO',
      list('comma-separated addresses', isAddress),
      [],
      'Recipients of mail notifications.',
    ),
    snsTopic: setting(
      'ALERT_SNS_TOPIC',
      optional(text('the ARN of a topic', (text) => /^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]+$/.test(text))),
      undefined,
      'SNS topic that incidents are published to.',
    ),
  },
  links: {
    publicUrl: setting(
      'PUBLIC_URL',
      optional(text('a URL that begins with https:// or http://', isHttpUrl)),
      undefined,
      'Public URL of this gateway, used for links in notifications.',
    ),
    grafanaUrl: setting(
      'GRAFANA_URL',
      optional(text('a URL that begins with https:// or http://', isHttpUrl)),
      undefined,
      'URL of a Grafana that has this gateway as a data source; links open its Explore page.',
    ),
    grafanaDataSource: setting(
      'GRAFANA_DATA_SOURCE',
      text('the UID of a data source', (text) => /^[\w-]{1,40}$/.test(text)),
      'millrace',
      'UID of that data source.',
    ),
  },
  cloudWatch: {
    tenant: setting(
      'ALERT_TENANT',
      text('a tenant', isTenant),
      'fake',
      'Tenant of the incidents raised by lines from CloudWatch Logs.',
    ),
    logGroups: setting(
      'ALERT_LOG_GROUPS',
      list('comma-separated names of log groups', (name) => /^[\w./#-]{1,512}$/.test(name)),
      [],
      'Log groups to poll where no subscription delivers them.',
    ),
    pattern: setting(
      'ALERT_LOG_PATTERN',
      optional(text('a filter pattern of CloudWatch Logs', (text) => text.length <= 1024)),
      undefined,
      'CloudWatch Logs filter pattern; lines that do not match are not read.',
    ),
    everyMs: setting(
      'ALERT_POLL_EVERY',
      duration({ min: 1000, max: HOUR }),
      30_000,
      'How often these log groups are polled.',
    ),
  },
} as const

function secret<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, isSecret: true }
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol
  return protocol === 'https:' || protocol === 'http:'
}

function isSmtpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol
  return protocol === 'smtp:' || protocol === 'smtps:'
}

/** A plain address only: a control character could inject a mail header. */
function isAddress(text: string): boolean {
  return /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,255}$/.test(text)
}
