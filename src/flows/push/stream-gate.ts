/** Tracks active streams and rates, and limits both. */

import type { StreamGate, StreamLimit } from '../../domain/entries/batch-builder.ts'
import { ACTIVE_STREAM_BYTES, type PushLimits, type Rate, STREAM_IDLE_MS } from '../../domain/limits.ts'
import { type BucketRate, TokenBucket } from '../../kit/token-bucket.ts'
import type { Clock } from '../../ports/log-store.ts'

interface ActiveStream {
  seenMs: number
  bucket: TokenBucket | undefined
}

interface ActiveTenant {
  /** By key; the first was seen least recently. */
  readonly streams: Map<string, ActiveStream>
  /** Characters of the keys. */
  labelBytes: number
  /** What the rates of these streams are limited by. */
  bucket: TokenBucket | undefined
}

/** Idle streams are removed at most this often. */
const SWEEP_MS = 60_000
/** Tenants among which the largest makes room. */
const CANDIDATES = 64

export class StreamGateKeeper implements StreamGate {
  readonly #limits: PushLimits
  readonly #clock: Clock
  readonly #bytesMax: number
  readonly #tenants = new Map<string, ActiveTenant>()
  #candidates = this.#tenants.entries()
  #streams = 0
  /** What all streams take: their keys, and ACTIVE_STREAM_BYTES each. */
  #bytes = 0
  #sweptMs = Number.NEGATIVE_INFINITY

  /** `limits` apply to tenants without their own limits; `bytesMax` bounds the streams of all tenants in memory. */
  constructor(limits: PushLimits, clock: Clock, bytesMax = Number.POSITIVE_INFINITY) {
    this.#limits = limits
    this.#clock = clock
    this.#bytesMax = bytesMax
  }

  /** The same gate for a push of a tenant with these limits. */
  withLimits(limits: PushLimits): StreamGate {
    if (limits === this.#limits) return this
    return {
      admitStream: (tenant, key) => this.admitStream(tenant, key, limits),
      admitBytes: (tenant, key, bytes) => this.admitBytes(tenant, key, bytes, limits),
    }
  }

  admitStream(tenant: string, key: string, limits = this.#limits): true | StreamLimit {
    const nowMs = this.#clock.monotonicMs()
    const streams = this.#tenants.get(tenant)?.streams
    const known = streams?.get(key)
    if (known !== undefined) {
      known.seenMs = nowMs
      streams?.delete(key)
      streams?.set(key, known)
      return true
    }
    if (this.#limitOf(tenant, key, limits) !== undefined) this.#sweep(nowMs)
    let limit = this.#limitOf(tenant, key, limits)
    if (limit === 'total_label_bytes' && this.#makeRoom(tenant, bytesOf(key))) limit = undefined
    if (limit !== undefined) return limit
    const active = this.#tenantOf(tenant)
    active.streams.set(key, { seenMs: nowMs, bucket: undefined })
    active.labelBytes += key.length
    this.#streams++
    this.#bytes += bytesOf(key)
    return true
  }

  admitBytes(tenant: string, key: string, bytes: number, limits = this.#limits): boolean {
    const rate = limits.streamRate
    if (rate === undefined) return true
    const stream = this.#tenants.get(tenant)?.streams.get(key)
    if (stream === undefined) return true
    stream.bucket ??= new TokenBucket(bucketRate(rate), this.#clock.monotonicMs())
    stream.bucket.rate = bucketRate(rate)
    return stream.bucket.take(bytes, this.#clock.monotonicMs())
  }

  /** False if the tenant has used up its rate; then nothing of the push may be stored. */
  admitPush(tenant: string, bytes: number, limits = this.#limits): boolean {
    const rate = limits.tenantRate
    if (rate === undefined) return true
    const nowMs = this.#clock.monotonicMs()
    const active = this.#tenantOf(tenant)
    active.bucket ??= new TokenBucket(bucketRate(rate), nowMs)
    active.bucket.rate = bucketRate(rate)
    return active.bucket.take(bytes, nowMs)
  }

  /** Streams that received a line within the last hour (or since the last sweep). */
  get activeStreams(): number {
    return this.#streams
  }

  /** Bytes that their labels take in memory. */
  get activeBytes(): number {
    return this.#bytes
  }

  #tenantOf(tenant: string): ActiveTenant {
    let active = this.#tenants.get(tenant)
    if (active === undefined) {
      active = { streams: new Map(), labelBytes: 0, bucket: undefined }
      this.#tenants.set(tenant, active)
    }
    return active
  }

  #limitOf(tenant: string, key: string, limits: PushLimits): StreamLimit | undefined {
    const { streams, labelBytes = 0 } = this.#tenants.get(tenant) ?? {}
    if ((streams?.size ?? 0) >= limits.activeStreamsMax) return 'streams'
    if (labelBytes + key.length > limits.activeLabelBytesMax) return 'label_bytes'
    return this.#bytes + bytesOf(key) > this.#bytesMax ? 'total_label_bytes' : undefined
  }

  /**
   * Forgets streams of other tenants until there is room: so one user who writes to many tenants keeps nobody out. False for
   * a tenant that has streams, and would have more than an equal share.
   */
  #makeRoom(tenant: string, bytes: number): boolean {
    const own = this.#tenants.get(tenant)
    const share = this.#bytesMax / this.#tenants.size
    if (own !== undefined && own.streams.size > 0 && memoryOf(own) + bytes > share) return false
    while (this.#bytes + bytes > this.#bytesMax) {
      const largest = this.#largestCandidate(own)
      if (largest === undefined) return false
      this.#forgetHalf(...largest)
    }
    return true
  }

  /** The largest of the next few tenants, in turns, other than `own`. */
  #largestCandidate(own: ActiveTenant | undefined): [name: string, active: ActiveTenant] | undefined {
    let largest: [string, ActiveTenant] | undefined
    for (let seen = 0; seen < Math.min(CANDIDATES, this.#tenants.size); seen++) {
      let next = this.#candidates.next()
      if (next.done === true) {
        this.#candidates = this.#tenants.entries()
        next = this.#candidates.next()
      }
      const candidate = next.value
      if (candidate === undefined || candidate[1] === own) continue
      if (largest === undefined || memoryOf(candidate[1]) > memoryOf(largest[1])) largest = candidate
    }
    return largest
  }

  /** Forgets half of the streams, those that were seen least recently; a tenant without streams goes as well. */
  #forgetHalf(name: string, active: ActiveTenant): void {
    let left = Math.ceil(active.streams.size / 2)
    for (const key of active.streams.keys()) {
      if (left-- === 0) break
      this.#forget(active, key)
    }
    if (active.streams.size === 0) this.#tenants.delete(name)
  }

  #forget(active: ActiveTenant, key: string): void {
    active.streams.delete(key)
    active.labelBytes -= key.length
    this.#streams--
    this.#bytes -= bytesOf(key)
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return
    this.#sweptMs = nowMs
    for (const [tenant, active] of this.#tenants) {
      for (const [key, { seenMs }] of active.streams) {
        if (nowMs - seenMs <= STREAM_IDLE_MS) break
        this.#forget(active, key)
      }
      if (active.streams.size === 0) this.#tenants.delete(tenant)
    }
  }
}

function bytesOf(key: string): number {
  return key.length + ACTIVE_STREAM_BYTES
}

function memoryOf({ streams, labelBytes }: ActiveTenant): number {
  return labelBytes + streams.size * ACTIVE_STREAM_BYTES
}

function bucketRate({ bytesPerSecond, burstBytes }: Rate): BucketRate {
  return { perSecond: bytesPerSecond, burst: burstBytes }
}
