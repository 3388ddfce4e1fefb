/** LogSink on CloudWatch Logs: one event per entry, within the limits of PutLogEvents. */

import {
  type CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  GetLogEventsCommand,
  type InputLogEvent,
  PutLogEventsCommand,
  type RejectedLogEventsInfo,
} from '@aws-sdk/client-cloudwatch-logs'
import { GatewayError } from '../../../domain/errors.ts'
import type { SourceEntry } from '../../../domain/sources/source-entry.ts'
import { backoffMs, type Wait } from '../../../kit/backoff.ts'
import type { LogSink, SourceProject, WriteOutcome } from '../../../ports/sources.ts'
import { type LogEvent, splitBatches, toEvents } from './cloudwatch-events.ts'

/** Stores the sequence token for old endpoints; CloudWatch itself has ignored it since 2023. */
export interface SequenceTokens {
  load(projectId: string): Promise<string | undefined>
  save(projectId: string, token: string): Promise<void>
}

export interface CloudWatchSinkParts {
  /** Must not retry by itself: a call without a response may have stored its events. */
  readonly client: Pick<CloudWatchLogsClient, 'send'>
  readonly group: string
  readonly streamOf: (project: SourceProject) => string
  readonly tokens?: SequenceTokens | undefined
  readonly wait: Wait
  readonly random: () => number
}

interface Stream {
  readonly name: string
  readonly projectId: string
}

/** Attempts of a call that is known to have stored nothing. */
const ATTEMPTS_MAX = 6
const BACKOFF = { firstMs: 400, maxMs: 10_000, jitter: 1 }
/** Maximum number of pages searched before a write: 10,000 events or 1 MiB each. */
const LOOK_PAGES_MAX = 1000

/**
 * CloudWatch offers at-least-once delivery: it stores duplicates. So a call with an unknown outcome fails instead of being
 * retried, and entries that may be stored are looked up by `_id` before they are written.
 */
export class CloudWatchSink implements LogSink {
  readonly name = 'cloudwatch'
  readonly #parts: CloudWatchSinkParts
  readonly #tokens = new Map<string, string | undefined>()

  constructor(parts: CloudWatchSinkParts) {
    this.#parts = parts
  }

  async write(
    project: SourceProject,
    entries: readonly SourceEntry[],
    doubtful: ReadonlySet<string>,
  ): Promise<WriteOutcome> {
    const stream = { name: this.#parts.streamOf(project), projectId: project.id }
    const events = entries.flatMap(toEvents)
    const stored = await this.#findStored(stream, events, doubtful)
    const fresh = events.filter(({ key }) => !stored.has(key))
    const rejected = new Map<string, number>()
    for (const batch of splitBatches(fresh)) {
      const info = await this.#put(stream, batch.map(toInput))
      for (const [reason, count] of countRejected(batch, info))
        rejected.set(reason, (rejected.get(reason) ?? 0) + count)
    }
    const written = new Set(fresh.map(({ id }) => id)).size
    const refused = rejected.values().reduce((sum, count) => sum + count, 0)
    const oversized = entries.length === events.length ? 0 : new Set(events.filter(isPart).map(({ id }) => id)).size
    return { stored: written - refused, duplicates: entries.length - written, oversized, rejected }
  }

  /** The keys of the doubtful events that are already in the stream. */
  async #findStored(stream: Stream, events: readonly LogEvent[], doubtful: ReadonlySet<string>): Promise<Set<string>> {
    const wanted = new Set(events.filter(({ id }) => doubtful.has(id)).map(({ key }) => key))
    const stored = new Set<string>()
    if (wanted.size === 0) return stored
    const times = events.filter(({ key }) => wanted.has(key)).map(({ timestampMs }) => timestampMs)
    const range = { startTime: Math.min(...bounds(times)), endTime: Math.max(...bounds(times)) + 1 }
    let nextToken: string | undefined
    for (let page = 0; page < LOOK_PAGES_MAX; page++) {
      const input = {
        logGroupName: this.#parts.group,
        logStreamName: stream.name,
        startFromHead: true,
        ...range,
        nextToken,
      }
      const answer = await this.#attempt(stream, () => this.#parts.client.send(new GetLogEventsCommand(input)))
      for (const { message = '' } of answer.events ?? []) {
        const key = keyOf(message)
        if (key !== undefined && wanted.has(key)) stored.add(key)
      }
      // The last page returns the same token. See GetLogEvents in the API reference.
      if (answer.nextForwardToken === undefined || answer.nextForwardToken === nextToken) return stored
      nextToken = answer.nextForwardToken
    }
    throw failure('has too many events to check for stored ones', new Error('pages'))
  }

  async #put(stream: Stream, logEvents: InputLogEvent[]): Promise<RejectedLogEventsInfo | undefined> {
    const { client, group, tokens } = this.#parts
    const { projectId } = stream
    if (!this.#tokens.has(projectId)) this.#tokens.set(projectId, await tokens?.load(projectId))
    const answer = await this.#attempt(stream, () => {
      const sequenceToken = this.#tokens.get(projectId)
      const input = { logGroupName: group, logStreamName: stream.name, logEvents, sequenceToken }
      return client.send(new PutLogEventsCommand(input))
    })
    await this.#keepToken(stream, answer.nextSequenceToken)
    return answer.rejectedLogEventsInfo
  }

  async #keepToken({ projectId }: Stream, token: string | undefined): Promise<void> {
    if (token === undefined || token === this.#tokens.get(projectId)) return
    this.#tokens.set(projectId, token)
    await this.#parts.tokens?.save(projectId, token)
  }

  /** Retries a call after failures that are known to have stored nothing, and after fixing their cause. */
  async #attempt<T extends object>(
    stream: Stream,
    call: () => Promise<T>,
  ): Promise<
    T & { nextSequenceToken?: string | undefined; rejectedLogEventsInfo?: RejectedLogEventsInfo | undefined }
  > {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call()
      } catch (cause) {
        const { name, expectedSequenceToken } = cause as Error & { expectedSequenceToken?: string }
        // The same batch was stored before, which is the desired result.
        if (name === 'DataAlreadyAcceptedException') return { nextSequenceToken: expectedSequenceToken } as T & object
        if (attempt >= ATTEMPTS_MAX) throw failure(`rejected the call (${name})`, cause)
        if (name === 'ResourceNotFoundException') await this.#create(stream.name)
        else if (name === 'InvalidSequenceTokenException') this.#tokens.set(stream.projectId, expectedSequenceToken)
        else if (name === 'ThrottlingException')
          await this.#parts.wait(Math.ceil(backoffMs(attempt, BACKOFF, this.#parts.random)))
        else throw failure(`failed (${name}), and may have stored the events; the next run checks`, cause)
      }
    }
  }

  /** Creates the group only if creating the stream needs it: the role may not be allowed to create groups. */
  async #create(logStreamName: string): Promise<void> {
    const { client, group: logGroupName } = this.#parts
    const stream = new CreateLogStreamCommand({ logGroupName, logStreamName })
    if (await isMade(() => client.send(stream))) return
    await isMade(() => client.send(new CreateLogGroupCommand({ logGroupName })))
    await isMade(() => client.send(stream))
  }
}

/** False if the parent resource does not exist. */
async function isMade(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create()
    return true
  } catch (cause) {
    const { name } = cause as Error
    if (name === 'ResourceNotFoundException') return false
    if (name === 'ResourceAlreadyExistsException') return true
    throw failure(`could not be created (${name})`, cause)
  }
}

function failure(what: string, cause: unknown): GatewayError {
  const text = `the log stream of polled entries ${what}; check MILLRACE_POLL_LOG_GROUP, MILLRACE_POLL_LOG_STREAM and the role's permissions`
  return new GatewayError('store_unavailable', text, { cause })
}

function toInput({ timestampMs, message }: LogEvent): InputLogEvent {
  return { timestamp: timestampMs, message }
}

function isPart({ key, id }: LogEvent): boolean {
  return key !== id
}

/** Counts the entries that CloudWatch rejected, by its reason. An index marks the end or the start of a range. */
function countRejected(batch: readonly LogEvent[], info: RejectedLogEventsInfo | undefined): Map<string, number> {
  const {
    expiredLogEventEndIndex = 0,
    tooOldLogEventEndIndex = 0,
    tooNewLogEventStartIndex = batch.length,
  } = info ?? {}
  const ranges = [
    ['expired', 0, expiredLogEventEndIndex],
    ['too_old', expiredLogEventEndIndex, tooOldLogEventEndIndex],
    ['too_new', tooNewLogEventStartIndex, batch.length],
  ] as const
  const counts = ranges.map(
    ([reason, start, end]) => [reason, new Set(batch.slice(start, end).map(({ id }) => id)).size] as const,
  )
  return new Map(counts.filter(([, count]) => count > 0))
}

/** Minimum and maximum; Math.min with a long list would overflow the stack. */
function bounds(times: readonly number[]): [number, number] {
  return [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))]
}

/** The key of an event written by this sink, or by another poller that writes unchanged entries. */
function keyOf(message: string): string | undefined {
  try {
    const { _id: id, millracePart: part } = JSON.parse(message)
    if (typeof id !== 'string') return undefined
    return typeof part === 'string' ? `${id} ${part}` : id
  } catch {
    // Not a polled entry: something else writes to the stream.
    return undefined
  }
}
