/** The SNS topic for incidents and alarms, and its mail subscriptions. */

import type { StageSettings } from './stages.ts'
import type { Storage } from './storage.ts'

export function createTopic({ alertEmail }: StageSettings, { key }: Storage): sst.aws.SnsTopic {
  const topic = new sst.aws.SnsTopic('Alerts', {
    transform: { topic: key === undefined ? {} : { kmsMasterKeyId: key.arn } },
  })
  if (alertEmail !== undefined) {
    new aws.sns.TopicSubscription('AlertMail', { topic: topic.arn, protocol: 'email', endpoint: alertEmail })
  }
  return topic
}
