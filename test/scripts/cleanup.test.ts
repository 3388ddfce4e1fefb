import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { testClient } from '../aws/test-client.ts'

interface Leftover {
  readonly kind: string
  readonly name: string
  readonly remove: (() => Promise<void>) | undefined
}

// @ts-expect-error a script of plain JavaScript, which runs without the types
const cleanup = await import('../../scripts/cleanup.mjs')
const findLeftovers: (stage: string, options: object) => Promise<Leftover[]> = cleanup.findLeftovers

type Tags = Readonly<Record<string, string>>

/** An ARN of each kind, named as in a stage. */
const arnsOf = (stage: string): readonly string[] => [
  `arn:aws:firehose:us-east-1:123456789012:deliverystream/millrace-${stage}`,
  `arn:aws:sqs:us-east-1:123456789012:millrace-${stage}-IngestQueue-abcd`,
  `arn:aws:sns:us-east-1:123456789012:millrace-${stage}-AlertsTopic-abcd`,
  `arn:aws:dynamodb:us-east-1:123456789012:table/millrace-${stage}-TableTable-abcd`,
  `arn:aws:s3:::millrace-${stage}-archivebucket-abcd`,
  `arn:aws:ssm:us-east-1:123456789012:parameter/millrace/${stage}/users`,
  `arn:aws:secretsmanager:us-east-1:123456789012:secret:millrace/${stage}/first-user-AbCdEf`,
  `arn:aws:logs:us-east-1:123456789012:log-group:/millrace/${stage}/delivery`,
  `arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_${stage}`,
  `arn:aws:kms:us-east-1:123456789012:key/key-of-${stage}`,
  `arn:aws:ecr:us-east-1:123456789012:repository/millrace-${stage}-images`,
  `arn:aws:lambda:us-east-1:123456789012:function:millrace-${stage}-gateway`,
]

/** Responds for all services on one port: matches tags like the tagging API, and answers deletions. */
async function startAccount(t: Test, resources: ReadonlyMap<string, Tags>, logGroups: readonly string[]) {
  const deletes: string[] = []
  const answers: Record<string, (input: never) => object> = {
    GetResources: ({ TagFilters, PaginationToken = '0' }: { TagFilters: Filter[]; PaginationToken?: string }) => {
      const matching = [...resources].filter(([, tags]) =>
        TagFilters.every(({ Key, Values }) => Values.includes(tags[Key] ?? '')),
      )
      const from = Number(PaginationToken || 0)
      const page = matching.slice(from, from + 3)
      const next = from + 3 < matching.length ? String(from + 3) : ''
      return { PaginationToken: next, ResourceTagMappingList: page.map(([ResourceARN]) => ({ ResourceARN })) }
    },
    DescribeLogGroups: ({ logGroupNamePrefix: prefix }: { logGroupNamePrefix: string }) => ({
      logGroups: logGroups.filter((name) => name.startsWith(prefix)).map((logGroupName) => ({ logGroupName })),
    }),
    DescribeKey: ({ KeyId }: { KeyId: string }) => ({ KeyMetadata: { KeyId, KeyState: 'Enabled' } }),
    DescribeUserPool: () => ({ UserPool: { DeletionProtection: 'ACTIVE' } }),
    GetQueueUrl: ({ QueueName }: { QueueName: string }) => ({ QueueUrl: `https://sqs/1/${QueueName}` }),
  }
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const [, operation = ''] = String(request.headers['x-amz-target'] ?? '').split('.')
    if (operation === '') {
      // S3 by path, SNS by form; both respond in XML.
      const action = new URLSearchParams(body).get('TopicArn')
      if (request.method === 'DELETE' || action !== null) deletes.push(action ?? String(request.url))
      response.end('<R><DeleteTopicResponse/></R>')
      return
    }
    const input = JSON.parse(body) as Record<string, unknown>
    if (/^(Delete|Schedule)/.test(operation)) deletes.push(`${operation} ${Object.values(input).flat().join(' ')}`)
    response.end(JSON.stringify(answers[operation]?.(input as never) ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { options: { ...testClient(url, 1), forcePathStyle: true }, deletes }
}

interface Filter {
  readonly Key: string
  readonly Values: readonly string[]
}

const STAGES = ['dev', 'dev-2', 'dev2', 'production']

t.test('a stage is matched by its tags and full names, not by a prefix', async (t) => {
  const resources = new Map(
    STAGES.flatMap((stage) => arnsOf(stage).map((arn) => [arn, { project: 'millrace', stage }] as const)),
  )
  // Another project with a stage of the same name.
  resources.set('arn:aws:s3:::other-dev-bucket', { project: 'other', stage: 'dev' } as never)
  const logGroups = STAGES.flatMap((stage) => [
    `/aws/lambda/millrace-${stage}-gateway`,
    `/aws/lambda/millrace-${stage}-gateway-2`,
  ])
  const { options, deletes } = await startAccount(t, resources, logGroups)
  for (const stage of STAGES) {
    const leftovers = await findLeftovers(stage, options)
    t.same(
      leftovers.map(({ kind }) => kind),
      [
        'stream',
        'queue',
        'topic',
        'table',
        'bucket',
        'parameter',
        'secret',
        'log group',
        'user pool',
        'key (deleted in 7 days)',
        'image repository',
        'lambda function',
        'log group',
      ],
      stage,
    )
    for (const { name } of leftovers)
      t.ok(
        name
          .split(/[-/_:]/)
          .join('-')
          .includes(stage),
        `${stage}: ${name}`,
      )
    t.equal(leftovers.at(-1)?.name, `/aws/lambda/millrace-${stage}-gateway`)
    t.equal(leftovers.at(-2)?.remove, undefined, 'what sst remove should have removed is listed, not removed')
  }
  for (const { remove } of await findLeftovers('dev', options)) await remove?.()
  t.equal(deletes.length, 12)
  for (const each of deletes) t.notMatch(each, /dev-2|dev2|production|other/, each)
})
