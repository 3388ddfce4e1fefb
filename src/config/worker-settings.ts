/** Settings of the aws home's worker, metrics and secrets. */

import { duration, optional, text } from './kinds.ts'
import { setting } from './setting.ts'

/** CloudWatch namespaces; those that begin with AWS/ are reserved. */
const NAMESPACE = /^(?!AWS\/)[A-Za-z0-9._/#:-]{1,255}$/

export const WORKER_SETTINGS = {
  deadLetterUrl: setting(
    'DEAD_LETTER_URL',
    optional(text('the URL of an SQS queue', isQueueUrl)),
    undefined,
    'Dead-letter queue of MILLRACE_QUEUE_URL: the worker moves unreadable messages there, with the reason; `millrace redrive` moves them back.',
  ),
  alertFunction: setting(
    'ALERT_FUNCTION',
    optional(text('the name of a function', isFunctionName)),
    undefined,
    'Function of the alert processor: `millrace redrive` calls it again with what is in MILLRACE_ALERT_DEAD_LETTER_URL.',
  ),
  alertDeadLetterUrl: setting(
    'ALERT_DEAD_LETTER_URL',
    optional(text('the URL of an SQS queue', isQueueUrl)),
    undefined,
    'Dead-letter queue of MILLRACE_ALERT_FUNCTION.',
  ),
  pollerFunction: setting(
    'POLL_FUNCTION',
    optional(text('the name of a function', isFunctionName)),
    undefined,
    'Function of the poller: `millrace redrive` calls it again with what is in MILLRACE_POLL_DEAD_LETTER_URL.',
  ),
  pollerDeadLetterUrl: setting(
    'POLL_DEAD_LETTER_URL',
    optional(text('the URL of an SQS queue', isQueueUrl)),
    undefined,
    'Dead-letter queue of MILLRACE_POLL_FUNCTION.',
  ),
  metricsNamespace: setting(
    'METRICS_NAMESPACE',
    text('a CloudWatch namespace of letters, digits and ._/#:-, not AWS/', (text) => NAMESPACE.test(text)),
    'Millrace',
    'CloudWatch namespace of the metrics written by functions and the worker.',
  ),
  usersRefreshMs: setting(
    'USERS_REFRESH',
    duration({ min: 10_000 }),
    300_000,
    'How often MILLRACE_USERS is looked up again if it is a reference, ssm:<parameter>; a rejected password triggers a lookup immediately.',
  ),
} as const

/** A name, or an ARN. */
function isFunctionName(text: string): boolean {
  return /^[\w:-]{1,170}$/.test(text)
}

function isQueueUrl(text: string): boolean {
  return ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '')
}
