import t from 'tap'
import { SlowQueries } from '../../../../src/transport/http/query/slow-queries.ts'

const QUERY = { route: '/loki/api/v1/query_range', tenant: 'a', tags: 'Source=x', query: '{app="secret"} |= "word"' }

/** A query that waits and runs for these times. */
function report(slowMs: number | undefined, waitMs: number, runMs: number | undefined) {
  const clock = { ms: 0, nowMs: () => clock.ms }
  const lines: unknown[][] = []
  const { running, end } = new SlowQueries(slowMs, clock).begin(
    { warn: (...line: unknown[]) => lines.push(line) },
    QUERY,
  )
  clock.ms += waitMs
  if (runMs !== undefined) {
    running()
    clock.ms += runMs
  }
  end()
  return lines
}

t.test('a query that runs long is logged with its tags, and without its texts', async (t) => {
  const shown = { query: '{ app = "…" } |= "…"', queryChars: 24 }
  const { query: _, ...reported } = QUERY
  t.strictSame(report(100, 5000, 150), [[{ ...reported, ...shown, ms: 150, queuedMs: 5000 }, 'slow query']])
})

for (const [name, lines] of [
  ['a quick query', report(100, 5000, 99)],
  ['a query that never ran', report(100, 5000, undefined)],
  ['any query where the setting is off', report(undefined, 0, 1e9)],
] as const) {
  t.test(`${name} is not logged`, async (t) => {
    t.strictSame(lines, [])
  })
}
