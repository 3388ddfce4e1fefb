/** How many kinds of lines may have an incident of their own: a flood of lines that all differ would make one of each. */

/** New kinds within a span: of a service, as many as people would look through; of a tenant, some services of those. */
export const KINDS_OF_SERVICE_MAX = 200
export const KINDS_OF_TENANT_MAX = 1_000
/** Of all tenants, which bounds the memory: a kind is some hundred characters. */
const KINDS_MAX = 20_000
/** Then counting begins anew. */
const SPAN_MS = 10 * 60_000

/** What a line is counted as: its own kind, or with others of its service, or of its tenant. */
export type KindScope = 'own' | 'service' | 'tenant'

export class KindLimits {
  readonly #services = new Map<string, Set<string>>()
  readonly #tenants = new Map<string, number>()
  #kinds = 0
  #sinceMs = 0

  /** Begins a new span when the last one is over at `nowMs`, ms since the epoch. */
  renew(nowMs: number): void {
    if (Math.abs(nowMs - this.#sinceMs) < SPAN_MS) return
    this.#sinceMs = nowMs
    this.#services.clear()
    this.#tenants.clear()
    this.#kinds = 0
  }

  /** `service` is any text that tells the services of a tenant apart. */
  admit(tenant: string, service: string, pattern: string): KindScope {
    const name = `${tenant}\n${service}`
    const known = this.#services.get(name)
    if (known?.has(pattern)) return 'own'
    if (known !== undefined && known.size >= KINDS_OF_SERVICE_MAX) return 'service'
    const ofTenant = this.#tenants.get(tenant) ?? 0
    if (ofTenant >= KINDS_OF_TENANT_MAX || this.#kinds >= KINDS_MAX) return known === undefined ? 'tenant' : 'service'
    if (known === undefined) this.#services.set(name, new Set([pattern]))
    else known.add(pattern)
    this.#tenants.set(tenant, ofTenant + 1)
    this.#kinds++
    return 'own'
  }
}
