/** The results of GetLogEvents and FilterLogEvents: ranges, patterns, pages. */

import type { FilterLogEventsRequest, GetLogEventsRequest } from '@aws-sdk/client-cloudwatch-logs'
import { parseFilterPattern } from './filter-pattern.ts'
import { AwsFailure } from './json-service.ts'

export interface StoredEvent {
  readonly eventId: string
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly ingestionTime: number
  readonly message: string
}

const PAGE_EVENTS_MAX = 10_000
const PAGE_BYTES_MAX = 1_048_576
/** Sorts after the position of every event. */
const END = '~'

/**
 * A page of one stream's events, [startTime, endTime). A token is `f/` or `b/` and the position of an event: the next
 * page has the events after it, or before it. At the end the same token is returned, as in the service.
 */
export function getLogEvents(stream: readonly StoredEvent[], input: GetLogEventsRequest): object {
  const { startTime = 0, endTime = Number.MAX_SAFE_INTEGER, startFromHead = false } = input
  const limit = input.limit ?? PAGE_EVENTS_MAX
  const inRange = stream.filter(({ timestamp }) => timestamp >= startTime && timestamp < endTime)
  const [way, place = ''] = (input.nextToken ?? (startFromHead ? 'f/' : `b/${END}`)).split('/', 2)
  const page =
    way === 'f'
      ? fullPage(inRange.filter((event) => placeOf(event) > place).slice(0, limit))
      : fullPage(
          inRange
            .filter((event) => placeOf(event) < place)
            .slice(-limit)
            .reverse(),
        ).reverse()
  const [first, last] = [page[0], page.at(-1)]
  return {
    events: page.map(({ timestamp, message, ingestionTime }) => ({ timestamp, message, ingestionTime })),
    nextForwardToken: `f/${last ? placeOf(last) : place}`,
    nextBackwardToken: `b/${first ? placeOf(first) : place}`,
  }
}

/**
 * A page of a group's events, [startTime, endTime]: unlike in GetLogEvents, the end is inclusive. With
 * `givesEmptyPages` an empty page with a token precedes each page, which the service may do.
 */
export function filterLogEvents(
  streams: readonly { readonly name: string; readonly events: readonly StoredEvent[] }[],
  input: FilterLogEventsRequest,
  givesEmptyPages: boolean,
): object {
  const { startTime = 0, endTime = Number.MAX_SAFE_INTEGER, logStreamNames, logStreamNamePrefix, nextToken } = input
  if (logStreamNames !== undefined && logStreamNamePrefix !== undefined) {
    throw new AwsFailure(
      'InvalidParameterException',
      'logStreamNamePrefix and logStreamNames are mutually exclusive parameters',
    )
  }
  const isMatch = parseFilterPattern(input.filterPattern ?? '')
  if (givesEmptyPages && !nextToken?.startsWith('e')) {
    return { events: [], searchedLogStreams: [], nextToken: `e${nextToken ?? ''}` }
  }
  const after = (nextToken ?? '').replace(/^e/, '')
  const found = streams
    .filter(({ name }) => logStreamNames?.includes(name) ?? name.startsWith(logStreamNamePrefix ?? ''))
    .flatMap(({ name, events }) => events.map((event) => ({ ...event, logStreamName: name })))
    .filter(({ timestamp, message }) => timestamp >= startTime && timestamp <= endTime && isMatch(message))
    .filter((event) => placeOf(event) > after)
    .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
  const events = fullPage(found.slice(0, input.limit ?? PAGE_EVENTS_MAX))
  const last = events.at(-1)
  const isEnd = last === undefined || events.length === found.length
  return { events, searchedLogStreams: [], ...(!isEnd && { nextToken: placeOf(last) }) }
}

/** The first events that fit into a page, at least one. */
function fullPage<T extends StoredEvent>(events: readonly T[]): T[] {
  let bytes = 0
  const end = events.findIndex(({ message }, at) => {
    bytes += Buffer.byteLength(message)
    return at > 0 && bytes > PAGE_BYTES_MAX
  })
  return events.slice(0, end === -1 ? events.length : end)
}

/** Text that sorts as events do. */
function placeOf({ timestamp, eventId }: StoredEvent): string {
  return `${String(timestamp).padStart(15, '0')}-${eventId}`
}
