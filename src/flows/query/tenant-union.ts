/** Reads several tenants as one, with each stream labelled by its tenant. */

import { type StreamRun, timeRange } from '../../domain/entries/block.ts'
import type { RunSummary } from '../../domain/entries/run-summary.ts'
import { GatewayError } from '../../domain/errors.ts'
import { compareText, formatLabels, type Labels, sortLabels } from '../../domain/labels.ts'
import type { Matcher } from '../../domain/selector.ts'
import { splitTenants } from '../../domain/tenant.ts'
import { sortSlices } from '../../kit/slices.ts'
import type { LogStore, ReadBlock, ReadRequest, StreamRange } from '../../ports/log-store.ts'

/** Streams that are labelled between two pauses. */
const STREAMS_PER_STEP = 1000
/** The label with the tenant, and the new name of an existing label of that name; both are Loki's. */
export const TENANT_LABEL = '__tenant_id__'
const ORIGINAL_LABEL = `original_${TENANT_LABEL}`

/**
 * A store for reads with a tenant from joinTenants: for several tenants every stream has TENANT_LABEL, and matchers on it
 * select tenants. Reads of one tenant go directly to the store. The caller has checked the permissions.
 */
export function uniteTenants(store: LogStore): LogStore {
  return {
    append: (batch, intake) => store.append(batch, intake),
    read: (request, signal) => {
      const parts = partsOf(request)
      return parts === undefined ? store.read(request, signal) : readUnion(store, parts, request, signal)
    },
    streams: async (range, signal) => {
      const parts = partsOf(range)
      return parts === undefined ? store.streams(range, signal) : listUnion(store, parts, range, signal)
    },
    version: (range) => {
      const versions = splitTenants(range.tenant).map((tenant) => store.version({ ...range, tenant }))
      return versions.includes(undefined) ? undefined : versions.join('|')
    },
    trouble: () => store.trouble(),
    figures: () => store.figures(),
    close: () => store.close(),
  }
}

/** The tenants selected by the matchers on TENANT_LABEL, and the other matchers. */
interface UnionParts {
  readonly tenants: readonly string[]
  readonly matchers: readonly Matcher[]
}

/** Undefined for a single tenant. */
function partsOf({ tenant, matchers }: Pick<StreamRange, 'tenant' | 'matchers'>): UnionParts | undefined {
  const tenants = splitTenants(tenant)
  if (tenants.length === 1) return undefined
  const choosing = matchers.filter(({ name }) => name === TENANT_LABEL)
  const others = matchers.filter(({ name }) => name !== TENANT_LABEL)
  return {
    tenants: tenants.filter((each) => choosing.every((matcher) => matcher.test(each))),
    matchers: others.map((matcher) => (matcher.name === ORIGINAL_LABEL ? { ...matcher, name: TENANT_LABEL } : matcher)),
  }
}

async function listUnion(
  store: LogStore,
  { tenants, matchers }: UnionParts,
  range: StreamRange,
  signal: AbortSignal | undefined,
): Promise<readonly Labels[]> {
  const byKey = new Map<string, Labels>()
  for (const tenant of tenants) {
    for (const [i, labels] of (await store.streams({ ...range, tenant, matchers }, signal)).entries()) {
      const labelled = labelTenant(labels, tenant)
      byKey.set(formatLabels(labelled), labelled)
      if (i % STREAMS_PER_STEP === STREAMS_PER_STEP - 1) await range.pause?.()
    }
  }
  const sorting = sortSlices([...byKey], ([a], [b]) => compareText(a, b))
  for (let step = sorting.next(); ; step = sorting.next()) {
    if (step.done === true) return step.value.map(([, labels]) => labels)
    await range.pause?.()
  }
}

/** The read of a tenant, with its next block. */
interface Source {
  readonly blocks: AsyncIterator<ReadBlock>
  readonly label: (read: ReadBlock) => ReadBlock
  next: Waiting | undefined
}

interface Waiting {
  readonly read: ReadBlock
  readonly oldest: bigint
  readonly newest: bigint
}

/**
 * The blocks of all tenants in the order of a read: always the one that starts (backward: ends) first among the next
 * blocks. One block per tenant waits, in addition to the blocks that the store loads ahead.
 */
async function* readUnion(
  store: LogStore,
  { tenants, matchers }: UnionParts,
  request: ReadRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadBlock> {
  let damage: unknown
  const advance = async (source: Source): Promise<void> => {
    try {
      const { value, done } = await source.blocks.next()
      source.next = done === true ? undefined : { read: value, ...timeRange(value.block) }
    } catch (cause) {
      source.next = undefined
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      // As for one tenant, the other blocks are returned before the error.
      damage ??= cause
    }
  }
  // Streams get these labels only here.
  const needs = request.needs?.filter(
    (need) => !need.some(({ label }) => label === TENANT_LABEL || label === ORIGINAL_LABEL),
  )
  const sources = tenants.map((tenant): Source => {
    const label = labelRuns(tenant)
    const { takes } = request
    const asked = takes && ((run: RunSummary): boolean => takes({ ...run, ...label(run) }))
    const blocks = store.read({ ...request, tenant, matchers, needs, takes: asked }, signal)[Symbol.asyncIterator]()
    return {
      blocks,
      label: (read) => ({ ...read, runs: read.runs.map((run) => ({ ...run, ...label(run) })) }),
      next: undefined,
    }
  })
  try {
    await Promise.all(sources.map(advance))
    for (let source = foremost(sources, request); source?.next !== undefined; source = foremost(sources, request)) {
      const { read, oldest, newest } = source.next
      // The waiting block may no longer be needed.
      if (request.wants?.(oldest, newest) !== false) yield source.label(read)
      // Not earlier: a block is valid only until the next one of its read is requested.
      await advance(source)
    }
    if (damage !== undefined) throw damage
  } finally {
    await Promise.allSettled(sources.map(({ blocks }) => blocks.return?.()))
  }
}

function foremost(sources: readonly Source[], { direction }: ReadRequest): Source | undefined {
  const isBefore = (a: Waiting, b: Waiting): boolean =>
    direction === 'forward' ? a.oldest < b.oldest : a.newest > b.newest
  let first: Source | undefined
  for (const source of sources) {
    if (source.next === undefined) continue
    if (first?.next === undefined || isBefore(source.next, first.next)) first = source
  }
  return first
}

/** Creates the labels of each stream once per read, because queries identify streams by them. */
type Named = Pick<StreamRun, 'key' | 'labels'>

function labelRuns(tenant: string): (run: Named) => Named {
  const labelled = new Map<string, Named>()
  return (run) => {
    let named = labelled.get(run.key)
    if (named === undefined) {
      const labels = labelTenant(run.labels, tenant)
      named = { key: formatLabels(labels), labels }
      labelled.set(run.key, named)
    }
    return named
  }
}

function labelTenant(labels: Labels, tenant: string): Labels {
  const others = labels
    .filter(({ name }) => name !== ORIGINAL_LABEL || !labels.some((label) => label.name === TENANT_LABEL))
    .map((label) => (label.name === TENANT_LABEL ? { name: ORIGINAL_LABEL, value: label.value } : label))
  return sortLabels([...others, { name: TENANT_LABEL, value: tenant }])
}
