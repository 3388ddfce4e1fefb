/** The lines that agents read from a file, compared with what the gateway stored. */

import type { FoundEntry } from '../../support/read-back.ts'

/** What makes lines hard to carry: quotes, escapes, several bytes a character, long values. */
const MESSAGES = [
  'order placed',
  'said "no", twice: \\"no\\"',
  'C:\\temp\\new\tname',
  'é€😀 – 注文',
  '<131>{"nested":"{\\"deep\\":1}"}',
  `long ${'x'.repeat(900)}`,
]
const LEVELS = ['info', 'warn', 'error', 'debug']

/** Line `n` of a trial, as JSON without a newline at its end; `ms` is the time it names. */
export function lineOf(n: number, ms: number): string {
  const level = LEVELS[n % LEVELS.length]
  return JSON.stringify({ time: new Date(ms).toISOString(), level, n, msg: messageOf(n), trace_id: `t${n % 1000}` })
}

function messageOf(n: number): string {
  return `${MESSAGES[n % MESSAGES.length]} #${n}`
}

export interface Tally {
  readonly wanted: number
  readonly found: number
  /** Lines without an entry. */
  readonly lost: number
  /** Entries beyond the first of their line. */
  readonly doubled: number
  /** Entries that come after a later line of their stream. */
  readonly reordered: number
  /** Entries whose content differs from what was written. */
  readonly changed: number
}

/**
 * Compares entries, oldest first, with lines 0 up to `wanted`. An agent may leave out keys of a line that it sends as
 * labels or metadata, and may write the rest in another order.
 */
export function tally(entries: readonly FoundEntry[], wanted: number): Tally {
  const counts = new Uint32Array(wanted)
  const latest = new Map<string, number>()
  let reordered = 0
  let changed = 0
  for (const { line, stream } of entries) {
    const n = numberOf(line, wanted)
    if (n === undefined) {
      changed++
      continue
    }
    counts[n] = (counts[n] ?? 0) + 1
    const name = JSON.stringify(stream)
    const before = latest.get(name) ?? -1
    if (n < before) reordered++
    else latest.set(name, n)
  }
  const lost = counts.filter((count) => count === 0).length
  const doubled = counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0)
  return { wanted, found: entries.length, lost, doubled, reordered, changed }
}

/** The number of a line whose message is complete. */
function numberOf(line: string, wanted: number): number | undefined {
  try {
    const { n, msg } = JSON.parse(line) as { n?: unknown; msg?: unknown }
    const isWhole = typeof n === 'number' && Number.isInteger(n) && n >= 0 && n < wanted && msg === messageOf(n)
    return isWhole ? n : undefined
  } catch {
    return undefined
  }
}
