/** The ports of the embedded home: one SQLite file, keys in the data folder. */

import { CHECKPOINT_PAGES } from '../adapters/embedded/checkpoints.ts'
import { LocalFeed } from '../adapters/embedded/local-feed.ts'
import { loadSecret } from '../adapters/embedded/secrets.ts'
import { SqliteLogStore, type StoreEvents } from '../adapters/embedded/sqlite-log-store.ts'
import type { LimitsEvents } from '../adapters/files/limits-file.ts'
import type { Config } from '../config/read-config.ts'
import type { CommittedBlocks } from '../ports/incidents.ts'
import type { Clock, Ports } from '../ports/log-store.ts'
import { repeat, SYSTEM_HEAP } from './machine.ts'
import { openTenantLimits } from './tenant-limits.ts'

export interface EmbeddedHome {
  readonly ports: Ports
  /** Keys that survive a restart: one signs page tokens, the other is the seed of the local issuer's key. */
  readonly keys: { readonly pageToken: Uint8Array; readonly localIssuer: Uint8Array | undefined }
  /** The blocks from which incidents are counted. */
  readonly blocks: CommittedBlocks
  close(): Promise<void>
}

const PAGE_TOKEN_KEY = 'page-token.key'
const LOCAL_ISSUER_KEY = 'local-issuer.key'
const KEY_BYTES = 32

/** Opens the data folder. Throws store_unavailable or store_damaged, and config_invalid for invalid tenant limits. */
export function openEmbedded(config: Config, clock: Clock, events: StoreEvents & LimitsEvents): EmbeddedHome {
  // Configuration faults are reported before anything is opened.
  const limits = openTenantLimits(config, events)
  const { dataDir } = config.service
  const { queueBytesMax, retentionAgeMs, retentionBytes, duplicateWindowMs, blockBytes } = config.store
  const settings = {
    dataDir,
    queueBytesMax,
    retentionMs: retentionAgeMs,
    retentionBytes,
    reserveBytes: Math.min(RESERVE_BYTES, (retentionBytes ?? Number.POSITIVE_INFINITY) / RESERVE_PART),
    duplicateWindowMs: duplicateWindowMs ?? 0,
    blockBytes,
    queryTimeoutMs: config.query.timeoutMs,
    keepsCommitted: config.incidents.enabled,
    memoryBytesMax: Math.min(MEMORY_BYTES_MAX, SYSTEM_HEAP.limitBytes / MEMORY_HEAP_PART),
  }
  const store = new SqliteLogStore(settings, clock, events, { repeat, checkpoints: CHECKPOINT_PAGES })
  const keys = {
    pageToken: loadSecret(dataDir, PAGE_TOKEN_KEY, KEY_BYTES),
    localIssuer: config.auth.localIssuer ? loadLocalIssuerSeed(dataDir) : undefined,
  }
  return {
    ports: { clock, store, feed: new LocalFeed(), deletions: store.deletions, ...(limits && { limits }) },
    keys,
    blocks: store.committed,
    close: () => {
      limits?.close()
      return store.close()
    },
  }
}

/** Space held back for deletions on a full disk, and the part of the allowed bytes that it takes at most. */
const RESERVE_BYTES = 16 * 2 ** 20
const RESERVE_PART = 16

/** What the store keeps of streams and recent blocks, and the part of the heap that it takes at most: a fifth. */
const MEMORY_BYTES_MAX = 128 * 2 ** 20
const MEMORY_HEAP_PART = 5

/** The 32-byte seed of the local issuer's key, shared by the gateway and `millrace token`. */
export function loadLocalIssuerSeed(dataDir: string): Uint8Array {
  return loadSecret(dataDir, LOCAL_ISSUER_KEY, KEY_BYTES)
}
