/** Settings of incidents and notifications. */

import { LEVELS } from '../domain/entries/level.ts'
import { isTenant } from '../domain/tenant.ts'
import { boolean, choice, duration, integer, type Kind, list, optional, orOff, text } from './kinds.ts'
import { setting } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Labels that tell whose trouble it is, and not which copy of it had it. */
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

export const ALERT_SETTINGS = {
  enabled: setting(
    'INCIDENTS',
    boolean(),
    true,
    'Raise incidents for error lines, and answer /incidents; needs MILLRACE_DISCOVER_LEVELS.',
  ),
  lines: {
    levelMin: setting(
      'INCIDENT_LEVEL',
      choice(LEVELS.slice(1) as readonly Exclude<(typeof LEVELS)[number], ''>[]),
      'error',
      'The mildest level of a line that raises an incident; unknown: every line that the filter takes.',
    ),
    filter: setting(
      'INCIDENT_FILTER',
      optional(text('a LogQL log query like {app="shop"} |= "timeout"', (given) => given.startsWith('{'))),
      undefined,
      'LogQL that a line must pass as well to raise an incident.',
    ),
    identityLabels: setting(
      'INCIDENT_LABELS',
      list('label names between commas'),
      IDENTITY_LABELS,
      'Labels that tell incidents apart; of a stream without any of them, all its labels do.',
    ),
    closesAfterMs: setting(
      'INCIDENT_QUIET',
      orOff(duration({ min: MINUTE })),
      30 * MINUTE,
      'An incident that is not seen for so long is closed.',
    ),
  },
  retention: {
    eventMemoryMs: setting(
      'INCIDENT_EVENT_MEMORY',
      duration({ min: 10 * MINUTE, max: 14 * DAY }),
      DAY,
      'How long a line that is delivered again is known, and not counted twice.',
    ),
    closedKeptMs: setting('INCIDENT_KEPT', duration({ min: HOUR }), 90 * DAY, 'How long closed incidents are kept.'),
  },
  audit: setting('INCIDENT_AUDIT', boolean(), false, 'Also keep a row for each line that raised an incident.'),
  notify: {
    perMinuteMax: setting(
      'ALERT_PER_MINUTE',
      integer({ min: 1, max: 10_000 }),
      20,
      'Messages a minute; what comes beyond is told as one digest.',
    ),
    timeoutMs: setting(
      'ALERT_TIMEOUT',
      duration({ min: 100, max: MINUTE }),
      10_000,
      'How long a receiver may take for one message.',
    ),
    log: setting('ALERT_LOG', boolean(), true, "Tell of incidents in the gateway's own log."),
    webhookUrl: setting(
      'ALERT_WEBHOOK_URL',
      optional(secret(text('a URL that begins with https:// or http://', isHttpUrl))),
      undefined,
      'Where incidents are posted.',
    ),
    webhookFormat: setting(
      'ALERT_WEBHOOK_FORMAT',
      choice(['json', 'slack']),
      'json',
      'What is posted: all of it as JSON, or text and blocks as Slack takes them.',
    ),
    webhookSecret: setting(
      'ALERT_WEBHOOK_SECRET',
      optional(secret(text('at least 16 characters', (given) => given.length >= 16))),
      undefined,
      'Signs what is posted: the header X-Millrace-Signature.',
    ),
    smtpUrl: setting(
      'ALERT_SMTP_URL',
      optional(secret(text('a URL like smtps://user:password@mail.example.com', isSmtpUrl))),
      undefined,
      'The server that takes mail.',
    ),
    mailFrom: setting('ALERT_MAIL_FROM', optional(text('an address', isAddress)), undefined, "The mails' sender."),
    mailTo: setting('ALERT_MAIL_TO', list('addresses between commas', isAddress), [], 'Who gets mail.'),
    snsTopic: setting(
      'ALERT_SNS_TOPIC',
      optional(text('the ARN of a topic', (given) => /^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]+$/.test(given))),
      undefined,
      'The SNS topic that incidents are published to.',
    ),
  },
  links: {
    publicUrl: setting(
      'PUBLIC_URL',
      optional(text('a URL that begins with https:// or http://', isHttpUrl)),
      undefined,
      'Where people reach this gateway: what links in notifications begin with.',
    ),
    grafanaUrl: setting(
      'GRAFANA_URL',
      optional(text('a URL that begins with https:// or http://', isHttpUrl)),
      undefined,
      'A Grafana that has this gateway as a data source: links lead to its Explore.',
    ),
    grafanaDataSource: setting(
      'GRAFANA_DATA_SOURCE',
      text('the UID of a data source', (given) => /^[\w-]{1,40}$/.test(given)),
      'millrace',
      'The UID of that data source.',
    ),
  },
  cloudWatch: {
    tenant: setting(
      'ALERT_TENANT',
      text('a tenant', isTenant),
      'fake',
      'Whose incidents lines of CloudWatch Logs raise.',
    ),
    logGroups: setting(
      'ALERT_LOG_GROUPS',
      list('names of log groups between commas', (given) => /^[\w./#-]{1,512}$/.test(given)),
      [],
      'Log groups that are read where no subscription delivers them.',
    ),
    pattern: setting(
      'ALERT_LOG_PATTERN',
      optional(text('a filter pattern of CloudWatch Logs', (given) => given.length <= 1024)),
      undefined,
      'A filter pattern that leaves lines out before they are read.',
    ),
    everyMs: setting(
      'ALERT_POLL_EVERY',
      duration({ min: 1000, max: HOUR }),
      30_000,
      'How often those log groups are read.',
    ),
  },
} as const

function secret<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, isSecret: true }
}

function isHttpUrl(given: string): boolean {
  const protocol = URL.parse(given)?.protocol
  return protocol === 'https:' || protocol === 'http:'
}

function isSmtpUrl(given: string): boolean {
  const protocol = URL.parse(given)?.protocol
  return protocol === 'smtp:' || protocol === 'smtps:'
}

/** No more than that it is one: control characters would be headers of their own. */
function isAddress(given: string): boolean {
  return /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,255}$/.test(given)
}
