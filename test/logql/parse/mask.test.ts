import t from 'tap'
import { maskQuery } from '../../../src/logql/parse/mask.ts'

for (const [query, wanted] of [
  ['{app="secret"} |= `also` | json', '{ app = "…" } |= "…" | json'],
  ['sum by (pod) (rate({a=~"b|c"}[5m])) > 10 # a comment', 'sum by ( pod ) ( rate ( { a =~ "…" } [5m] ) ) > 10'],
  ['{app="open', 'a query of 10 characters'],
  ['', ''],
] as const) {
  t.test(`shows nothing of the values: ${query}`, async (t) => {
    t.equal(maskQuery(query), wanted)
  })
}

t.test('a long query is cut', async (t) => {
  t.ok(maskQuery(`{${'a="b",'.repeat(300)}c="d"}`).length < 510)
  t.equal(maskQuery(`{a=~"${'x'.repeat(100_000)}"}`), 'a query of 100007 characters')
})
