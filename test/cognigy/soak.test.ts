import t from 'tap'
import { runSoak, type SoakOptions } from './soak.ts'

const CLEAN = { missing: 0, doubled: 0, strange: 0 }

const ROWS: readonly (readonly [name: string, options: Omit<SoakOptions, 'entries'>])[] = [
  ['forward, cursors in SSM', { seed: 1, walk: 'forward', cursor: 'position', cursors: 'ssm' }],
  ['forward, cursors in SQLite', { seed: 2, walk: 'forward', cursor: 'position', cursors: 'sqlite' }],
  ['forward, a server whose cursor is only a bound of ids', { seed: 3, walk: 'forward', cursor: 'id', cursors: 'ssm' }],
  ['backward, cursors in SSM', { seed: 4, walk: 'backward', cursor: 'position', cursors: 'ssm' }],
  ['backward, cursors in SQLite', { seed: 5, walk: 'backward', cursor: 'position', cursors: 'sqlite' }],
]

for (const [name, options] of ROWS) {
  t.test(`every entry is stored once in both sinks, despite any failures: ${name}`, async (t) => {
    const report = await runSoak({ entries: 1500, ...options })
    t.same(report.cloudwatch, CLEAN)
    t.same(report.store, CLEAN)
    t.ok(report.crashes > 5, `${report.crashes} runs died`)
    t.ok(report.late > 50, `${report.late} entries came late`)
  })
}
