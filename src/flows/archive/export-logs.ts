/** Exports what a store has to files of the archive: one tenant after another, oldest first, a block at a time. */

import type { Block, StreamRun } from '../../domain/entries/block.ts'
import { GatewayError } from '../../domain/errors.ts'
import { finishSlices } from '../../kit/slices.ts'
import { BlockSearch, stretchEnd } from '../../logql/block-search.ts'
import { parseExpr } from '../../logql/parse/parse.ts'
import type { LineFilterStage, LogExpr } from '../../logql/parse/syntax.ts'
import type { ExportReport, LogExport } from '../../ports/archive.ts'
import type { Deletion, LogStore } from '../../ports/log-store.ts'
import { readVisible } from '../delete/delete-logs.ts'

export interface ExportSource {
  readonly tenants: readonly string[]
  readonly store: Pick<LogStore, 'read'>
  readonly deletions: readonly Deletion[]
}

/** What to export: entries in [start, end), ns. */
export interface ExportOrder {
  readonly start: bigint
  readonly end: bigint
  /** A selector with optional line filters; undefined: everything. */
  readonly query: string | undefined
  /** Undefined: all tenants. */
  readonly tenant: string | undefined
}

/**
 * Throws query_malformed, query_unsupported for stages other than line filters, not_found for an unknown tenant; rejects like the store,
 * and nothing is exported then.
 */
export async function exportLogs(source: ExportSource, target: LogExport, order: ExportOrder): Promise<ExportReport> {
  try {
    const query = order.query === undefined ? undefined : parseExport(order.query)
    const search = new BlockSearch((query?.stages ?? []) as readonly LineFilterStage[])
    finishSlices(search.prepare())
    for (const tenant of tenantsOf(source, order.tenant)) {
      const request = {
        tenant,
        matchers: query?.matchers ?? [],
        start: order.start,
        end: order.end,
        direction: 'forward',
        scans: true,
      } as const
      for await (const { block, runs } of readVisible(source.store, source.deletions, request)) {
        const found = search.isNeeded ? runs.flatMap((run) => foundIn(block, run, search)) : runs
        if (found.length > 0) await target.add(tenant, block, found)
      }
    }
    return await target.finish()
  } catch (cause) {
    await target.abandon()
    throw cause
  }
}

function tenantsOf({ tenants }: ExportSource, wanted: string | undefined): readonly string[] {
  if (wanted === undefined) return tenants
  if (tenants.includes(wanted)) return [wanted]
  throw new GatewayError(
    'not_found',
    `there is no tenant ${JSON.stringify(wanted)}; there are ${tenants.length} others`,
  )
}

/** The parts of the run that pass the line filters. */
function foundIn(block: Block, run: StreamRun, search: BlockSearch): StreamRun[] {
  const found: { start: number; end: number }[] = []
  for (let i = run.start; i < run.end; ) {
    const end = stretchEnd(block, i, run.end)
    for (const hit of search.find(block, i, end)) {
      const last = found.at(-1)
      if (last?.end === hit) last.end++
      else found.push({ start: hit, end: hit + 1 })
    }
    i = end
  }
  return found.map((range) => ({ ...run, ...range }))
}

function parseExport(text: string): LogExpr {
  const query = parseExpr(text)
  if (query.kind !== 'log') {
    throw new GatewayError('query_malformed', 'an export needs a log query; remove the aggregation')
  }
  const other = query.stages.find(({ kind }) => kind !== 'line_filter')
  if (other === undefined) return query
  throw new GatewayError(
    'query_unsupported',
    `an export takes a selector and line filters only; remove ${other.kind.replaceAll('_', ' ')}`,
  )
}
