/** CloudWatch Logs in process: groups, streams, events, subscription filters; with the service's limits and errors. */

import type {
  CreateLogStreamRequest,
  DeleteLogStreamRequest,
  DescribeLogGroupsRequest,
  DescribeLogStreamsRequest,
  FilterLogEventsRequest,
  GetLogEventsRequest,
  PutLogEventsRequest,
  PutRetentionPolicyRequest,
  PutSubscriptionFilterRequest,
} from '@aws-sdk/client-cloudwatch-logs'
import type { Clock } from '../../src/ports/log-store.ts'
import { checkPutLogEvents, DAY_MS, findRejected, SequenceTokens } from './cloudwatch-logs-limits.ts'
import { filterLogEvents, getLogEvents, type StoredEvent } from './cloudwatch-logs-reads.ts'
import {
  putSubscriptionFilter,
  type Subscriber,
  type SubscriptionFilter,
  SubscriptionOutbox,
} from './cloudwatch-logs-subscriptions.ts'
import { AwsFailure } from './json-service.ts'
import { ServiceDouble } from './service-double.ts'

export interface CloudWatchLogsOptions {
  readonly clock: Clock
  readonly port?: number
  /**
   * Gets the events that match a subscription filter, with the filter's destination. Rejected events are delivered
   * again later.
   */
  readonly subscriber?: Subscriber
}

interface LogGroup {
  readonly name: string
  readonly createdMs: number
  retentionDays: number | undefined
  readonly streams: Map<string, LogStream>
  readonly filters: Map<string, SubscriptionFilter>
}

interface LogStream {
  readonly name: string
  readonly createdMs: number
  /** By time; equal times in order of arrival. */
  readonly events: StoredEvent[]
  readonly tokens: SequenceTokens
}

const ACCOUNT = '000000000000'
const REGION = 'us-east-1'
const DESCRIBE_MAX = 50

export class CloudWatchLogsDouble extends ServiceDouble {
  readonly #options: CloudWatchLogsOptions
  readonly #groups = new Map<string, LogGroup>()
  readonly #outbox: SubscriptionOutbox
  #nextEventId = 1n
  /** True behaves like endpoints before 2023: a put needs the token that the previous one returned. */
  demandsSequenceTokens = false
  /** True delivers everything twice, which at-least-once delivery allows. */
  deliversTwice = false
  /** True returns an empty page with a token before each page of FilterLogEvents, which the service may do. */
  givesEmptyPages = false

  private constructor(options: CloudWatchLogsOptions) {
    super()
    this.#options = options
    this.#outbox = new SubscriptionOutbox(options.subscriber)
  }

  static async start(options: CloudWatchLogsOptions): Promise<CloudWatchLogsDouble> {
    const double = new CloudWatchLogsDouble(options)
    return double.serve('Logs_20140328', double.#operations(), options.port)
  }

  /** The events of a stream by time; none if the stream does not exist. */
  events(groupName: string, streamName: string): readonly StoredEvent[] {
    return this.#groups.get(groupName)?.streams.get(streamName)?.events ?? []
  }

  /** Delivers waiting events to the subscriber. Rejected ones wait for the next call; throws the first rejection. */
  deliver(): Promise<void> {
    return this.#outbox.deliver(this.deliversTwice ? 2 : 1)
  }

  #operations() {
    return {
      CreateLogGroup: ({ logGroupName }: { logGroupName: string }) => this.#createGroup(logGroupName),
      DeleteLogGroup: ({ logGroupName }: { logGroupName: string }) => this.#deleteGroup(logGroupName),
      DescribeLogGroups: (input: DescribeLogGroupsRequest) => this.#describeGroups(input),
      PutRetentionPolicy: ({ logGroupName, retentionInDays }: PutRetentionPolicyRequest) => {
        this.#group(logGroupName).retentionDays = retentionInDays
        return {}
      },
      CreateLogStream: (input: CreateLogStreamRequest) => this.#createStream(input),
      DeleteLogStream: (input: DeleteLogStreamRequest) => this.#deleteStream(input),
      DescribeLogStreams: (input: DescribeLogStreamsRequest) => this.#describeStreams(input),
      PutLogEvents: (input: PutLogEventsRequest) => this.#putEvents(input),
      GetLogEvents: (input: GetLogEventsRequest) =>
        getLogEvents(this.#stream(input.logGroupName ?? input.logGroupIdentifier, input.logStreamName).events, input),
      FilterLogEvents: (input: FilterLogEventsRequest) => {
        const { streams } = this.#group(input.logGroupName ?? input.logGroupIdentifier)
        for (const name of input.logStreamNames ?? []) if (!streams.has(name)) throw notFound('log stream')
        return filterLogEvents([...streams.values()], input, this.givesEmptyPages)
      },
      PutSubscriptionFilter: (input: PutSubscriptionFilterRequest) => {
        putSubscriptionFilter(this.#group(input.logGroupName).filters, input)
        this.#outbox.addControlMessage(input.destinationArn ?? '', this.#options.clock.nowMs())
        return {}
      },
      DescribeSubscriptionFilters: ({ logGroupName }: { logGroupName: string }) => ({
        subscriptionFilters: [...this.#group(logGroupName).filters.values()].map((filter) => ({
          ...filter,
          logGroupName,
        })),
      }),
      DeleteSubscriptionFilter: ({ logGroupName, filterName }: { logGroupName: string; filterName: string }) => {
        if (!this.#group(logGroupName).filters.delete(filterName)) throw notFound('subscription filter')
        return {}
      },
    }
  }

  #group(name: string | undefined): LogGroup {
    // The identifier may be the group's ARN.
    const group = this.#groups.get(name ?? '') ?? this.#groups.get(name?.split(':')[6] ?? '')
    if (group === undefined) throw notFound('log group')
    return group
  }

  #stream(groupName: string | undefined, name: string | undefined): LogStream {
    const stream = this.#group(groupName).streams.get(name ?? '')
    if (stream === undefined) throw notFound('log stream')
    return stream
  }

  #createGroup(name: string): object {
    if (!/^[\w./#-]{1,512}$/.test(name)) {
      throw invalid(
        `1 validation error detected: Value '${name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+`,
      )
    }
    if (this.#groups.has(name)) throw alreadyThere('log group')
    const createdMs = this.#options.clock.nowMs()
    this.#groups.set(name, { name, createdMs, retentionDays: undefined, streams: new Map(), filters: new Map() })
    return {}
  }

  #deleteGroup(name: string): object {
    this.#group(name)
    this.#groups.delete(name)
    return {}
  }

  #describeGroups({ logGroupNamePrefix = '', limit = DESCRIBE_MAX, nextToken }: DescribeLogGroupsRequest): object {
    const groups = [...this.#groups.values()].filter(({ name }) => name.startsWith(logGroupNamePrefix))
    const { page, token } = pageOf(groups.toSorted(byName), limit, nextToken)
    const logGroups = page.map(({ name, createdMs, retentionDays }) => ({
      logGroupName: name,
      arn: groupArn(name),
      creationTime: createdMs,
      ...(retentionDays !== undefined && { retentionInDays: retentionDays }),
    }))
    return { logGroups, ...(token !== undefined && { nextToken: token }) }
  }

  #createStream({ logGroupName, logStreamName = '' }: CreateLogStreamRequest): object {
    const { streams } = this.#group(logGroupName)
    if (!/^[^:*]{1,512}$/.test(logStreamName)) {
      throw invalid(
        `1 validation error detected: Value '${logStreamName}' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*`,
      )
    }
    if (streams.has(logStreamName)) throw alreadyThere('log stream')
    const createdMs = this.#options.clock.nowMs()
    streams.set(logStreamName, { name: logStreamName, createdMs, events: [], tokens: new SequenceTokens() })
    return {}
  }

  #deleteStream({ logGroupName, logStreamName }: DeleteLogStreamRequest): object {
    if (!this.#group(logGroupName).streams.delete(logStreamName ?? '')) throw notFound('log stream')
    return {}
  }

  #describeStreams(input: DescribeLogStreamsRequest): object {
    const { logStreamNamePrefix = '', orderBy = 'LogStreamName', descending = false } = input
    const group = this.#group(input.logGroupName ?? input.logGroupIdentifier)
    const newest = ({ events, createdMs }: LogStream) => events.at(-1)?.timestamp ?? createdMs
    const order = orderBy === 'LastEventTime' ? (a: LogStream, b: LogStream) => newest(a) - newest(b) : byName
    const streams = [...group.streams.values()]
      .filter(({ name }) => name.startsWith(logStreamNamePrefix))
      .sort((a, b) => (descending ? order(b, a) : order(a, b)))
    const { page, token } = pageOf(streams, input.limit ?? DESCRIBE_MAX, input.nextToken)
    const logStreams = page.map(({ name, createdMs, events, tokens }) => ({
      logStreamName: name,
      arn: `${groupArn(group.name)}:log-stream:${name}`,
      creationTime: createdMs,
      uploadSequenceToken: tokens.next,
      ...(events[0] && {
        firstEventTimestamp: events[0].timestamp,
        lastEventTimestamp: events.at(-1)?.timestamp,
        lastIngestionTime: events.at(-1)?.ingestionTime,
      }),
    }))
    return { logStreams, ...(token !== undefined && { nextToken: token }) }
  }

  #putEvents(input: PutLogEventsRequest): object {
    const group = this.#group(input.logGroupName)
    const stream = this.#stream(input.logGroupName, input.logStreamName)
    const events = checkPutLogEvents(input)
    const nextSequenceToken = stream.tokens.take(input, this.demandsSequenceTokens)
    const nowMs = this.#options.clock.nowMs()
    const retentionMs = group.retentionDays === undefined ? undefined : group.retentionDays * DAY_MS
    const { info, isTaken } = findRejected(events, nowMs, retentionMs)
    const taken = events.filter((_, at) => isTaken(at)).map((event) => this.#toStored(event, nowMs))
    stream.events.push(...taken)
    stream.events.sort((a, b) => a.timestamp - b.timestamp)
    this.#outbox.addEvents(group, stream.name, taken)
    return { nextSequenceToken, ...(info && { rejectedLogEventsInfo: info }) }
  }

  #toStored({ timestamp, message }: { timestamp: number; message: string }, nowMs: number): StoredEvent {
    return { eventId: String(this.#nextEventId++).padStart(56, '0'), timestamp, ingestionTime: nowMs, message }
  }
}

function pageOf<T>(items: readonly T[], limit: number, nextToken: string | undefined): { page: T[]; token?: string } {
  const start = Number(nextToken ?? 0)
  const end = start + Math.min(limit, DESCRIBE_MAX)
  return { page: items.slice(start, end), ...(end < items.length && { token: String(end) }) }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

function groupArn(name: string): string {
  return `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${name}:*`
}

function notFound(what: string): AwsFailure {
  return new AwsFailure('ResourceNotFoundException', `The specified ${what} does not exist.`)
}

function alreadyThere(what: string): AwsFailure {
  return new AwsFailure('ResourceAlreadyExistsException', `The specified ${what} already exists`)
}

function invalid(message: string): AwsFailure {
  return new AwsFailure('InvalidParameterException', message)
}
