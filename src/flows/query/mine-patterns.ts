/** The patterns of a selector's newest lines, with their counts over time. */

import { metadataWithLevel } from '../../domain/entries/batch.ts'
import { type Block, type StreamRun, startOf } from '../../domain/entries/block.ts'
import { Drain, formatPattern } from '../../domain/entries/drain.ts'
import { DETECTED_LEVEL, LEVELS } from '../../domain/levels/level.ts'
import { NS_PER_SECOND } from '../../domain/time.ts'
import { type Slices, sortSlices } from '../../kit/slices.ts'
import type { Clock, LogStore, StreamRange } from '../../ports/log-store.ts'
import type { Looked } from './looked.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'

export interface PatternRequest extends StreamRange {
  /** At least a second. */
  readonly stepNs: bigint
}

export interface LinePattern {
  /** In the syntax of LogQL's `|>`; matches the lines of the pattern. */
  readonly pattern: string
  readonly level: string
  /** Counts of lines by the start of their step, in order of time. */
  readonly samples: readonly (readonly [seconds: number, count: number])[]
}

export interface MinedPatterns {
  /** Sorted by their number of lines, largest first. */
  readonly patterns: readonly LinePattern[]
  readonly looked: Looked
}

/** Maximum number of lines, which takes about a second. Older lines of the range are not counted. */
const LINES_MAX = 50_000
/** Lines between two yields. */
const LINES_PER_SLICE = 32
/** No further block is read after this time, ms. */
const BUDGET_MS = 5_000
/** Bytes of a line that are decoded; Drain uses fewer characters than that. */
const LINE_BYTES_MAX = 4096

/** The patterns, and how many lines they come from: the newest of the range, until a bound of lines or time. */
export async function minePatterns(
  store: LogStore,
  clock: Clock,
  { tenant, matchers, start, end, stepNs }: PatternRequest,
  turn: QueryTurn = UNSHARED,
): Promise<MinedPatterns> {
  const miner = new PatternMiner(stepNs)
  const untilMs = clock.monotonicMs() + BUDGET_MS
  const wants = (): boolean => miner.lines < LINES_MAX && clock.monotonicMs() < untilMs
  const range = { tenant, matchers, start, end, pause: turn.pause }
  for await (const { block, runs } of store.read({ ...range, direction: 'backward', wants }, turn.signal)) {
    for (const run of runs) await turn.run(miner.addRun(block, run))
    if (!wants()) break
  }
  // The store leaves out what was not wanted, and ends by itself.
  const isCut = !wants()
  const patterns = await turn.run(miner.patterns())
  return { patterns, looked: { lines: miner.lines, oldestNs: miner.oldestNs, isWhole: !isCut } }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })
const UNKNOWN = 'unknown'

class PatternMiner {
  lines = 0
  /** Of the lines that were added. */
  oldestNs: bigint | undefined
  readonly #stepSeconds: number
  readonly #drains = new Map<string, Drain>()

  constructor(stepNs: bigint) {
    this.#stepSeconds = Number(stepNs / NS_PER_SECOND)
  }

  /** Adds lines from newest to oldest, up to the limit. */
  *addRun(block: Block, run: StreamRun): Slices<void> {
    for (let i = run.end - 1; i >= run.start && this.lines < LINES_MAX; i--) {
      if (this.lines % LINES_PER_SLICE === 0) yield
      this.lines++
      const start = startOf(block.lineEnds, i)
      const end = Math.min(block.lineEnds[i] as number, start + LINE_BYTES_MAX)
      const ns = block.timestamps.values[i] as bigint
      if (this.oldestNs === undefined || ns < this.oldestNs) this.oldestNs = ns
      const seconds = Number(ns / NS_PER_SECOND)
      this.#drainOf(levelOf(block, i)).add(
        UTF8.decode(block.text.subarray(start, end)),
        Math.floor(seconds / this.#stepSeconds),
      )
    }
  }

  *patterns(): Slices<LinePattern[]> {
    const patterns: (LinePattern & { readonly size: number })[] = []
    for (const [level, drain] of this.#drains) {
      for (const [pattern, counts] of yield* mergeTwins(drain)) {
        const steps = yield* sortSlices([...counts], ([a], [b]) => a - b)
        const samples = steps.map(([step, count]) => [step * this.#stepSeconds, count] as const)
        patterns.push({ pattern, level, samples, size: steps.reduce((sum, [, count]) => sum + count, 0) })
        yield
      }
    }
    const sorted = yield* sortSlices(patterns, (a, b) => b.size - a.size || (a.pattern < b.pattern ? -1 : 1))
    return sorted.map(({ pattern, level, samples }) => ({ pattern, level, samples }))
  }

  #drainOf(level: string): Drain {
    const known = this.#drains.get(level)
    if (known !== undefined) return known
    const drain = new Drain()
    this.#drains.set(level, drain)
    return drain
  }
}

/** Merges clusters that have become the same pattern. */
function* mergeTwins(drain: Drain): Slices<Map<string, Map<number, number>>> {
  const merged = new Map<string, Map<number, number>>()
  for (const { tokens, counts } of drain.clusters) {
    yield
    const pattern = formatPattern(tokens)
    const twin = merged.get(pattern)
    if (twin === undefined) merged.set(pattern, new Map(counts))
    else for (const [slot, count] of counts) twin.set(slot, (twin.get(slot) ?? 0) + count)
  }
  return merged
}

/** Levels other than the known ones count as unknown, so that they do not get their own miner. */
function levelOf(block: Block, index: number): string {
  const code = block.levels[index] as number
  if (code > 0) return LEVELS[code] ?? UNKNOWN
  const metadata = metadataWithLevel(
    block.metadata,
    startOf(block.metadataEnds, index),
    block.metadataEnds[index] as number,
    0,
  )
  const own = metadata.find(([name]) => name === DETECTED_LEVEL)?.[1] ?? UNKNOWN
  return (LEVELS as readonly string[]).includes(own) && own !== '' ? own : UNKNOWN
}
