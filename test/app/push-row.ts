/** The rows of the tables of push requests. */

import type { Environment } from '../../src/config/read-config.ts'
import { encodePush, type PushEntry, type PushStream } from '../../src/protocol/loki/loki-push-encode.ts'
import { FixedClock } from '../support/helper.ts'

export const NOW = new FixedClock().nowNs
export const NS = String(NOW)
export const PROTOBUF = 'application/x-protobuf'
export const JSON_TYPE = 'application/json'

/** A request and its result. */
export interface Row {
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  readonly status: number
  /** The whole body of the response, or a pattern that it matches. */
  readonly text?: string | RegExp
  /** Lines that are stored afterwards. */
  readonly lines?: readonly string[]
  readonly env?: Environment
}

export type Rows = readonly (readonly [name: string, row: Row])[]

export function push(streams: readonly PushStream[]): Uint8Array {
  return encodePush(streams)
}

export function stream(labels: string, ...entries: readonly (string | PushEntry)[]): PushStream {
  return { labels, entries: entries.map((entry) => (typeof entry === 'string' ? { ns: NOW, line: entry } : entry)) }
}

export function json(...streams: readonly object[]): string {
  return JSON.stringify({ streams })
}

export const ONE = json({ stream: { app: 'a' }, values: [[NS, 'one']] })
export const ONE_PROTOBUF = push([stream('{app="a"}', 'one')])
export const OK_JSON = '{"status":"success","count":1}'

export const typed = (contentType: string, more: Readonly<Record<string, string>> = {}) => ({
  'content-type': contentType,
  ...more,
})

export const ofValues = (...values: readonly unknown[]): string => json({ stream: { app: 'a' }, values })
export const jsonRow = (body: string, status: number, rest: Partial<Row> = {}): Row => ({
  headers: typed(JSON_TYPE),
  body,
  status,
  ...rest,
})
