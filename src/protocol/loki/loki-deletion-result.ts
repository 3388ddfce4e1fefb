/** Loki's list of delete requests. */

import { formatSeconds } from './loki-number.ts'

export interface ShownDeletion {
  readonly id: string
  readonly query: string
  readonly start: bigint
  readonly end: bigint
  readonly createdMs: number
  readonly isProcessed: boolean
}

/** GET /delete: an array, the oldest request first; times are seconds. */
export function formatDeletions(deletions: readonly ShownDeletion[]): string {
  const shown = deletions.map(({ id, query, start, end, createdMs, isProcessed }) => {
    const status = isProcessed ? 'processed' : 'received'
    const times = `"start_time":${formatSeconds(start)},"end_time":${formatSeconds(end - 1n)}`
    return `{"request_id":${JSON.stringify(id)},${times},"query":${JSON.stringify(query)},"status":"${status}","created_at":${createdMs / 1000}}`
  })
  return `[${shown.join(',')}]\n`
}
