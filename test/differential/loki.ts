/** A Loki to compare with: one that runs already (LOKI_URL), or one that is started here (LOKI_BIN). */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/gateway-process.ts'

export interface LokiPeer {
  readonly url: string
  /** Starts it again where it was started here and has ended. */
  ensureRunning(): Promise<void>
  close(): Promise<void>
}

/** Undefined where the environment names none. Throws where the one that it names does not come up. */
export async function openLoki(env: NodeJS.ProcessEnv, folder: string, isPlain = false): Promise<LokiPeer | undefined> {
  const url = env['LOKI_URL']
  if (url !== undefined && url !== '') {
    return { url: url.replace(/\/$/, ''), ensureRunning: () => untilAnswering(url), close: async () => undefined }
  }
  const bin = env['LOKI_BIN']
  return bin === undefined || bin === '' ? undefined : startLoki(bin, join(folder, 'loki'), isPlain)
}

const START_TRIES = 300

async function startLoki(bin: string, folder: string, isPlain: boolean): Promise<LokiPeer> {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const file = join(folder, 'loki.yaml')
  writeFileSync(file, configOf(folder, port, await freePort(), isPlain))
  const url = `http://127.0.0.1:${port}`
  let child = run(bin, file)
  await untilAnswering(url)
  return {
    url,
    ensureRunning: async () => {
      if (child.exitCode !== null || child.signalCode !== null) child = run(bin, file)
      await untilAnswering(url)
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function run(bin: string, file: string): ChildProcess {
  return spawn(bin, [`-config.file=${file}`, '-log.level=error'], { stdio: 'ignore' })
}

async function untilAnswering(url: string): Promise<void> {
  for (let i = 0; i < START_TRIES; i++) {
    const isUp = await fetch(`${url}/loki/api/v1/labels`, { headers: { 'x-scope-orgid': 'start' } }).then(
      (response) => response.ok,
      () => false,
    )
    if (isUp) return
    await sleep(200)
  }
  throw new Error(`${url} does not answer`)
}

/** One process over a folder that keeps what it is given, however old, and splits, caches and shards nothing. */
function configOf(folder: string, port: number, grpcPort: number, isPlain: boolean): string {
  const config = {
    auth_enabled: true,
    analytics: { reporting_enabled: false },
    server: {
      http_listen_address: '127.0.0.1',
      http_listen_port: port,
      grpc_listen_address: '127.0.0.1',
      grpc_listen_port: grpcPort,
    },
    frontend: { address: '127.0.0.1' },
    common: {
      path_prefix: folder,
      replication_factor: 1,
      ring: { instance_addr: '127.0.0.1', kvstore: { store: 'inmemory' } },
      storage: { filesystem: { chunks_directory: join(folder, 'chunks'), rules_directory: join(folder, 'rules') } },
    },
    schema_config: {
      configs: [
        {
          from: '2020-01-01',
          store: 'tsdb',
          object_store: 'filesystem',
          schema: 'v13',
          index: { prefix: 'i_', period: '24h' },
        },
      ],
    },
    querier: { query_ingesters_within: '0s' },
    ingester: { max_chunk_age: '2400h', chunk_idle_period: '2400h' },
    query_range: {
      parallelise_shardable_queries: false,
      cache_index_stats_results: false,
      cache_volume_results: false,
      cache_series_results: false,
      cache_label_results: false,
      // Loki answers 500 to some queries that are at fault: asking again does not help.
      max_retries: 1,
    },
    limits_config: {
      reject_old_samples: false,
      ingestion_rate_mb: 1000,
      ingestion_burst_size_mb: 1000,
      per_stream_rate_limit: '1GB',
      per_stream_rate_limit_burst: '1GB',
      split_queries_by_interval: '0s',
      split_instant_metric_queries_by_interval: '0s',
      max_query_length: '0s',
      // Levels are judged by docs/levels.md, not by Loki.
      discover_log_levels: false,
      ...(isPlain ? { discover_service_name: [] } : {}),
    },
    compactor: { working_directory: join(folder, 'compactor') },
  }
  // JSON is YAML.
  return JSON.stringify(config, undefined, 2)
}
