/** A function to test alerting: its output goes to its log group, and from there to the alert processor. */

import { emissionLines } from '../cli/emit.ts'

export interface EmitterAnswer {
  readonly statusCode: 200
  readonly body: { readonly message: string; readonly errors_emitted: number | 'random' }
}

/** `{"error_count": N}` writes N errors; any other event at random one or none. Throws parameter_invalid. */
export async function handler(event: { readonly error_count?: number } | null | undefined): Promise<EmitterAnswer> {
  const errorCount = event?.error_count ?? 0
  for (const line of emissionLines(errorCount, Math.random)) process.stdout.write(`${line}\n`)
  const body = { message: 'Log emission complete', errors_emitted: errorCount > 0 ? errorCount : ('random' as const) }
  return { statusCode: 200, body }
}
