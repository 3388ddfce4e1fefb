import { gunzipSync } from 'node:zlib'
import {
  CloudWatchLogs,
  type FilterLogEventsCommandOutput,
  type InputLogEvent,
  type InvalidSequenceTokenException,
} from '@aws-sdk/client-cloudwatch-logs'
import t, { type Test } from 'tap'
import { testClient } from '../aws/test-client.ts'
import { FixedClock } from '../support/helper.ts'
import { CloudWatchLogsDouble } from './cloudwatch-logs-double.ts'
import { DAY_MS } from './cloudwatch-logs-limits.ts'
import type { Subscriber } from './cloudwatch-logs-subscriptions.ts'
import { AwsFailure } from './json-service.ts'

const logGroupName = '/cognigy/logs'
const logStreamName = 'project-1'
const stream = { logGroupName, logStreamName }

async function start(t: Test, subscriber?: Subscriber) {
  const clock = new FixedClock()
  const double = await CloudWatchLogsDouble.start({ clock, ...(subscriber && { subscriber }) })
  const client = new CloudWatchLogs(testClient(double.url))
  t.teardown(() => {
    client.destroy()
    return double.stop()
  })
  await client.createLogGroup({ logGroupName })
  await client.createLogStream(stream)
  const at = (ms: number, message = 'hello'): InputLogEvent => ({ timestamp: clock.ms + ms, message })
  const put = (logEvents: InputLogEvent[], sequenceToken?: string) =>
    client.putLogEvents({ ...stream, logEvents, sequenceToken })
  return { clock, double, client, at, put }
}

t.test('groups and streams exist once created', async (t) => {
  const { client, put, at } = await start(t)
  await t.rejects(client.createLogGroup({ logGroupName }), { name: 'ResourceAlreadyExistsException' })
  await t.rejects(client.createLogStream(stream), { name: 'ResourceAlreadyExistsException' })
  await t.rejects(client.putLogEvents({ logGroupName: 'none', logStreamName, logEvents: [at(0)] }), {
    name: 'ResourceNotFoundException',
    message: 'The specified log group does not exist.',
  })
  await t.rejects(client.putLogEvents({ logGroupName, logStreamName: 'none', logEvents: [at(0)] }), {
    name: 'ResourceNotFoundException',
    message: 'The specified log stream does not exist.',
  })
  await put([at(5)])
  await client.createLogStream({ logGroupName, logStreamName: 'empty' })
  const { logGroups } = await client.describeLogGroups({ logGroupNamePrefix: '/cog' })
  t.match(logGroups, [{ logGroupName }])
  const { logStreams } = await client.describeLogStreams({ logGroupName, orderBy: 'LastEventTime', descending: true })
  t.match(logStreams, [{ logStreamName, lastEventTimestamp: at(5).timestamp }, { logStreamName: 'empty' }])
  await client.deleteLogStream(stream)
  await t.rejects(put([at(0)]), { name: 'ResourceNotFoundException' })
})

t.test('a put beyond a limit is rejected as a whole', async (t) => {
  const { put, at, double } = await start(t)
  const rows: readonly (readonly [string, InputLogEvent[], RegExp])[] = [
    [
      'no events',
      [],
      /at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1/,
    ],
    ['10,001 events', Array(10_001).fill(at(0)), /length less than or equal to 10000/],
    ['an empty message', [at(0, '')], /logEvents\.1\.member\.message/],
    ['an event of more than 1 MiB with its 26 bytes', [at(0, 'x'.repeat(1_048_551))], /Log event too large: 1048577/],
    ['a call of more than 1 MiB', [at(0, 'x'.repeat(1_048_550)), at(1)], /Upload too large/],
    ['out of order', [at(1), at(0)], /must be in chronological order/],
    ['more than 24 hours', [at(-DAY_MS), at(1)], /cannot span more than 24 hours/],
  ]
  for (const [name, events, message] of rows) {
    await t.rejects(put(events), { name: 'InvalidParameterException', message }, name)
  }
  t.equal(double.events(logGroupName, logStreamName).length, 0, 'nothing was stored')
  await t.resolves(put([at(0, 'x'.repeat(1_048_550))]), 'the largest event is taken')
  await t.resolves(put(Array(10_000).fill(at(0, 'x'))), '10,000 events are taken')
  await t.resolves(put([at(-DAY_MS), at(0)]), 'a whole day is taken')
})

t.test('events that are too old, too new or beyond retention are rejected and reported', async (t) => {
  const { put, at, double, client } = await start(t)
  const old = await put([at(-14 * DAY_MS - 2), at(-14 * DAY_MS - 1), at(-14 * DAY_MS)])
  t.strictSame(old.rejectedLogEventsInfo, { tooOldLogEventEndIndex: 2 })
  const fresh = await put([at(0), at(2 * 3600_000), at(2 * 3600_000 + 1)])
  t.strictSame(fresh.rejectedLogEventsInfo, { tooNewLogEventStartIndex: 2 })
  await client.putRetentionPolicy({ logGroupName, retentionInDays: 3 })
  const expired = await put([at(-3 * DAY_MS - 1), at(-3 * DAY_MS + 1)])
  t.strictSame(expired.rejectedLogEventsInfo, { expiredLogEventEndIndex: 1 })
  t.equal((await put([at(1)])).rejectedLogEventsInfo, undefined)
  t.equal(double.events(logGroupName, logStreamName).length, 5)
})

t.test('sequence tokens are returned but not required', async (t) => {
  const { put, at } = await start(t)
  t.match((await put([at(0)])).nextSequenceToken, /^\d{56}$/)
  await t.resolves(put([at(0)], 'nonsense'))
})

t.test('an old endpoint requires the token of the previous put', async (t) => {
  const { put, at, double } = await start(t)
  double.demandsSequenceTokens = true
  const { nextSequenceToken: first } = await put([at(0)])
  const { nextSequenceToken: second } = await put([at(1)], first)
  const refusal = await put([at(2)]).catch((error: InvalidSequenceTokenException) => error)
  t.match(refusal, { name: 'InvalidSequenceTokenException', expectedSequenceToken: second })
  t.match(String(refusal), `The next expected sequenceToken is: ${second}`)
  await t.rejects(put([at(1)], first), { name: 'DataAlreadyAcceptedException', expectedSequenceToken: second })
  await t.resolves(put([at(2)], second))
  t.equal(double.events(logGroupName, logStreamName).length, 3)
})

t.test('GetLogEvents pages in both directions and repeats the token at the end', async (t) => {
  const { client, put, at } = await start(t)
  await put([at(0, 'a'), at(1, 'b'), at(2, 'c'), at(3, 'd'), at(4, 'e')])
  const messages = (page: { events?: { message?: string | undefined }[] | undefined }) =>
    page.events?.map(({ message }) => message).join('')
  const head = await client.getLogEvents({ ...stream, startFromHead: true, limit: 3 })
  const rest = await client.getLogEvents({ ...stream, limit: 3, nextToken: head.nextForwardToken })
  const end = await client.getLogEvents({ ...stream, limit: 3, nextToken: rest.nextForwardToken })
  t.strictSame([messages(head), messages(rest), messages(end)], ['abc', 'de', ''])
  t.equal(end.nextForwardToken, rest.nextForwardToken)
  const tail = await client.getLogEvents({ ...stream, limit: 2 })
  const before = await client.getLogEvents({ ...stream, limit: 2, nextToken: tail.nextBackwardToken })
  t.strictSame([messages(tail), messages(before)], ['de', 'bc'])
  const range = await client.getLogEvents({ ...stream, startTime: at(1).timestamp, endTime: at(3).timestamp })
  t.equal(messages(range), 'bc', 'the end is not part of it')
})

t.test('FilterLogEvents returns every matching event of all streams once, page by page', async (t) => {
  const { client, put, at, double } = await start(t)
  await client.createLogStream({ logGroupName, logStreamName: 'other' })
  await put([at(0, 'error one'), at(2, 'fine'), at(4, 'error three')])
  const others = [at(1, 'error two'), at(4, 'ERROR')]
  await client.putLogEvents({ logGroupName, logStreamName: 'other', logEvents: others })
  const readAll = async (filterPattern: string) => {
    const found: string[] = []
    let page: FilterLogEventsCommandOutput | undefined
    do {
      page = await client.filterLogEvents({ logGroupName, filterPattern, limit: 1, nextToken: page?.nextToken })
      found.push(...(page.events ?? []).map(({ logStreamName, message }) => `${logStreamName}: ${message}`))
    } while (page.nextToken !== undefined)
    return found
  }
  const errors = ['project-1: error one', 'other: error two', 'project-1: error three']
  t.strictSame(await readAll('error'), errors)
  double.givesEmptyPages = true
  t.strictSame(await readAll('error'), errors, 'with empty pages between')
  double.givesEmptyPages = false
  t.strictSame(await readAll('error -two'), [errors[0], errors[2]])
  t.strictSame(await readAll('"error t"'), errors.slice(1))
  t.strictSame(await readAll('?fine ?ERROR'), ['project-1: fine', 'other: ERROR'])
  t.equal((await readAll('')).length, 5)
  await t.rejects(readAll('{ $.level = "error" }'), { name: 'InvalidParameterException' })
})

t.test('a subscription filter delivers a control message, then matching events, at least once', async (t) => {
  const got: { messageType: string; logGroup: string; logStream: string; logEvents: { message: string }[] }[] = []
  let isDown = false
  const { client, put, at, double } = await start(t, ({ awslogs }, destination) => {
    if (isDown) throw new Error('down')
    t.equal(destination, 'arn:fn')
    got.push(JSON.parse(gunzipSync(Buffer.from(awslogs.data, 'base64')).toString()))
  })
  const filter = { logGroupName, filterPattern: 'error', destinationArn: 'arn:fn' }
  await client.putSubscriptionFilter({ ...filter, filterName: 'one' })
  await double.deliver()
  t.match(got.shift(), { messageType: 'CONTROL_MESSAGE', logGroup: '' })
  await put([at(0, 'error 1'), at(1, 'fine'), at(2, 'error 2')])
  isDown = true
  await t.rejects(double.deliver(), { message: 'down' })
  isDown = false
  double.deliversTwice = true
  await double.deliver()
  t.equal(got.length, 2, 'what failed came again, twice')
  t.match(got[1], { messageType: 'DATA_MESSAGE', logGroup: logGroupName, logStream: logStreamName })
  t.strictSame(
    got[1]?.logEvents.map(({ message }) => message),
    ['error 1', 'error 2'],
  )
  await client.putSubscriptionFilter({ ...filter, filterName: 'two' })
  await t.rejects(client.putSubscriptionFilter({ ...filter, filterName: 'three' }), { name: 'LimitExceededException' })
})

t.test('a planned failure happens before or after the effect', async (t) => {
  const { put, at, double } = await start(t)
  double.service.failNext('PutLogEvents', new AwsFailure('ServiceUnavailableException', 'down', 503))
  double.service.failNext('PutLogEvents', new AwsFailure('ServiceUnavailableException', 'down', 503), 'after')
  await t.rejects(put([at(0)]), { name: 'ServiceUnavailableException' })
  t.equal(double.events(logGroupName, logStreamName).length, 0)
  await t.rejects(put([at(0)]), { name: 'ServiceUnavailableException' })
  t.equal(double.events(logGroupName, logStreamName).length, 1, 'stored, though the answer said no')
  await t.resolves(put([at(0)]))
  t.equal(double.service.calls.get('PutLogEvents'), 3)
})
