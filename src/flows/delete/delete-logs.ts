/** Deletes entries: from reads immediately, from the store when the request can no longer be cancelled. */

import { lowerBound, type StreamRun } from '../../domain/entries/block.ts'
import type { RunSummary } from '../../domain/entries/run-summary.ts'
import { GatewayError } from '../../domain/errors.ts'
import { matchesAll } from '../../domain/selector.ts'
import { msToNs } from '../../domain/time.ts'
import { finishSlices } from '../../kit/slices.ts'
import { BlockSearch, stretchEnd } from '../../logql/block-search.ts'
import { parseExpr } from '../../logql/parse/parse.ts'
import type { LineFilterStage, LogExpr } from '../../logql/parse/syntax.ts'
import type {
  Clock,
  Deletion,
  DeletionStore,
  KeepRuns,
  LogStore,
  ReadBlock,
  ReadRequest,
} from '../../ports/log-store.ts'

/** How long a request can be cancelled: Loki's delete_request_cancel_period. */
export const CANCEL_MS = 24 * 3600_000
/** Maximum number of waiting requests per tenant, because each makes reads of its time range slower. */
const WAITING_MAX = 100
/** How long a processed request is still listed. */
const LISTED_MS = 30 * 24 * 3600_000

export type DeletionOrder = Pick<Deletion, 'id' | 'tenant' | 'query' | 'start' | 'end'>

/**
 * When it resolves, reads no longer return entries that match the query in [start, end); matching entries that arrive
 * before the request is processed are deleted too. Throws query_malformed, query_unsupported for stages other than line
 * filters, parameter_invalid for a time range that is empty or not over yet, query_refused if too many requests wait.
 */
export async function requestDeletion(deletions: DeletionStore, clock: Clock, order: DeletionOrder): Promise<void> {
  parseDeletion(order.query)
  if (order.start >= order.end) throw new GatewayError('parameter_invalid', "start time can't be greater than end time")
  if (order.end > msToNs(clock.nowMs()) + 1n) {
    throw new GatewayError('parameter_invalid', 'deletes in the future are not allowed; end must not be after now')
  }
  const waiting = deletions.list().filter(({ tenant, isProcessed }) => tenant === order.tenant && !isProcessed)
  if (waiting.length >= WAITING_MAX) {
    const text = `${WAITING_MAX} delete requests are waiting; combine some, or cancel some`
    throw new GatewayError('query_refused', text)
  }
  await deletions.add({ ...order, createdMs: clock.nowMs(), isProcessed: false })
}

/** Cancels a request, which makes its entries visible again. Throws not_found, or parameter_invalid if it is too late. */
export async function cancelDeletion(
  deletions: DeletionStore,
  clock: Clock,
  tenant: string,
  id: string,
): Promise<void> {
  const deletion = deletions.list().find((each) => each.tenant === tenant && each.id === id)
  if (deletion === undefined) throw new GatewayError('not_found', 'could not find delete request with given id')
  if (deletion.isProcessed || clock.nowMs() - deletion.createdMs >= CANCEL_MS) {
    const text = 'deletion of request which is in process or already processed is not allowed'
    throw new GatewayError('parameter_invalid', text)
  }
  await deletions.remove(tenant, id)
}

/**
 * Processes the requests that can no longer be cancelled; throws the first failure after trying the others. Calls must not
 * overlap.
 */
export async function processDeletions(
  deletions: DeletionStore,
  clock: Clock,
  isStopped?: () => boolean,
): Promise<void> {
  let failure: { readonly cause: unknown } | undefined
  for (const deletion of deletions.list()) {
    if (isStopped?.() === true) break
    try {
      await processDeletion(deletions, clock, deletion, isStopped)
    } catch (cause) {
      failure ??= { cause }
    }
  }
  if (failure !== undefined) throw failure.cause
}

async function processDeletion(
  deletions: DeletionStore,
  clock: Clock,
  deletion: Deletion,
  isStopped?: () => boolean,
): Promise<void> {
  const { tenant, id, start, end, createdMs, isProcessed } = deletion
  const ageMs = clock.nowMs() - createdMs
  if (isProcessed && ageMs >= LISTED_MS) await deletions.remove(tenant, id)
  if (isProcessed || ageMs < CANCEL_MS) return
  const { query, keep } = compile(deletion)
  await deletions.erase({ tenant, matchers: query.matchers, start, end }, keep, isStopped)
  if (isStopped?.() !== true) await deletions.setProcessed(tenant, id)
}

/** The store for readers, without the entries that are waiting to be deleted. */
export function hideDeleted(store: LogStore, deletions: DeletionStore): LogStore {
  return {
    append: (batch, intake) => store.append(batch, intake),
    read: (request, signal) => readVisible(store, deletions.list(), request, signal),
    // May list a stream whose entries are all hidden.
    streams: (range, signal) => store.streams(range, signal),
    version: (range) => {
      const version = store.version(range)
      const hidden = deletions.list().filter((deletion) => !deletion.isProcessed && touches(deletion, range))
      return version && [version, ...hidden.map(({ id, createdMs }) => `${id} ${createdMs}`)].join()
    },
    trouble: () => store.trouble(),
    figures: () => store.figures(),
    close: () => store.close(),
  }
}

/** Reads without the entries that the requests delete. */
export function readVisible(
  store: Pick<LogStore, 'read'>,
  deletions: readonly Deletion[],
  request: ReadRequest,
  signal?: AbortSignal,
): AsyncIterable<ReadBlock> {
  const hiding = deletions.filter((deletion) => !deletion.isProcessed && touches(deletion, request))
  return hiding.length === 0 ? store.read(request, signal) : readWithout(store, hiding, request, signal)
}

function touches(deletion: Deletion, { tenant, start, end }: Pick<ReadRequest, 'tenant' | 'start' | 'end'>): boolean {
  return deletion.tenant === tenant && deletion.start < end && deletion.end > start
}

async function* readWithout(
  store: Pick<LogStore, 'read'>,
  hiding: readonly Deletion[],
  request: ReadRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadBlock> {
  const compiled = hiding.map(compile)
  // A line filter needs the text of the lines.
  const needsText = compiled.some(({ query }) => query.stages.length > 0)
  const { takes } = request
  // A summary counts the entries that the requests hide too.
  const isHidden = (run: RunSummary): boolean =>
    compiled.some(({ query }, i) => {
      const { start, end } = hiding[i] as Deletion
      return run.newest >= start && run.oldest < end && matchesAll(query.matchers, run.labels)
    })
  const asked = {
    ...request,
    withoutText: request.withoutText === true && !needsText,
    takes: takes && ((run: RunSummary): boolean => !isHidden(run) && takes(run)),
  }
  for await (const read of store.read(asked, signal)) {
    let runs = read.runs
    for (const { keep } of compiled) {
      const kept: StreamRun[] = []
      for (const run of runs) {
        kept.push(...keep(read.block, run))
        await request.pause?.()
      }
      runs = kept
    }
    if (runs.length > 0) yield { ...read, runs }
  }
}

interface CompiledDeletion {
  readonly query: LogExpr
  readonly keep: KeepRuns
}

const COMPILED = new WeakMap<Deletion, CompiledDeletion>()

function compile(deletion: Deletion): CompiledDeletion {
  const known = COMPILED.get(deletion)
  if (known !== undefined) return known
  const query = parseDeletion(deletion.query)
  const search = new BlockSearch(query.stages as readonly LineFilterStage[])
  finishSlices(search.prepare())
  const keep: KeepRuns = (block, run) => {
    if (!matchesAll(query.matchers, run.labels)) return [run]
    const from = lowerBound(block.timestamps, run.start, run.end, deletion.start)
    const to = lowerBound(block.timestamps, from, run.end, deletion.end)
    if (from === to) return [run]
    if (!search.isNeeded)
      return partsOf(run, [
        [run.start, from],
        [to, run.end],
      ])
    const kept: [start: number, end: number][] = []
    let at = run.start
    for (let i = from; i < to; ) {
      const end = stretchEnd(block, i, to)
      for (const hit of search.find(block, i, end)) {
        kept.push([at, hit])
        at = hit + 1
      }
      i = end
    }
    kept.push([at, run.end])
    return partsOf(run, kept)
  }
  const compiled = { query, keep }
  COMPILED.set(deletion, compiled)
  return compiled
}

function partsOf(run: StreamRun, ranges: readonly (readonly [start: number, end: number])[]): StreamRun[] {
  return ranges.filter(([start, end]) => start < end).map(([start, end]) => ({ ...run, start, end }))
}

function parseDeletion(text: string): LogExpr {
  const query = parseExpr(text)
  if (query.kind !== 'log') {
    throw new GatewayError('query_malformed', 'parse error : deletes need a log query; remove the aggregation')
  }
  const other = query.stages.find(({ kind }) => kind !== 'line_filter')
  if (other === undefined) return query
  throw new GatewayError(
    'query_unsupported',
    `deletes support only a selector and line filters; remove ${other.kind.replaceAll('_', ' ')}`,
  )
}
