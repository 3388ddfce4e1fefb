/** Settings of the aws home's worker, metrics and secrets. */

import { duration, optional, text } from './kinds.ts'
import { setting } from './setting.ts'

/** Names of CloudWatch's namespaces; those that begin with AWS/ are AWS's own. */
const NAMESPACE = /^(?!AWS\/)[A-Za-z0-9._/#:-]{1,255}$/

export const WORKER_SETTINGS = {
  deadLetterUrl: setting(
    'DEAD_LETTER_URL',
    optional(text("an SQS queue's URL", isQueueUrl)),
    undefined,
    'Dead-letter queue of MILLRACE_QUEUE_URL: the worker puts there, with the reason, what nobody can read; `millrace redrive` brings it back.',
  ),
  metricsNamespace: setting(
    'METRICS_NAMESPACE',
    text('a CloudWatch namespace of letters, digits and ._/#:-, not AWS/', (given) => NAMESPACE.test(given)),
    'Millrace',
    "CloudWatch's namespace of the counts that functions and the worker write.",
  ),
  usersRefreshMs: setting(
    'USERS_REFRESH',
    duration({ min: 10_000 }),
    300_000,
    'How often MILLRACE_USERS is looked up again where it is a reference, ssm:<parameter>; a refused password makes it be looked up at once.',
  ),
} as const

function isQueueUrl(given: string): boolean {
  return ['http:', 'https:'].includes(URL.parse(given)?.protocol ?? '')
}
