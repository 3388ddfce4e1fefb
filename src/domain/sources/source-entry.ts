/** An entry that was polled from a source: what the source called it, when it was, and what it says. */

import type { Metadata } from '../entries/batch.ts'

export interface SourceEntry {
  /** The source's own id: what tells an entry that is read twice from two entries. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
  /** One of the source's levels, or `unknown`: a closed list, so that it can be a label. */
  readonly level: string
  /** What a person reads. */
  readonly line: string
  /** The rest of the entry, names as they came; `trace_id` and `id` are the last of them. */
  readonly metadata: Metadata
  /** The whole entry as the source gave it: one line of compact JSON. */
  readonly json: string
}
