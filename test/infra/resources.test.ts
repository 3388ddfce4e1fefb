/** The deployment, the emulator's setup and the tests' local cloud have the same table, queues, stream and bucket. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DescribeDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose'
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs'
import t, { type Test } from 'tap'
import { testClient } from '../aws/test-client.ts'
import { STREAM, startLocalCloud, TABLE } from '../doubles/local-cloud.ts'
import { offlineGraph } from './offline-graph.ts'
import { Lookup } from './resource-graph.ts'

interface Key {
  readonly AttributeName: string
  readonly KeyType: string
}

/** The properties in the API's terms that make two tables the same for the application. */
interface Table {
  readonly AttributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: string }[]
  readonly KeySchema: readonly Key[]
  readonly GlobalSecondaryIndexes: readonly {
    readonly IndexName: string
    readonly KeySchema: readonly Key[]
    readonly Projection: { readonly ProjectionType: string }
  }[]
}

const graph = new Lookup(await offlineGraph('dev'))

function keys(hash: string, range: string): Key[] {
  return [
    { AttributeName: hash, KeyType: 'HASH' },
    { AttributeName: range, KeyType: 'RANGE' },
  ]
}

function deployedTable(): Table {
  const { attributes, hashKey, rangeKey, globalSecondaryIndexes } = graph.one('aws:dynamodb/table:Table').inputs
  return {
    AttributeDefinitions: attributes.map(({ name, type }: { name: string; type: string }) => ({
      AttributeName: name,
      AttributeType: type,
    })),
    KeySchema: keys(hashKey, rangeKey),
    GlobalSecondaryIndexes: globalSecondaryIndexes.map(
      (index: { name: string; hashKey: string; rangeKey: string; projectionType: string }) => ({
        IndexName: index.name,
        KeySchema: keys(index.hashKey, index.rangeKey),
        Projection: { ProjectionType: index.projectionType },
      }),
    ),
  }
}

/** Sorted, because services list attributes and indexes in any order. */
function sorted({ AttributeDefinitions, KeySchema, GlobalSecondaryIndexes }: Table): Table {
  const byName = (a: { AttributeName: string }, b: { AttributeName: string }) =>
    a.AttributeName.localeCompare(b.AttributeName)
  return {
    AttributeDefinitions: AttributeDefinitions.toSorted(byName),
    KeySchema,
    GlobalSecondaryIndexes: GlobalSecondaryIndexes.map(({ IndexName, KeySchema, Projection }) => ({
      IndexName,
      KeySchema,
      Projection: { ProjectionType: Projection.ProjectionType },
    })).toSorted((a, b) => a.IndexName.localeCompare(b.IndexName)),
  }
}

function deployedQueue(name: string): Record<string, string> {
  const { inputs } = graph.one('aws:sqs/queue:Queue', name)
  const redrive = inputs.redrivePolicy === undefined ? undefined : JSON.parse(inputs.redrivePolicy)
  return {
    VisibilityTimeout: String(inputs.visibilityTimeoutSeconds),
    MessageRetentionPeriod: String(inputs.messageRetentionSeconds),
    MaximumMessageSize: String(inputs.maxMessageSize),
    ...(redrive !== undefined && { maxReceiveCount: String(redrive.maxReceiveCount) }),
  }
}

/** The name of the dead-letter queue may differ; the number of receives before a message goes there must not. */
function queueOf({ RedrivePolicy, ...attributes }: Record<string, string> = {}): Record<string, string> {
  const { VisibilityTimeout = '', MessageRetentionPeriod = '', MaximumMessageSize = '' } = attributes
  const common = { VisibilityTimeout, MessageRetentionPeriod, MaximumMessageSize }
  if (RedrivePolicy === undefined || RedrivePolicy === '') return common
  return { ...common, maxReceiveCount: String(JSON.parse(RedrivePolicy).maxReceiveCount) }
}

function deployedStream(): object {
  const s3 = graph.one('aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream').inputs.extendedS3Configuration
  return {
    Prefix: s3.prefix,
    ErrorOutputPrefix: s3.errorOutputPrefix,
    CompressionFormat: s3.compressionFormat,
    FileExtension: s3.fileExtension,
    BufferingHints: { IntervalInSeconds: s3.bufferingInterval, SizeInMBs: s3.bufferingSize },
  }
}

function streamOf(request: Record<string, unknown> | undefined): object {
  const { Prefix, ErrorOutputPrefix, CompressionFormat, FileExtension, BufferingHints } = request ?? {}
  return { Prefix, ErrorOutputPrefix, CompressionFormat, FileExtension, BufferingHints }
}

/** Accepts every request, and returns them by operation. For S3, which has no operations, the query is used. */
async function startRecorder(t: Test) {
  // biome-ignore lint/suspicious/noExplicitAny: requests of every service
  const requests = new Map<string, any[]>()
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const [, operation = ''] = String(request.headers['x-amz-target'] ?? '').split('.')
    const name = operation || new URL(String(request.url), 'http://x').search || 'bucket or topic'
    requests.set(name, [...(requests.get(name) ?? []), operation === '' ? body : JSON.parse(body)])
    if (operation === 'CreateQueue') response.end(JSON.stringify({ QueueUrl: `http://${request.headers.host}/1/q` }))
    else if (operation === 'GetQueueAttributes')
      response.end('{"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:0:dead"}}')
    else if (operation !== '') response.end('{}')
    else response.end('<R/>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

t.test('the compose project’s script creates what the stage dev deploys', async (t) => {
  const { requests, url } = await startRecorder(t)
  const child = spawn(process.execPath, ['docker/create-resources.mjs'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      AWS_ENDPOINT_URL: url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      MILLRACE_TABLE: 'millrace',
      MILLRACE_BUCKET: 'millrace-archive',
      MILLRACE_FIREHOSE_STREAM: 'millrace',
      MILLRACE_QUEUE_URL: 'http://emulator:4566/000000000000/millrace',
      MILLRACE_DEAD_LETTER_URL: 'http://emulator:4566/000000000000/millrace-dead-letters',
      MILLRACE_ALERT_SNS_TOPIC: 'arn:aws:sns:us-east-1:000000000000:millrace-incidents',
      MILLRACE_ALERT_LOG_GROUPS: 'cognigy-logs',
    },
  })
  t.same(await once(child, 'exit'), [0, null])
  t.same(sorted(requests.get('CreateTable')?.[0]), sorted(deployedTable()))
  const { ttl } = graph.one('aws:dynamodb/table:Table').inputs
  t.match(requests.get('UpdateTimeToLive')?.[0].TimeToLiveSpecification, { AttributeName: ttl.attributeName })
  const [deadLetters, queue] = requests.get('CreateQueue') ?? []
  t.equal(deadLetters.QueueName, 'millrace-dead-letters')
  t.same(queueOf(deadLetters.Attributes), deployedQueue('DeadLettersQueue'))
  t.same(queueOf(queue.Attributes), deployedQueue('IngestQueue'))
  const stream = requests.get('CreateDeliveryStream')?.[0].ExtendedS3DestinationConfiguration
  t.same(streamOf(stream), deployedStream())
  const { pattern } = graph.one('aws:cloudwatch/logMetricFilter:LogMetricFilter', 'CognigyErrorCount').inputs
  t.match(requests.get('PutMetricFilter'), [
    {
      filterPattern: pattern,
      metricTransformations: [{ metricNamespace: 'LogMonitoring/dev', metricName: 'ErrorCount' }],
    },
  ])
  const { rules } = graph.one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration').inputs
  const lifecycle = [...requests].find(([name]) => name.startsWith('?lifecycle'))?.[1].join() ?? ''
  t.same(
    [...lifecycle.matchAll(/<ID>([^<]+)/g)].map(([, id]) => id),
    rules.map(({ id }: { id: string }) => id),
  )
  t.match(lifecycle, `<Expiration><Days>${rules[1].expiration.days}</Days></Expiration>`)
})

t.test('the local cloud has the table, the queues and the stream of a deployment', async (t) => {
  const cloud = await startLocalCloud(t)
  const client = (service: 'dynamodb' | 'sqs' | 'firehose') => testClient(cloud.endpoints.get(service) as string, 3)
  const dynamodb = new DynamoDBClient(client('dynamodb'))
  const sqs = new SQSClient(client('sqs'))
  const firehose = new FirehoseClient(client('firehose'))
  t.teardown(() => {
    for (const each of [dynamodb, sqs, firehose]) each.destroy()
  })
  const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: TABLE }))
  t.same(sorted(Table as Table), sorted(deployedTable()))
  const attributesOf = async (QueueUrl: string) => {
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))
    return queueOf(Attributes)
  }
  t.same(await attributesOf(cloud.queueUrl), deployedQueue('IngestQueue'))
  t.same(await attributesOf(cloud.deadLetterQueueUrl), deployedQueue('DeadLettersQueue'))
  const { DeliveryStreamDescription } = await firehose.send(
    new DescribeDeliveryStreamCommand({ DeliveryStreamName: STREAM }),
  )
  t.equal(DeliveryStreamDescription?.DeliveryStreamStatus, 'ACTIVE')
})
