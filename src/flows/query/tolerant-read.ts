/** Reads what can be read of a store: a part that cannot be is a warning of the result, not its end. */

import { GatewayError } from '../../domain/errors.ts'
import type { LogStore, ReadBlock, ReadRequest } from '../../ports/log-store.ts'

/**
 * As LogStore.read, but adds the text of a store_damaged to `warnings`, once for each text. Without `warnings` it rejects: rules must not
 * judge by a part of the lines.
 */
export async function* tolerantRead(
  store: LogStore,
  request: ReadRequest,
  signal: AbortSignal | undefined,
  warnings: string[] | undefined,
): AsyncGenerator<ReadBlock, void, undefined> {
  try {
    yield* store.read(request, signal)
  } catch (cause) {
    // A store returns everything else before it rejects with this.
    if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged' || warnings === undefined) throw cause
    const text = `the result is incomplete: ${cause.message}`
    if (!warnings.includes(text)) warnings.push(text)
  }
}
