/** An in-memory CloudWatch Logs with the interface of an SDK client: its limits, order and paging. */

import { createHash } from 'node:crypto'
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'

export interface StoredEvent {
  readonly timestamp: number
  readonly message: string
}

const DAY_MS = 24 * 3600_000

export class FakeCloudWatch {
  readonly streams = new Map<string, StoredEvent[]>()
  readonly groups = new Set<string>()
  readonly calls: { readonly name: string; readonly input: Record<string, unknown> }[] = []
  /** Called before (`isDone` false) and after each call; what it throws is the outcome of the call. */
  fault: (name: string, isDone: boolean) => void = () => {}
  /** Like old endpoints: a put needs the token of the previous put. */
  needsTokens = false
  readonly #nowMs: () => number
  readonly #tokens = new Map<string, string>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get client(): Pick<CloudWatchLogsClient, 'send'> {
    const send = async (command: { constructor: { name: string }; input: Record<string, unknown> }) => {
      const name = command.constructor.name.replace(/Command$/, '')
      this.fault(name, false)
      this.calls.push({ name, input: command.input })
      const answer = this.#answer(name, command.input)
      this.fault(name, true)
      return answer
    }
    return { send } as unknown as Pick<CloudWatchLogsClient, 'send'>
  }

  #answer(name: string, input: Record<string, unknown>): object {
    const group = String(input['logGroupName'])
    const key = `${group}/${input['logStreamName']}`
    if (name === 'CreateLogGroup') return this.#create(this.groups.has(group), () => this.groups.add(group))
    if (name === 'CreateLogStream') {
      if (!this.groups.has(group)) throw named('ResourceNotFoundException')
      return this.#create(this.streams.has(key), () => this.streams.set(key, []))
    }
    const events = this.streams.get(key)
    if (events === undefined) throw named('ResourceNotFoundException')
    return name === 'PutLogEvents' ? this.#put(key, events, input) : this.#get(events, input)
  }

  #create(isThere: boolean, make: () => unknown): object {
    if (isThere) throw named('ResourceAlreadyExistsException')
    make()
    return {}
  }

  #put(key: string, stored: StoredEvent[], input: Record<string, unknown>): object {
    const events = input['logEvents'] as StoredEvent[]
    const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0)
    const times = events.map(({ timestamp }) => timestamp)
    const isSorted = times.every((time, i) => i === 0 || time >= (times[i - 1] as number))
    const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0)
    if (events.length < 1 || events.length > 10_000 || bytes > 1_048_576 || !isSorted || spanMs > DAY_MS) {
      throw named('InvalidParameterException')
    }
    const token = this.#tokens.get(key)
    if (this.needsTokens && token !== input['sequenceToken']) {
      throw Object.assign(named('InvalidSequenceTokenException'), { expectedSequenceToken: token })
    }
    const nowMs = this.#nowMs()
    const tooOld = times.filter((time) => time < nowMs - 14 * DAY_MS).length
    const tooNew = times.findIndex((time) => time > nowMs + 2 * 3600_000)
    stored.push(...events.slice(tooOld, tooNew < 0 ? undefined : tooNew))
    const rejected = {
      ...(tooOld > 0 ? { tooOldLogEventEndIndex: tooOld } : {}),
      ...(tooNew >= 0 ? { tooNewLogEventStartIndex: tooNew } : {}),
    }
    const nextSequenceToken = createHash('sha256').update(`${key} ${stored.length}`).digest('hex')
    if (this.needsTokens) this.#tokens.set(key, nextSequenceToken)
    return {
      ...(this.needsTokens ? { nextSequenceToken } : {}),
      ...(Object.keys(rejected).length > 0 ? { rejectedLogEventsInfo: rejected } : {}),
    }
  }

  /** Pages of 1000; the token of the end is repeated. */
  #get(stored: readonly StoredEvent[], input: Record<string, unknown>): object {
    const start = Number(input['startTime'] ?? 0)
    const end = Number(input['endTime'] ?? Number.MAX_SAFE_INTEGER)
    const inRange = stored.filter(({ timestamp }) => timestamp >= start && timestamp < end)
    const sorted = inRange.sort((a, b) => a.timestamp - b.timestamp)
    const at = Number(String(input['nextToken'] ?? 'f/0').slice(2))
    const next = Math.min(sorted.length, at + 1000)
    return { events: sorted.slice(at, next), nextForwardToken: `f/${next}`, nextBackwardToken: `b/${at}` }
  }
}

export function named(name: string): Error {
  return Object.assign(new Error(name), { name })
}
