/** Splits ordered entries into blocks of a size that compresses well. */

import { makeNsColumn, type NsColumn } from '../time.ts'
import type { Batch } from './batch.ts'
import { type Block, type StreamRun, startOf } from './block.ts'
import type { EntryOrder } from './entry-order.ts'

/** A planned block: the references of an EntryOrder that it will contain. */
interface BlockPlan {
  readonly runs: StreamRun[]
  readonly references: { start: number; end: number }[]
  count: number
  textBytes: number
  metadataBytes: number
}

/** Size of an entry in addition to its line and metadata, so that a block of empty lines is bounded too. */
const ENTRY_BYTES = 16

/**
 * Splits the order into blocks of about `bytesTarget` bytes of lines, metadata and columns (at least one entry each;
 * the last may be smaller) and copies the entries into them. An order without entries gives no block.
 */
export function buildBlocks(order: EntryOrder, bytesTarget: number): Block[] {
  return planBlocks(order, bytesTarget).map((plan) => copyEntries(order, plan))
}

function planBlocks(order: EntryOrder, bytesTarget: number): BlockPlan[] {
  const plans: BlockPlan[] = []
  let plan: BlockPlan | undefined
  for (const { key, labels, start, end } of order.streams) {
    let runStart = start
    for (let r = start; r < end; r++) {
      plan ??= { runs: [], references: [], count: 0, textBytes: 0, metadataBytes: 0 }
      const batch = order.batches[order.batchOf[r] as number] as Batch
      const entry = order.entryOf[r] as number
      plan.textBytes += (batch.ends[entry] as number) - (batch.starts[entry] as number)
      plan.metadataBytes += (batch.metadataEnds[entry] as number) - startOf(batch.metadataEnds, entry)
      plan.count++
      const isFull = plan.textBytes + plan.metadataBytes + plan.count * ENTRY_BYTES >= bytesTarget
      if (!isFull && r + 1 < end) continue
      plan.runs.push({ key, labels, start: plan.count - (r + 1 - runStart), end: plan.count })
      plan.references.push({ start: runStart, end: r + 1 })
      runStart = r + 1
      if (isFull) {
        plans.push(plan)
        plan = undefined
      }
    }
  }
  if (plan !== undefined && plan.count > 0) plans.push(plan)
  return plans
}

function copyEntries(order: EntryOrder, plan: BlockPlan): Block {
  const block = {
    runs: plan.runs,
    count: plan.count,
    timestamps: makeNsColumn(plan.count),
    levels: new Uint8Array(plan.count),
    lineEnds: new Uint32Array(plan.count),
    text: new Uint8Array(plan.textBytes),
    metadataEnds: new Uint32Array(plan.count),
    metadata: new Uint8Array(plan.metadataBytes),
  }
  let at = 0
  let textEnd = 0
  let metadataEnd = 0
  for (const { start, end } of plan.references) {
    for (let r = start; r < end; r++, at++) {
      const batch = order.batches[order.batchOf[r] as number] as Batch
      const entry = order.entryOf[r] as number
      copyTime(batch.timestamps, entry, block.timestamps, at)
      block.levels[at] = batch.levels[entry] as number
      const lineEnd = batch.ends[entry] as number
      textEnd = copyBytes(batch.text, batch.starts[entry] as number, lineEnd, block.text, textEnd)
      block.lineEnds[at] = textEnd
      const metadataStart = startOf(batch.metadataEnds, entry)
      const sourceEnd = batch.metadataEnds[entry] as number
      metadataEnd = copyBytes(batch.metadata, metadataStart, sourceEnd, block.metadata, metadataEnd)
      block.metadataEnds[at] = metadataEnd
    }
  }
  return block
}

function copyTime(source: NsColumn, from: number, target: NsColumn, to: number): void {
  target.words[2 * to] = source.words[2 * from] as number
  target.words[2 * to + 1] = source.words[2 * from + 1] as number
}

/** Up to this many bytes a loop is faster than a native copy. */
const LOOP_BYTES_MAX = 48

function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at)
  else for (let i = start, k = at; i < end; i++, k++) target[k] = source[i] as number
  return at + (end - start)
}

/** A view of a block as a batch, so that the same code builds new and joined blocks. */
export function batchOfBlock(tenant: string, block: Block): Batch {
  const streamIndexes = new Uint32Array(block.count)
  for (const [index, run] of block.runs.entries()) streamIndexes.fill(index, run.start, run.end)
  return {
    tenant,
    streams: block.runs,
    count: block.count,
    text: block.text,
    streamIndexes,
    timestamps: block.timestamps,
    ...linesOf(block),
    levels: block.levels,
    metadata: block.metadata,
    metadataEnds: block.metadataEnds,
    lineBytes: block.text.length,
    ids: [],
  }
}

function linesOf(block: Block): { starts: Uint32Array; ends: Uint32Array } {
  const starts = new Uint32Array(block.count)
  if (block.count > 1) starts.set(block.lineEnds.subarray(0, block.count - 1), 1)
  return { starts, ends: block.lineEnds }
}
