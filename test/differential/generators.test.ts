import t from 'tap'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import { Random } from '../support/random.ts'
import { makeDataSet } from './data-set.ts'
import { mapStages } from './map-stages.ts'
import { makeQuestion } from './question.ts'
import { smallerQueries } from './shrink-query.ts'

const HOUR = 3_600_000_000_000n

t.test('the same seed gives the same data and questions', async (t) => {
  const make = () => {
    const random = new Random(7)
    const set = makeDataSet(random, HOUR)
    return [set, Array.from({ length: 50 }, () => makeQuestion(random, set, () => '{'))]
  }
  t.strictSame(make(), make())
})

t.test('no two entries of a set share a nanosecond, and all lie in its range', async (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const set = makeDataSet(new Random(seed), HOUR)
    const times = set.streams.flatMap(({ entries }) => entries.map(({ ns }) => ns))
    t.equal(new Set(times).size, times.length)
    t.ok(times.every((ns) => ns >= set.start && ns < set.end))
  }
})

t.test('nearly all queries are well formed', async (t) => {
  const random = new Random(3)
  const set = makeDataSet(random, HOUR)
  const queries = Array.from({ length: 1000 }, () => makeQuestion(random, set, () => 'vector(1)').query)
  const broken = queries.filter((query) => {
    try {
      parseExpr(query)
      return false
    } catch {
      return true
    }
  })
  t.ok(broken.length < 10, broken.join('\n'))
})

t.test('smaller queries are shorter, and those of a query that can be read can be read, too', async (t) => {
  const query =
    'sum by (a, b) (rate({app="a"} | json | a="1" or b="2" | line_format "{{.a | lower}}x" [5m] offset 1m)) > 2'
  const smaller = smallerQueries(query)
  t.ok(smaller.length > 10)
  for (const each of smaller) {
    t.ok(each.length < query.length)
    t.doesNotThrow(() => parseExpr(each), each)
  }
  t.ok(smallerQueries('sum(rate({').every((each) => each.length < 'sum(rate({'.length))
})

t.test('every pipeline of a query is changed, and an invalid query is unchanged', async (t) => {
  const withoutJson = (query: string) => mapStages(query, (stages) => stages.filter(({ kind }) => kind !== 'json'))
  t.equal(withoutJson('sum(rate({a="b"} | json[5m])) + vector(1)'), '(sum(rate({a="b"}[5m])) + vector(1.000000))')
  t.equal(withoutJson('{a="b"} | logfmt'), '{a="b"} | logfmt')
  t.equal(withoutJson('{a="b'), '{a="b')
})
