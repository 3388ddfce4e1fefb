import { readFileSync } from 'node:fs'
import t from 'tap'
import { KNOWN_DIFFERENCES } from '../differential/known-differences.ts'

t.test('docs/fidelity.md has a row with its reason for each difference from Loki that stays', async (t) => {
  const page = readFileSync('docs/fidelity.md', 'utf8')
  const section = page.slice(page.indexOf('### Where Millrace differs'), page.indexOf('### Parts of queries'))
  const rows = [...section.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(([, name]) => name)
  t.strictSame(rows.slice(1).sort(), KNOWN_DIFFERENCES.map(({ name }) => name).sort())
})
