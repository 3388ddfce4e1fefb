/** Subscription filters of CloudWatch Logs: matching events are delivered at least once, as base64 of gzip. */

import { gzipSync } from 'node:zlib'
import type { PutSubscriptionFilterRequest } from '@aws-sdk/client-cloudwatch-logs'
import type { StoredEvent } from './cloudwatch-logs-reads.ts'
import { parseFilterPattern } from './filter-pattern.ts'
import { AwsFailure } from './json-service.ts'

export interface SubscriptionFilter {
  readonly filterName: string
  readonly filterPattern: string
  readonly destinationArn: string
}

/** The event of a Lambda function: `data` is base64 of gzipped JSON. */
export interface SubscriptionEvent {
  readonly awslogs: { readonly data: string }
}

export type Subscriber = (event: SubscriptionEvent, destinationArn: string) => Promise<void> | void

interface Delivery {
  readonly event: SubscriptionEvent
  readonly destinationArn: string
}

const ACCOUNT = '000000000000'
const FILTERS_PER_GROUP_MAX = 2

/** Creates or changes a filter of a group. Throws LimitExceededException for a third one. */
export function putSubscriptionFilter(
  filters: Map<string, SubscriptionFilter>,
  { filterName = '', filterPattern = '', destinationArn = '' }: PutSubscriptionFilterRequest,
): void {
  parseFilterPattern(filterPattern)
  if (!filters.has(filterName) && filters.size >= FILTERS_PER_GROUP_MAX) {
    throw new AwsFailure('LimitExceededException', 'Resource limit exceeded.')
  }
  filters.set(filterName, { filterName, filterPattern, destinationArn })
}

/** Deliveries that wait for `deliver`. */
export class SubscriptionOutbox {
  readonly #subscriber: Subscriber | undefined
  #deliveries: Delivery[] = []

  constructor(subscriber: Subscriber | undefined) {
    this.#subscriber = subscriber
  }

  /** A control message, sent once to check the destination; it contains no logs. */
  addControlMessage(destinationArn: string, nowMs: number): void {
    this.#add(destinationArn, {
      messageType: 'CONTROL_MESSAGE',
      owner: 'CloudwatchLogs',
      logGroup: '',
      logStream: '',
      subscriptionFilters: [],
      logEvents: [{ id: '', timestamp: nowMs, message: 'CWL CONTROL MESSAGE: Checking health of destination.' }],
    })
  }

  addEvents(
    group: { readonly name: string; readonly filters: ReadonlyMap<string, SubscriptionFilter> },
    logStream: string,
    events: readonly StoredEvent[],
  ): void {
    for (const { filterName, filterPattern, destinationArn } of group.filters.values()) {
      const isMatch = parseFilterPattern(filterPattern)
      const logEvents = events
        .filter(({ message }) => isMatch(message))
        .map(({ eventId, timestamp, message }) => ({ id: eventId, timestamp, message }))
      if (logEvents.length === 0) continue
      const subscriptionFilters = [filterName]
      const head = { messageType: 'DATA_MESSAGE', owner: ACCOUNT, logGroup: group.name, logStream }
      this.#add(destinationArn, { ...head, subscriptionFilters, logEvents })
    }
  }

  /** Delivers waiting events, each `times` times. Rejected ones keep waiting; throws the first rejection at the end. */
  async deliver(times: number): Promise<void> {
    const waiting = this.#deliveries
    this.#deliveries = []
    const failures: unknown[] = []
    for (const delivery of waiting) {
      try {
        for (let i = 0; i < times; i++) await this.#subscriber?.(delivery.event, delivery.destinationArn)
      } catch (failure) {
        this.#deliveries.push(delivery)
        failures.push(failure)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  #add(destinationArn: string, payload: object): void {
    const data = gzipSync(JSON.stringify(payload)).toString('base64')
    this.#deliveries.push({ event: { awslogs: { data } }, destinationArn })
  }
}
