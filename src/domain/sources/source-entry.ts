/** An entry polled from a source. */

import type { Metadata } from '../entries/batch.ts'

export interface SourceEntry {
  /** The source's id, which identifies an entry that is read twice. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
  /** One of the source's levels, or `unknown`: a closed list, so that it can be a label. */
  readonly level: string
  /** The message. */
  readonly line: string
  /** The other fields of the entry with their original names, followed by `trace_id` and `id`. */
  readonly metadata: Metadata
  /** The complete original entry as one line of compact JSON. */
  readonly json: string
}
