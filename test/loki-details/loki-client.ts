/**
 * A client of the read API for tests: lines are loaded at seconds from noon, results are returned without their
 * envelope.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Environment } from '../../src/config/read-config.ts'
import { ask, buildTestApp, pushJson } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

/** The time of the tests' clock. */
export const NOON = Date.UTC(2026, 10, 21, 12) / 1000

type Labels = Readonly<Record<string, string>>
/** Seconds from noon, the line, its structured metadata. */
type LoadedEntry = readonly [seconds: number, line: string, metadata?: Labels]

interface WireAnswer {
  readonly data: {
    readonly resultType: string
    readonly result: readonly {
      readonly stream?: Labels
      readonly metric?: Labels
      readonly value?: readonly [number, string]
      readonly values?: readonly (readonly [number | string, ...unknown[]])[]
    }[]
  }
}

/** Adds no derived labels, so that results only have what the test loaded. */
export const PLAIN = { MILLRACE_DISCOVER_SERVICE_NAME: 'false', MILLRACE_DISCOVER_LEVELS: 'false' }

/** Numbers the applications of a test: each has its own folder. */
let started = 0

export class LokiClient {
  readonly app: FastifyInstance

  private constructor(app: FastifyInstance) {
    this.app = app
  }

  /** An application with these streams. Without `env`, labels are as loaded. */
  static async start(
    t: Test,
    streams: readonly (readonly [labels: Labels, entries: readonly LoadedEntry[]])[] = [],
    env: Environment = PLAIN,
  ): Promise<LokiClient> {
    if (!existsSync(t.testdirName)) testFolder(t)
    const { app } = await buildTestApp(t, env, { dataDir: join(t.testdirName, `gateway-${started++}`) })
    const client = new LokiClient(app)
    if (streams.length > 0) await client.load(streams)
    return client
  }

  async load(streams: readonly (readonly [labels: Labels, entries: readonly LoadedEntry[]])[]): Promise<void> {
    const body = streams.map(([stream, entries]) => ({
      stream,
      values: entries.map(([seconds, ...rest]) => [ns(seconds), ...rest]),
    }))
    const response = await pushJson(this.app, body)
    if (response.statusCode !== 200) throw new Error(response.body)
  }

  /** `[labels, [[seconds, line], …]]` of each stream, forward over the last hour and the next second. */
  lines(query: string, params: Labels = {}, headers: Labels = {}): Promise<unknown> {
    const range = { start: ns(-3600), end: ns(1), direction: 'forward' }
    return this.answer('query_range', { query, ...range, ...params }, headers)
  }

  /** `[labels, value]` of each series, or the value of a scalar, at `seconds` from noon. */
  instant(query: string, seconds = 0): Promise<unknown> {
    return this.answer('query', { query, time: ns(seconds) })
  }

  /** `[labels, [[seconds, value], …]]` of each series. */
  range(query: string, start: number, end: number, step: string): Promise<unknown> {
    return this.answer('query_range', { query, start: ns(start), end: ns(end), step })
  }

  /** The result in those forms, or `[status, text]` of an error. */
  async answer(path: string, params: Labels, headers: Labels = {}): Promise<unknown> {
    const response = await this.ask(path, params, headers)
    if (response.statusCode !== 200) return [response.statusCode, response.body]
    const { resultType, result } = response.json<WireAnswer>().data
    if (resultType === 'scalar') return result[1]
    return result.map(({ stream, metric, value, values }) => {
      if (value === undefined) return [stream ?? metric, values?.map(([time, ...rest]) => [fromNoon(time), ...rest])]
      const asked = Number(BigInt(params['time'] ?? 0) / 1_000_000n) / 1000
      if (value[0] !== asked) throw new Error(`asked at ${asked}, answered for ${value[0]}`)
      return [metric, value[1]]
    })
  }

  ask(path: string, params: Labels = {}, headers: Labels = {}): Promise<LightMyRequestResponse> {
    return ask(this.app, path, params, headers)
  }
}

/** Seconds from noon as nanoseconds since the epoch, in decimal. */
export function ns(seconds: number): string {
  return String(BigInt(NOON) * 1_000_000_000n + BigInt(Math.round(seconds * 1e9)))
}

function fromNoon(time: number | string): number {
  return typeof time === 'number' ? time - NOON : Number(BigInt(time) - BigInt(NOON) * 1_000_000_000n) / 1e9
}
