/** Versions of time ranges of a tenant, which change when blocks are added or removed, for cache validation. */

/** Changes are tracked per hour of the time range. */
const BUCKET_NS = 3600n * 1_000_000_000n
/** Maximum number of tracked hours per tenant; beyond that, all hours count as changed. */
const BUCKETS_MAX = 1000

interface TenantVersions {
  /** The number of the last change by hour. */
  readonly byBucket: Map<number, number>
  /** The last change of hours that are not tracked individually. */
  floor: number
}

export class RangeVersions {
  readonly #tenants = new Map<number, TenantVersions>()
  #changes = 0

  /** Call it when a block with entries in [oldest, newest] was added or removed. */
  changed(tenant: number, oldest: bigint, newest: bigint): void {
    const change = ++this.#changes
    let versions = this.#tenants.get(tenant)
    if (versions === undefined) {
      versions = { byBucket: new Map(), floor: 0 }
      this.#tenants.set(tenant, versions)
    }
    const [first, last] = [bucketOf(oldest), bucketOf(newest)]
    if (last - first < BUCKETS_MAX) {
      for (let bucket = first; bucket <= last; bucket++) versions.byBucket.set(bucket, change)
      if (versions.byBucket.size <= BUCKETS_MAX) return
    }
    versions.byBucket.clear()
    versions.floor = change
  }

  /** A number that differs after every change of a block with entries in [start, end), and after some other changes. */
  of(tenant: number, start: bigint, end: bigint): number {
    const versions = this.#tenants.get(tenant)
    if (versions === undefined) return 0
    const [first, last] = [bucketOf(start), bucketOf(end)]
    let latest = versions.floor
    if (last - first < versions.byBucket.size) {
      for (let bucket = first; bucket <= last; bucket++) latest = Math.max(latest, versions.byBucket.get(bucket) ?? 0)
    } else {
      for (const [bucket, change] of versions.byBucket) {
        if (bucket >= first && bucket <= last) latest = Math.max(latest, change)
      }
    }
    return latest
  }
}

function bucketOf(ns: bigint): number {
  return Number(ns / BUCKET_NS)
}
