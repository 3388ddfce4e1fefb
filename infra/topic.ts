/** SNS topics and their mails: one for incidents and alarms, one for the alarm whose errors are already incidents. */

import type { StageSettings } from './stages.ts'
import type { Storage } from './storage.ts'

export interface Topics {
  readonly topic: sst.aws.SnsTopic
  readonly errorTopic: sst.aws.SnsTopic
}

export function createTopics({ alertEmail, errorAlarmEmail }: StageSettings, storage: Storage): Topics {
  return {
    topic: createTopic('Alert', alertEmail, storage),
    errorTopic: createTopic('ErrorAlarm', errorAlarmEmail, storage),
  }
}

function createTopic(name: string, email: string | undefined, { key }: Storage): sst.aws.SnsTopic {
  const topic = new sst.aws.SnsTopic(`${name}s`, {
    transform: { topic: key === undefined ? {} : { kmsMasterKeyId: key.arn } },
  })
  if (email !== undefined) {
    new aws.sns.TopicSubscription(`${name}Mail`, { topic: topic.arn, protocol: 'email', endpoint: email })
  }
  return topic
}
