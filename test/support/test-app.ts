/** The whole application over a real store, without a socket: HTTP tests inject requests into it. */

import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { type Config, type Environment, readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import type { Home, HomeEvents } from '../../src/homes/home.ts'
import type { Clock, LogStore } from '../../src/ports/log-store.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { FixedClock } from './helper.ts'
import { testFolder } from './test-folder.ts'

export interface TestAppOptions {
  readonly clock?: FixedClock
  /** The folder of a previous application, to test restarts. */
  readonly dataDir?: string
  /** Wraps the store of the application. */
  readonly wrapStore?: (store: LogStore) => LogStore
  /** Opens another home than the embedded one. */
  readonly openHome?: (config: Config, clock: Clock, events: HomeEvents) => Promise<Home>
}

export interface TestApp {
  readonly app: FastifyInstance
  readonly clock: FixedClock
  readonly store: LogStore
  readonly metrics: Metrics
  readonly dataDir: string
  /** Closes application and store; also done when the test ends. */
  close(): Promise<void>
}

/** Builds the application with the settings in `env`, like the gateway; its clock is fixed. */
export async function buildTestApp(t: Test, env: Environment = {}, options: TestAppOptions = {}): Promise<TestApp> {
  const { clock = new FixedClock(), dataDir = testFolder(t), wrapStore = (store: LogStore) => store } = options
  // Loki's limit on the age of lines, for tests of its rules.
  const config = readConfig({ MILLRACE_DATA_DIR: dataDir, MILLRACE_AGE_MAX: '7d', ...env })
  const metrics = new Metrics()
  const { openHome = async (...parts: Parameters<typeof openEmbedded>) => openEmbedded(...parts) } = options
  const home = await openHome(config, clock, testEvents(metrics))
  const store = wrapStore(home.ports.store)
  const ports = { ...home.ports, store }
  const app = await buildApp({ ports, config, keys: home.keys, metrics, version: '0.0.0-test' })
  const close = async (): Promise<void> => {
    await app.close()
    await home.close()
  }
  t.teardown(close)
  return { app, clock, store, metrics, dataDir, close }
}

/** Damaged data fails the test immediately. */
function testEvents(metrics: Metrics): HomeEvents {
  return {
    ...metrics.storeEvents({ error: () => undefined }),
    sourceDamaged: (name, why) => {
      throw new Error(`${name} is damaged: ${why}`)
    },
  }
}

export interface JsonStream {
  readonly stream: unknown
  readonly values: readonly unknown[]
}

/** Pushes in Loki's JSON form. */
export function pushJson(
  app: FastifyInstance,
  streams: readonly JsonStream[],
  headers: Readonly<Record<string, string>> = {},
): Promise<LightMyRequestResponse> {
  return app.inject({
    method: 'POST',
    url: '/loki/api/v1/push',
    headers: { 'content-type': 'application/json', ...headers },
    payload: JSON.stringify({ streams }),
  })
}

/** Sends a GET request to one of Loki's read routes. */
export function ask(
  app: FastifyInstance,
  path: string,
  query: Readonly<Record<string, string>> | string = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<LightMyRequestResponse> {
  const text = typeof query === 'string' ? query : String(new URLSearchParams(query))
  const options: InjectOptions = { method: 'GET', url: `/loki/api/v1/${path}?${text}`, headers }
  return app.inject(options)
}

interface LogAnswer {
  readonly data: { readonly result: readonly { readonly values: readonly (readonly [ns: string, line: string])[] }[] }
}

/**
 * The lines of a tenant around the clock's time, oldest first; lines of one nanosecond in the order of the response.
 */
export async function storedLines({ app, clock }: TestApp, tenant = 'fake'): Promise<string[]> {
  const dayNs = 86_400_000_000_000n
  const range = { start: String(clock.nowNs - 20n * dayNs), end: String(clock.nowNs + 2n * dayNs) }
  const query = { query: '{service_name=~".+"}', direction: 'forward', limit: '5000', ...range }
  const response = await ask(app, 'query_range', query, { 'x-scope-orgid': tenant })
  if (response.statusCode !== 200) throw new Error(`query_range answered ${response.statusCode}: ${response.body}`)
  const { data } = response.json<LogAnswer>()
  return data.result
    .flatMap(({ values }) => values)
    .sort(([a], [b]) => (a === b ? 0 : BigInt(a) < BigInt(b) ? -1 : 1))
    .map(([, line]) => line)
}
