/** The known kinds of lines, looked up by bytes, and the limits on their number. */

import { SERVICE_NAME } from '../entries/service-name.ts'
import { formatLabels, type Labels, labelValue, quoteGo } from '../labels.ts'
import type { IncidentFacts, Sample } from './incident.ts'
import { literalOf } from './line-literal.ts'
import { patternText } from './line-mask.ts'

/**
 * Maximum number of new kinds in a span: for a service as many as people would read, for a tenant those of some
 * services.
 */
export const KINDS_OF_SERVICE_MAX = 200
export const KINDS_OF_TENANT_MAX = 1_000
/** The same for all tenants, which bounds memory: a kind takes about a kilobyte. */
const KINDS_MAX = 10_000
/** Maximum number of services of all tenants; lines of further services count as various lines of their tenant. */
const SERVICES_MAX = 10_000
/** After this time all kinds are forgotten. */
const SPAN_MS = 10 * 60_000
/** The pattern of lines that exceed the limits. */
const VARIOUS = 'various lines'

/** The count of one kind of lines since the last take. */
export interface Kind {
  readonly facts: Omit<IncidentFacts, 'severity'>
  /** Total number of counted lines. */
  total: number
  /** Number of lines counted since the last take; if 0, the other fields are undefined. */
  count: number
  firstMs: number
  lastMs: number
  /** The highest level, as a code of LEVELS. */
  level: number
  samples: Sample[]
  readonly pattern: Uint8Array
  /** The next kind whose pattern has the same hash. */
  readonly next: Kind | undefined
}

/** The common facts of a service's lines. */
export interface Service {
  readonly tenant: string
  readonly labels: Labels
  readonly logGroup: string | undefined
  readonly closesAfterMs: number | undefined
  readonly kinds: Map<number, Kind>
  size: number
  various: Kind | undefined
}

/** The origin of a line, from its stream. */
export type ServiceFacts = Pick<Service, 'tenant' | 'labels' | 'logGroup' | 'closesAfterMs'>

const NO_BYTES = new Uint8Array(0)

export class LineKinds {
  readonly #services = new Map<string, Service>()
  /** By tenant: the number of known kinds, and the kind of all other lines. */
  readonly #tenants = new Map<string, { size: number; various: Kind | undefined }>()
  #size = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  /**
   * Starts a new span if the last one is over at `atMs`, a reading of Clock.monotonicMs; true if it forgot all kinds.
   */
  renew(atMs: number): boolean {
    if (atMs - this.#sinceMs < SPAN_MS) return false
    this.#sinceMs = atMs
    this.#services.clear()
    this.#tenants.clear()
    this.#size = 0
    return true
  }

  serviceOf(facts: ServiceFacts): Service {
    const name = `${facts.tenant}\n${formatLabels(facts.labels)}`
    const known = this.#services.get(name)
    if (known !== undefined) return known
    const service = { ...facts, kinds: new Map<number, Kind>(), size: 0, various: undefined }
    if (this.#services.size < SERVICES_MAX) this.#services.set(name, service)
    return service
  }

  /** The kind with the pattern bytes[0, length); undefined if unknown. */
  find(service: Service, bytes: Uint8Array, length: number): Kind | undefined {
    return service.size === 0 ? undefined : findIn(service.kinds.get(hashOf(bytes, length)), bytes, length)
  }

  /** Whether the service may have another kind. */
  hasRoom({ tenant, size }: Service): boolean {
    const ofTenant = this.#tenants.get(tenant)?.size ?? 0
    return size < KINDS_OF_SERVICE_MAX && ofTenant < KINDS_OF_TENANT_MAX && this.#size < KINDS_MAX
  }

  /** Adds a kind; `line` is its first line. Requires hasRoom. */
  add(service: Service, bytes: Uint8Array, length: number, line: string): Kind {
    const { tenant, labels } = service
    const pattern = bytes.slice(0, length)
    const text = patternText(pattern)
    const hash = hashOf(bytes, length)
    const facts = factsOf(service, labels, text, literalOf(text, line))
    const kind = newKind(facts, pattern, service.kinds.get(hash))
    service.kinds.set(hash, kind)
    service.size++
    this.#size++
    this.#tenantOf(tenant).size++
    return kind
  }

  /** The kind of lines without their own kind: of their service, or of their tenant if the service is new. */
  various(service: Service): Kind {
    if (service.size > 0) {
      const { labels } = service
      service.various ??= newKind(factsOf(service, labels, VARIOUS, undefined), NO_BYTES, undefined)
      return service.various
    }
    const tenant = this.#tenantOf(service.tenant)
    tenant.various ??= newKind(
      factsOf({ ...service, logGroup: undefined }, [], VARIOUS, undefined),
      NO_BYTES,
      undefined,
    )
    return tenant.various
  }

  #tenantOf(tenant: string): { size: number; various: Kind | undefined } {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return known
    const made = { size: 0, various: undefined }
    this.#tenants.set(tenant, made)
    return made
  }
}

function newKind(facts: Kind['facts'], pattern: Uint8Array, next: Kind | undefined): Kind {
  return { facts, total: 0, count: 0, firstMs: 0, lastMs: 0, level: 0, samples: [], pattern, next }
}

/** Compares patterns byte by byte: a hash collision costs time but never merges kinds. */
function findIn(first: Kind | undefined, bytes: Uint8Array, length: number): Kind | undefined {
  for (let kind = first; kind !== undefined; kind = kind.next) {
    const { pattern } = kind
    if (pattern.length !== length) continue
    let i = 0
    while (i < length && pattern[i] === bytes[i]) i++
    if (i === length) return kind
  }
  return undefined
}

/** FNV-1a. A service has few kinds, so patterns made to collide cost little. */
function hashOf(bytes: Uint8Array, length: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash
}

/** `literal`: a text that all lines of the kind contain; undefined if there is none. */
function factsOf(
  { tenant, logGroup, closesAfterMs }: Service,
  labels: Labels,
  pattern: string,
  literal: string | undefined,
): Kind['facts'] {
  const service = labelValue(labels, SERVICE_NAME)
  return {
    tenant,
    kind: 'line',
    key: `${formatLabels(labels)}\n${pattern}`,
    title: service === '' ? pattern : `${service}: ${pattern}`,
    labels,
    // Lines of a log group are not in the store, so no query can find them.
    query: logGroup === undefined ? queryOf(labels, literal) : undefined,
    logGroup: logGroup === undefined ? undefined : { name: logGroup, text: literal },
    closesAfterMs,
  }
}

function queryOf(labels: Labels, literal: string | undefined): string | undefined {
  if (labels.length === 0) return undefined
  return literal === undefined ? formatLabels(labels) : `${formatLabels(labels)} |= ${quoteGo(literal)}`
}
