/** Which streams a read wants: each is matched once, when a block of the read's time range has it. */

import { GatewayError } from '../../../domain/errors.ts'
import type { Labels } from '../../../domain/labels.ts'
import { type Matcher, matchesAll } from '../../../domain/selector.ts'
import { IdSet } from '../../../kit/id-set.ts'
import { Stride } from '../../../kit/slices.ts'
import type { StreamTable } from './stream-table.ts'

/** A tenant with fewer streams has all of them matched in advance, so that a read that wants none looks at no block. */
const MATCHED_AHEAD_MAX = 10_000
/** Streams that are matched between two pauses. */
const STREAMS_PER_STEP = 500

/** The memory follows the ids that were seen, two bits each, not the labels. */
export class WantedStreams {
  readonly #table: StreamTable
  readonly #matchers: readonly Matcher[]
  readonly #seen = new IdSet()
  readonly #wanted = new IdSet()
  readonly #stride = new Stride(STREAMS_PER_STEP)
  #isPauseDue = false
  #count: number | undefined

  private constructor(table: StreamTable, matchers: readonly Matcher[]) {
    this.#table = table
    this.#matchers = matchers
  }

  static async open(
    table: StreamTable,
    tenant: number,
    matchers: readonly Matcher[],
    pause: () => Promise<void>,
  ): Promise<WantedStreams> {
    const wanted = new WantedStreams(table, matchers)
    if (table.sizeOf(tenant) > MATCHED_AHEAD_MAX) return wanted
    let count = 0
    for (const id of table.idsOf(tenant, MATCHED_AHEAD_MAX)) {
      if (wanted.has(id)) count++
      await wanted.rest(pause)
    }
    wanted.#count = count
    return wanted
  }

  /** The number of streams that were wanted at the start; undefined if they were not counted. */
  get count(): number | undefined {
    return this.#count
  }

  /** A stream that is not stored, or is damaged, is wanted: opening its block reports the damage. */
  has(id: number): boolean {
    if (!this.#seen.has(id)) {
      this.#seen.add(id)
      if (this.#matches(this.#labelsOf(id))) this.#wanted.add(id)
      if (this.#stride.isDue()) this.#isPauseDue = true
    }
    return this.#wanted.has(id)
  }

  /** Pauses if many streams were matched since the last pause. */
  async rest(pause: () => Promise<void>): Promise<void> {
    if (!this.#isPauseDue) return
    this.#isPauseDue = false
    await pause()
  }

  #labelsOf(id: number): Labels | undefined {
    try {
      return this.#table.streamById(id)?.labels
    } catch (cause) {
      if (cause instanceof GatewayError) return undefined
      throw cause
    }
  }

  #matches(labels: Labels | undefined): boolean {
    return labels === undefined || matchesAll(this.#matchers, labels)
  }
}
