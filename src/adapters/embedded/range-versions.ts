/** When blocks of a tenant's time range last came or went: by this, whoever keeps an answer knows that it still holds. */

/** Changes are told apart by the hour of the time range they touch. */
const BUCKET_NS = 3600n * 1_000_000_000n
/** Hours remembered for a tenant; beyond, all of its hours count as changed at once. */
const BUCKETS_MAX = 1000

interface TenantVersions {
  /** The number of the last change by hour. */
  readonly byBucket: Map<number, number>
  /** The last change of hours that are not remembered one by one. */
  floor: number
}

export class RangeVersions {
  readonly #tenants = new Map<number, TenantVersions>()
  #changes = 0

  /** To be called when a block with entries in [oldest, newest] has come or gone. */
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

  /** A number that is another one after every change of a block with entries in [start, end), and after some others. */
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
