/** Tracks active streams and rates, and limits both. */

import type { StreamGate } from '../../domain/entries/batch-builder.ts'
import { type PushLimits, type Rate, STREAM_IDLE_MS } from '../../domain/limits.ts'
import { type BucketRate, TokenBucket } from '../../kit/token-bucket.ts'
import type { Clock } from '../../ports/log-store.ts'

interface ActiveStream {
  seenMs: number
  bucket: TokenBucket | undefined
}

/** Maximum number of remembered streams of all tenants, to bound the memory. */
const STREAMS_TOTAL_MAX = 500_000
/** Idle streams are removed at most this often. */
const SWEEP_MS = 60_000

export class StreamGateKeeper implements StreamGate {
  readonly #limits: PushLimits
  readonly #clock: Clock
  readonly #streams = new Map<string, Map<string, ActiveStream>>()
  readonly #tenantBuckets = new Map<string, TokenBucket>()
  #total = 0
  #sweptMs = Number.NEGATIVE_INFINITY

  /** `limits` apply to tenants without their own limits. */
  constructor(limits: PushLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** The same gate for a push of a tenant with these limits. */
  withLimits(limits: PushLimits): StreamGate {
    if (limits === this.#limits) return this
    return {
      admitStream: (tenant, key) => this.admitStream(tenant, key, limits),
      admitBytes: (tenant, key, bytes) => this.admitBytes(tenant, key, bytes, limits),
    }
  }

  admitStream(tenant: string, key: string, limits = this.#limits): boolean {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#streams.get(tenant)?.get(key)
    if (known !== undefined) {
      known.seenMs = nowMs
      return true
    }
    if (this.#isFull(tenant, limits)) this.#sweep(nowMs)
    if (this.#isFull(tenant, limits)) return false
    const streams = this.#streams.get(tenant) ?? new Map<string, ActiveStream>()
    streams.set(key, { seenMs: nowMs, bucket: undefined })
    this.#streams.set(tenant, streams)
    this.#total++
    return true
  }

  admitBytes(tenant: string, key: string, bytes: number, limits = this.#limits): boolean {
    const rate = limits.streamRate
    if (rate === undefined) return true
    const stream = this.#streams.get(tenant)?.get(key)
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
    const bucket = this.#tenantBuckets.get(tenant) ?? new TokenBucket(bucketRate(rate), nowMs)
    bucket.rate = bucketRate(rate)
    this.#tenantBuckets.set(tenant, bucket)
    return bucket.take(bytes, nowMs)
  }

  /** Streams that received a line within the last hour (or since the last sweep). */
  get activeStreams(): number {
    return this.#total
  }

  #isFull(tenant: string, { activeStreamsMax }: PushLimits): boolean {
    return (this.#streams.get(tenant)?.size ?? 0) >= activeStreamsMax || this.#total >= STREAMS_TOTAL_MAX
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return
    this.#sweptMs = nowMs
    for (const [tenant, streams] of this.#streams) {
      for (const [key, { seenMs }] of streams) {
        if (nowMs - seenMs > STREAM_IDLE_MS) {
          streams.delete(key)
          this.#total--
        }
      }
      if (streams.size > 0) continue
      this.#streams.delete(tenant)
      this.#tenantBuckets.delete(tenant)
    }
  }
}

function bucketRate({ bytesPerSecond, burstBytes }: Rate): BucketRate {
  return { perSecond: bytesPerSecond, burst: burstBytes }
}
