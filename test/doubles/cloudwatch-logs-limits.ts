/** The limits of PutLogEvents: sizes, order, span, ages, and the former sequence tokens. */

import { createHash } from 'node:crypto'
import type { PutLogEventsRequest } from '@aws-sdk/client-cloudwatch-logs'
import { AwsFailure } from './json-service.ts'

export interface GivenEvent {
  readonly timestamp: number
  readonly message: string
}

/** The rejected events of a call; starts are inclusive, ends exclusive, as in the service. */
export interface RejectedInfo {
  tooNewLogEventStartIndex?: number
  tooOldLogEventEndIndex?: number
  expiredLogEventEndIndex?: number
}

export const DAY_MS = 24 * 3600_000
const EVENTS_MAX = 10_000
const CALL_BYTES_MAX = 1_048_576
const EVENT_BYTES_MAX = 1_048_576
/** Size of an event in addition to the UTF-8 of its message. */
const EVENT_OVERHEAD_BYTES = 26
const PAST_MS_MAX = 14 * DAY_MS
const FUTURE_MS_MAX = 2 * 3600_000

/** The events of an accepted call. Throws InvalidParameterException with the service's text. */
export function checkPutLogEvents({ logEvents = [] }: PutLogEventsRequest): GivenEvent[] {
  const events = logEvents.map(({ timestamp = 0, message = '' }) => ({ timestamp, message }))
  if (events.length === 0) refuse(constraint("'[]' at 'logEvents'", 'length greater than or equal to 1'))
  if (events.length > EVENTS_MAX) refuse(constraint(`at 'logEvents'`, `length less than or equal to ${EVENTS_MAX}`))
  const empty = events.findIndex(({ message }) => message === '')
  if (empty !== -1) {
    refuse(constraint(`'' at 'logEvents.${empty + 1}.member.message'`, 'length greater than or equal to 1'))
  }
  checkSizes(events)
  if (events.some(({ timestamp }, at) => at > 0 && timestamp < (events[at - 1] as GivenEvent).timestamp)) {
    refuse('Log events in a single PutLogEvents request must be in chronological order.')
  }
  if ((events.at(-1) as GivenEvent).timestamp - (events[0] as GivenEvent).timestamp > DAY_MS) {
    refuse('The batch of log events in a single PutLogEvents request cannot span more than 24 hours.')
  }
  return events
}

function checkSizes(events: readonly GivenEvent[]): void {
  let total = 0
  for (const { message } of events) {
    const bytes = Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES
    if (bytes > EVENT_BYTES_MAX) refuse(`Log event too large: ${bytes} bytes exceeds limit of ${EVENT_BYTES_MAX}`)
    total += bytes
  }
  if (total > CALL_BYTES_MAX) refuse(`Upload too large: ${total} bytes exceeds limit of ${CALL_BYTES_MAX}`)
}

/** Finds events that are too old, too new or beyond the group's retention; the others of the call are accepted. */
export function findRejected(
  events: readonly GivenEvent[],
  nowMs: number,
  retentionMs: number | undefined,
): { info: RejectedInfo | undefined; isTaken: (at: number) => boolean } {
  const before = (ms: number): number => {
    const at = events.findIndex(({ timestamp }) => timestamp >= ms)
    return at === -1 ? events.length : at
  }
  const tooOldEnd = before(nowMs - PAST_MS_MAX)
  const expiredEnd = retentionMs === undefined ? 0 : before(nowMs - retentionMs)
  const tooNewStart = before(nowMs + FUTURE_MS_MAX + 1)
  const info: RejectedInfo = {
    ...(tooOldEnd > 0 && { tooOldLogEventEndIndex: tooOldEnd }),
    ...(expiredEnd > 0 && { expiredLogEventEndIndex: expiredEnd }),
    ...(tooNewStart < events.length && { tooNewLogEventStartIndex: tooNewStart }),
  }
  const start = Math.max(tooOldEnd, expiredEnd)
  return { info: Object.keys(info).length > 0 ? info : undefined, isTaken: (at) => at >= start && at < tooNewStart }
}

/** The sequence tokens of a stream. Every put returns a new one; only old endpoints require it. */
export class SequenceTokens {
  #puts = 0
  #lastDigest = ''

  /** The token that the next put must have; undefined for a new stream. */
  get next(): string | undefined {
    return this.#puts === 0 ? undefined : tokenOf(this.#puts)
  }

  /** Accepts a put and returns the next token. Throws the two former exceptions if tokens are required. */
  take({ sequenceToken, logEvents }: PutLogEventsRequest, areDemanded: boolean): string {
    const digest = createHash('sha256').update(JSON.stringify(logEvents)).digest('hex')
    if (areDemanded && sequenceToken !== this.next) this.#refuse(sequenceToken, digest)
    this.#puts++
    this.#lastDigest = digest
    return tokenOf(this.#puts)
  }

  #refuse(given: string | undefined, digest: string): never {
    const expectedSequenceToken = this.next ?? null
    const previous = this.#puts > 1 ? tokenOf(this.#puts - 1) : undefined
    if (this.#puts > 0 && given === previous && digest === this.#lastDigest) {
      throw new AwsFailure(
        'DataAlreadyAcceptedException',
        `The given batch of log events has already been accepted. The next batch can be sent with sequenceToken: ${expectedSequenceToken}`,
        400,
        { expectedSequenceToken },
      )
    }
    throw new AwsFailure(
      'InvalidSequenceTokenException',
      `The given sequenceToken is invalid. The next expected sequenceToken is: ${expectedSequenceToken}`,
      400,
      { expectedSequenceToken },
    )
  }
}

/** Tokens are numbers with 56 digits. */
function tokenOf(puts: number): string {
  return `4960${String(puts).padStart(52, '0')}`
}

function constraint(what: string, wanted: string): string {
  return `1 validation error detected: Value ${what} failed to satisfy constraint: Member must have ${wanted}`
}

function refuse(message: string): never {
  throw new AwsFailure('InvalidParameterException', message)
}
