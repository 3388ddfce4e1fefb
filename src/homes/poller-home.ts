/** The poller's parts: Cognigy as the source, the cursor store of the home, and CloudWatch as a sink if configured. */

import type { SequenceTokens } from '../adapters/aws/poller/cloudwatch-sink.ts'
import { CognigyClient } from '../adapters/outside/cognigy-client.ts'
import { CognigyLogSource } from '../adapters/outside/cognigy-log-source.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Clock } from '../ports/log-store.ts'
import type { CursorStore, LogSink, LogSource, SourceProject } from '../ports/sources.ts'
import { wait } from './machine.ts'

export interface PollerHome {
  readonly source: LogSource
  readonly cursors: CursorStore
  /** External sinks; if `storesToo`, the caller adds the gateway's own store. */
  readonly sinks: readonly LogSink[]
  readonly storesToo: boolean
  readonly projects: readonly SourceProject[]
  close(): void
}

export interface PollerEvents {
  /** The server ignores `sort` and `startDate`: this project is read backward. */
  readsBackward(project: SourceProject): void
}

/** Timeouts of SSM and CloudWatch Logs: a hanging call must end before the lease does. */
const TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 10_000, throwOnRequestTimeout: true }
/** SSM reads and writes can be retried; a PutLogEvents whose response was lost cannot. */
const SSM_ATTEMPTS_MAX = 4
const PUT_ATTEMPTS_MAX = 1
/** How long a key from SSM is cached. */
const KEY_MS = 5 * 60_000

/**
 * Returns undefined if no projects are configured. Calls no service yet. Throws config_invalid if the key is missing.
 */
export async function openPollerHome(
  config: Config,
  clock: Clock,
  events: PollerEvents,
): Promise<PollerHome | undefined> {
  const { poll, service } = config
  const { projects, baseUrl, apiVersion, levels, requestsPerFiveMinutes, timeoutMs, bodyBytesMax } = poll
  if (projects.length === 0) return undefined
  const client = new CognigyClient({
    settings: { baseUrl, apiVersion, levels, requestsPerFiveMinutes, timeoutMs, bodyBytesMax },
    apiKey: makeKeySource(config, clock),
    clock,
    wait,
    signalAfter: (ms) => AbortSignal.timeout(ms),
    random: Math.random,
  })
  const source = new CognigyLogSource(client, (project) => events.readsBackward(project))
  const sinkNames = poll.sinks ?? [service.home === 'aws' ? 'cloudwatch' : 'store']
  const { cursors, tokens, close } = await openCursors(config, clock, source.name)
  const sinks = sinkNames.includes('cloudwatch') ? [await openCloudWatch(config, tokens)] : []
  return { source, cursors, sinks, storesToo: sinkNames.includes('store'), projects, close }
}

interface OpenCursors {
  readonly cursors: CursorStore
  /** Where sequence tokens of CloudWatch are kept; only the aws home has a place for them. */
  readonly tokens?: SequenceTokens
  close(): void
}

async function openCursors({ poll, service }: Config, clock: Clock, source: string): Promise<OpenCursors> {
  if (service.home === 'embedded') {
    const { SqliteCursors } = await import('../adapters/embedded/sqlite-cursors.ts')
    const cursors = new SqliteCursors(service.dataDir, source)
    return { cursors, close: () => cursors.close() }
  }
  const [{ SsmCursors }, { SSMClient }] = await Promise.all([
    import('../adapters/aws/poller/ssm-cursors.ts'),
    import('@aws-sdk/client-ssm'),
  ])
  const client = new SSMClient({ region: poll.awsRegion, maxAttempts: SSM_ATTEMPTS_MAX, requestHandler: TIMEOUTS })
  const { parameterPrefix: prefix, overlapMs, projects } = poll
  const names = {
    lastTs: `${prefix}cognigy-last-ts-ms`,
    cursor: `${prefix}cognigy-cursor`,
    sequenceToken: `${prefix}cognigy-last-seq-token`,
  }
  const doubtfulUntilMs = () => clock.nowMs() + overlapMs
  const cursors = new SsmCursors({ client, names, isShared: projects.length > 1, overlapMs, doubtfulUntilMs })
  const tokens = {
    load: (id: string) => cursors.loadToken(id),
    save: (id: string, token: string) => cursors.saveToken(id, token),
  }
  return { cursors, tokens, close: () => client.destroy() }
}

async function openCloudWatch({ poll }: Config, tokens: SequenceTokens | undefined): Promise<LogSink> {
  const [{ CloudWatchSink }, { CloudWatchLogsClient }] = await Promise.all([
    import('../adapters/aws/poller/cloudwatch-sink.ts'),
    import('@aws-sdk/client-cloudwatch-logs'),
  ])
  const { awsRegion, logGroup: group, logStream, projects } = poll
  return new CloudWatchSink({
    client: new CloudWatchLogsClient({ region: awsRegion, maxAttempts: PUT_ATTEMPTS_MAX, requestHandler: TIMEOUTS }),
    group,
    streamOf: ({ id }) => (projects.length > 1 ? `${logStream}-${id}` : logStream),
    tokens,
    wait,
    random: Math.random,
  })
}

/** The key from the settings, or in the aws home from the parameter, which is looked up again after a rejection. */
function makeKeySource({ poll, service }: Config, clock: Clock): (isRefused: boolean) => Promise<string> {
  const { apiKey, apiKeyParameter, awsRegion } = poll
  if (apiKey !== undefined) return async () => apiKey
  if (service.home !== 'aws') {
    throw new GatewayError('config_invalid', 'COGNIGY_API_KEY: not set; MILLRACE_POLL_PROJECTS needs it')
  }
  let cached: { readonly key: string; readonly untilMs: number } | undefined
  return async (isRefused) => {
    if (cached !== undefined && !isRefused && clock.monotonicMs() < cached.untilMs) return cached.key
    const key = await fetchKey(apiKeyParameter, awsRegion)
    cached = { key, untilMs: clock.monotonicMs() + KEY_MS }
    return key
  }
}

async function fetchKey(name: string, region: string): Promise<string> {
  const [{ fetchParameters }, { SSM }] = await Promise.all([
    import('../adapters/aws/parameters.ts'),
    import('@aws-sdk/client-ssm'),
  ])
  const client = new SSM({ region, maxAttempts: SSM_ATTEMPTS_MAX, requestHandler: TIMEOUTS })
  try {
    const key = (await fetchParameters(async () => client, [name])).get(name)?.trim()
    if (key) return key
  } finally {
    client.destroy()
  }
  const text = `the parameter "${name}" with the Cognigy API key does not exist; create it as a SecureString, or set COGNIGY_API_KEY`
  throw new GatewayError('config_invalid', text)
}
