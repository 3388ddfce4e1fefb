/** A store under test, and helpers for the suites of the contract. */

import type { Test } from 'tap'
import type { Block } from '../../src/domain/entries/block.ts'
import { NS_MAX, NS_MIN, nsColumnOf } from '../../src/domain/time.ts'
import type { AppendResult, LogStore, ReadBlock, ReadRequest } from '../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream } from '../support/helper.ts'

/** A store under test, with the controls that the suite needs. */
export interface OpenedStore {
  readonly store: LogStore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<LogStore>
  /** Runs the store's background work now. */
  settle(): Promise<void>
}

export interface ContractSettings {
  readonly duplicateWindowMs: number
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
}

/** Where stores may differ by design, with reasons. Everything else is the same for every store. */
export interface StoreTraits {
  /** False: appends count duplicates of other batches as stored, but reads always return them once. */
  readonly reportsDuplicates: boolean
  /** False: `wants` may be called with other ranges than those of single blocks. */
  readonly wantsExactly: boolean
  /** False: figures count the work of one process, not what is stored. */
  readonly countsStored: boolean
  /** False: entries of equal times have the order of their appends only if these did not overlap. */
  readonly ordersConcurrent: boolean
  /** False: entries of equal times may be in another order after a read of a part of what was appended. */
  readonly ordersAcrossReads: boolean
}

export const ALL_TRAITS: StoreTraits = {
  reportsDuplicates: true,
  wantsExactly: true,
  countsStored: true,
  ordersConcurrent: true,
  ordersAcrossReads: true,
}

/** Runs the appends concurrently, or one after another if their order would otherwise be undefined. */
export async function appendAll<T>(
  appends: readonly (() => Promise<T>)[],
  { ordersConcurrent }: StoreTraits,
): Promise<T[]> {
  if (ordersConcurrent) return Promise.all(appends.map((append) => append()))
  const results: T[] = []
  for (const append of appends) results.push(await append())
  return results
}

/** Opens an empty store that closes itself when the test ends. */
export type OpenStore = (t: Test, clock: FixedClock, settings: ContractSettings) => OpenedStore

export const CONTRACT_SETTINGS: ContractSettings = { duplicateWindowMs: 3600_000, blockBytes: 1024 * 1024 }

const T0 = Date.UTC(2026, 10, 21, 11)
/** The time `offset` nanoseconds after the start of the suite. */
export const at = (offset: number | bigint): bigint => BigInt(T0) * 1_000_000n + BigInt(offset)
export const WHOLE: ReadRequest = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' }

/** Streams with one entry per line, a nanosecond apart. */
export function stream(labels: Record<string, string>, lines: readonly string[], first = 0): PlainStream {
  return { labels, entries: lines.map((line, i) => ({ ns: at(first + i), line })) }
}

export interface Opened extends OpenedStore {
  readonly clock: FixedClock
  push(streams: readonly PlainStream[], tenant?: string): Promise<AppendResult>
}

export function begin(t: Test, open: OpenStore, settings: Partial<ContractSettings> = {}): Opened {
  const clock = new FixedClock()
  const opened = open(t, clock, { ...CONTRACT_SETTINGS, ...settings })
  let store = opened.store
  return {
    clock,
    get store() {
      return store
    },
    async reopen() {
      store = await opened.reopen()
      return store
    },
    settle: () => opened.settle(),
    push: (streams, tenant = 'fake') => store.append(makeBatch(streams, openAdmission(clock, tenant))),
  }
}

export async function blocksOf(store: LogStore, request: Partial<ReadRequest> = {}): Promise<ReadBlock[]> {
  return readBlocks(store.read({ ...WHOLE, ...request }))
}

export async function readBlocks(blocks: AsyncIterable<ReadBlock>): Promise<ReadBlock[]> {
  const read: ReadBlock[] = []
  for await (const { block, ...rest } of blocks) read.push({ ...rest, block: copyOf(block) })
  return read
}

/** A block is only valid until the next one is requested. */
function copyOf({ runs, count, timestamps, levels, lineEnds, text, metadataEnds, metadata }: Block): Block {
  return {
    runs,
    count,
    timestamps: nsColumnOf(timestamps.values.slice()),
    levels: levels.slice(),
    lineEnds: lineEnds.slice(),
    text: text.slice(),
    metadataEnds: metadataEnds.slice(),
    metadata: metadata.slice(),
  }
}

export const A = { app: 'a' }
