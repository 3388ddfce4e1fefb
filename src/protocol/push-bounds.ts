/** Bounds on a push in any format, so that a small hostile body cannot create a large batch. */

import { GatewayError } from '../domain/errors.ts'

/** An entry may take two bytes on the wire and thirty in a batch. Agents send some ten thousand per push. */
export const PUSH_ENTRIES_MAX = 1_000_000
/** Streams with entries; each costs parsing its labels. Agents send some hundred per push. */
export const PUSH_STREAMS_MAX = 100_000
/** Structured metadata pairs of all entries; a pair may take two bytes on the wire too. */
export const PUSH_PAIRS_MAX = 1_000_000

/** Counts the contents of a push; throws body_too_large beyond the bounds. */
export class PushCounter {
  #streams = 0
  #entries = 0
  #pairs = 0

  addStream(): void {
    if (++this.#streams > PUSH_STREAMS_MAX) throw tooMany('streams', PUSH_STREAMS_MAX)
  }

  addEntry(): void {
    if (++this.#entries > PUSH_ENTRIES_MAX) throw tooMany('entries', PUSH_ENTRIES_MAX)
  }

  addPair(): void {
    if (++this.#pairs > PUSH_PAIRS_MAX) throw tooMany('pairs of structured metadata', PUSH_PAIRS_MAX)
  }
}

/** Loki's error for a push without streams. */
export function streamsMissing(): GatewayError {
  return new GatewayError('streams_missing', 'error at least one valid stream is required for ingestion')
}

function tooMany(what: string, max: number): GatewayError {
  return new GatewayError(
    'body_too_large',
    `request body too large: it holds more than ${max} ${what}, the limit for one push; send smaller batches`,
  )
}
