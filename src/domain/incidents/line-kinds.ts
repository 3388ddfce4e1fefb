/** The kinds of lines that are known by their bytes, and how many may have an incident of their own. */

import { SERVICE_NAME } from '../entries/service-name.ts'
import { formatLabels, type Labels, labelValue, quoteGo } from '../labels.ts'
import type { IncidentFacts, Sample } from './incident.ts'
import { literalOf } from './line-literal.ts'
import { patternText } from './line-mask.ts'

/** New kinds within a span: of a service, as many as people would look through; of a tenant, some services of those. */
export const KINDS_OF_SERVICE_MAX = 200
export const KINDS_OF_TENANT_MAX = 1_000
/** Of all tenants, which bounds the memory: a kind is about a kilobyte. */
const KINDS_MAX = 10_000
/** Services of all tenants, likewise; lines of more are counted as various lines of their tenant. */
const SERVICES_MAX = 10_000
/** Then learning begins anew. */
const SPAN_MS = 10 * 60_000
/** The pattern of lines that are too many kinds to have one each. */
const VARIOUS = 'various lines'

/** Lines that are counted together, until they are taken. */
export interface Kind {
  readonly facts: Omit<IncidentFacts, 'severity'>
  /** Lines that were ever counted. */
  total: number
  /** Lines that were counted and not taken; 0: the other fields say nothing. */
  count: number
  firstMs: number
  lastMs: number
  /** The worst, as a code of LEVELS. */
  level: number
  samples: Sample[]
  readonly pattern: Uint8Array
  /** The next kind whose pattern has the same hash. */
  readonly next: Kind | undefined
}

/** What lines of one service share. */
export interface Service {
  readonly tenant: string
  readonly labels: Labels
  readonly logGroup: string | undefined
  readonly closesAfterMs: number | undefined
  readonly kinds: Map<number, Kind>
  size: number
  various: Kind | undefined
}

/** Where a line comes from, in the words of its stream. */
export type ServiceFacts = Pick<Service, 'tenant' | 'labels' | 'logGroup' | 'closesAfterMs'>

const NO_BYTES = new Uint8Array(0)

export class LineKinds {
  readonly #services = new Map<string, Service>()
  /** By tenant: kinds that are known, and the one of all other lines. */
  readonly #tenants = new Map<string, { size: number; various: Kind | undefined }>()
  #size = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  /** Begins a new span when the last one is over at `atMs`, a reading of Clock.monotonicMs; true when it forgot all kinds. */
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

  /** The kind of the pattern bytes[0, length), undefined when it is not known. */
  find(service: Service, bytes: Uint8Array, length: number): Kind | undefined {
    return service.size === 0 ? undefined : findIn(service.kinds.get(hashOf(bytes, length)), bytes, length)
  }

  /** Whether a new kind of the service would have an incident of its own. */
  hasRoom({ tenant, size }: Service): boolean {
    const ofTenant = this.#tenants.get(tenant)?.size ?? 0
    return size < KINDS_OF_SERVICE_MAX && ofTenant < KINDS_OF_TENANT_MAX && this.#size < KINDS_MAX
  }

  /** A new kind; `line` is the first of its lines. Only where there is room. */
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

  /** The kind of lines that have none of their own: of their service, or of their tenant where the service is new. */
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

/** Patterns are compared byte by byte: that two have one hash costs time, never a count. */
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

/** FNV-1a. A service has few kinds, so that patterns made to collide cost little. */
function hashOf(bytes: Uint8Array, length: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash
}

/** `literal`: a text that all lines of the kind have; undefined where there is none. */
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
    // Lines of a log group are not in the store: no query finds them there.
    query: logGroup === undefined ? queryOf(labels, literal) : undefined,
    logGroup: logGroup === undefined ? undefined : { name: logGroup, text: literal },
    closesAfterMs,
  }
}

function queryOf(labels: Labels, literal: string | undefined): string | undefined {
  if (labels.length === 0) return undefined
  return literal === undefined ? formatLabels(labels) : `${formatLabels(labels)} |= ${quoteGo(literal)}`
}
