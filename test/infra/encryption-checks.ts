/** Everything stored is encrypted: with one customer key if the stage asks for one, otherwise with AWS's own. */

import type { Test } from 'tap'
import type { StageSettings } from '../../infra/stages.ts'
import type { Lookup } from './resource-graph.ts'

const ENCRYPTION = 'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration'

interface PolicyStatement {
  readonly sid: string
  readonly principals: readonly { readonly type: string; readonly identifiers: readonly string[] }[]
  readonly conditions?: readonly {
    readonly test: string
    readonly variable: string
    readonly values: readonly string[]
  }[]
}

export function checkEncryption(t: Test, { customerKey }: StageSettings, found: Lookup): void {
  t.test(`everything stored is encrypted${customerKey ? ' with one key that rotates' : ''}`, async (t) => {
    const keys = found.ofType('aws:kms/key:Key')
    t.equal(keys.length, customerKey ? 1 : 0)
    for (const key of keys) t.match(key.inputs, { enableKeyRotation: true, deletionWindowInDays: 7 })
    const [rule] = found.one(ENCRYPTION).inputs.rules
    t.equal(rule.applyServerSideEncryptionByDefault.sseAlgorithm, customerKey ? 'aws:kms' : 'AES256')
    t.equal(rule.bucketKeyEnabled, customerKey)
    const table = found.one('aws:dynamodb/table:Table', 'TableTable').inputs.serverSideEncryption
    t.equal(table.enabled, true)
    t.equal(table.kmsKeyArn !== undefined, customerKey)
    for (const queue of found.ofType('aws:sqs/queue:Queue')) {
      t.equal(queue.inputs.kmsMasterKeyId !== undefined, customerKey, queue.name)
      t.equal(queue.inputs.sqsManagedSseEnabled === true, !customerKey, queue.name)
    }
    const stream = found.one('aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream').inputs.serverSideEncryption
    t.equal(stream.enabled, true)
    t.equal(stream.keyType, customerKey ? 'CUSTOMER_MANAGED_CMK' : 'AWS_OWNED_CMK')
    for (const parameter of found.ofType('aws:ssm/parameter:Parameter')) {
      t.equal(parameter.inputs.type, 'SecureString', parameter.name)
      t.equal(parameter.inputs.keyId !== undefined, customerKey, parameter.name)
    }
    for (const kept of ['aws:cloudwatch/logGroup:LogGroup', 'aws:secretsmanager/secret:Secret'].flatMap((type) =>
      found.ofType(type),
    )) {
      t.equal(kept.inputs.kmsKeyId !== undefined, customerKey, kept.name)
    }
    for (const topic of found.ofType('aws:sns/topic:Topic')) {
      t.equal(topic.inputs.kmsMasterKeyId !== undefined, customerKey, topic.name)
    }
  })

  if (!customerKey) return
  t.test('the key allows CloudWatch Logs for exactly the log groups of the stage', async (t) => {
    const statements: readonly PolicyStatement[] = JSON.parse(found.one('aws:kms/key:Key').inputs.policy).statements
    const logs = statements.find(({ sid }) => sid === 'LogGroups')
    t.same(logs?.principals, [{ type: 'Service', identifiers: ['logs.us-east-1.amazonaws.com'] }])
    const [condition] = logs?.conditions ?? []
    t.match(condition, { test: 'ArnLike', variable: 'kms:EncryptionContext:aws:logs:arn' })
    const beginnings = (condition?.values ?? []).map((value) => value.replace(/\*$/, ''))
    for (const { inputs } of found.ofType('aws:cloudwatch/logGroup:LogGroup')) {
      const arn = `arn:aws:logs:us-east-1:123456789012:log-group:${inputs.name}`
      t.ok(
        beginnings.some((beginning) => arn.startsWith(beginning)),
        arn,
      )
    }
    for (const { sid, conditions } of statements) {
      t.equal(conditions !== undefined, sid !== 'Account', `${sid}: services come for this account alone`)
    }
  })
}
