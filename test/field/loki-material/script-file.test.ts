import t from 'tap'
import { canonical, readScript } from './script-file.ts'

const SCRIPT = `
# A comment.
clear
load
  {app="a", b="#"} "v={{.i}}" @ 10s [repeat every 10s for 2] [metadata k="v w" "l"="m"]   # entries at 10 s and 20 s
  {app="c"} \`{"x":"y"}\` @ 1m30s

eval instant at 60s sum(count_over_time({app="a"} |= "#" [1m])) # a comment
  {} 2
eval range from 0s to 60s step 30s count_over_time({app="a"}[30s])
  {app="a", empty=""} _ 1-0.5x1
eval instant at 0s 1 / 0
  NaN
eval instant at 60s sort(rate({app="a"}[1m]))
  expect ordered
  {app="b"} 1
  {app="a"} +Inf
eval instant at 0s count_over_time({app="a"})
  expect fail msg: syntax error
eval instant at 0s vector(1)
  expect empty
`

t.test('a script is its evaluations, with the entries loaded before each', async (t) => {
  const evaluations = readScript(SCRIPT)
  t.strictSame(
    evaluations.map(({ query, start, end, step }) => [query, start, end, step]),
    [
      ['sum(count_over_time({app="a"} |= "#" [1m]))', 60_000_000_000n, 60_000_000_000n, undefined],
      ['count_over_time({app="a"}[30s])', 0n, 60_000_000_000n, 30_000_000_000n],
      ['1 / 0', 0n, 0n, undefined],
      ['sort(rate({app="a"}[1m]))', 60_000_000_000n, 60_000_000_000n, undefined],
      ['count_over_time({app="a"})', 0n, 0n, undefined],
      ['vector(1)', 0n, 0n, undefined],
    ],
  )
  t.strictSame(evaluations[0]?.entries, [
    { labels: { app: 'a', b: '#' }, ns: 10_000_000_000n, line: 'v=0', metadata: { k: 'v w', l: 'm' } },
    { labels: { app: 'a', b: '#' }, ns: 20_000_000_000n, line: 'v=1', metadata: { k: 'v w', l: 'm' } },
    { labels: { app: 'c' }, ns: 90_000_000_000n, line: '{"x":"y"}', metadata: {} },
  ])
})

t.test('answers are series with their gaps, numbers, nothing or refusals', async (t) => {
  const [sum, range, scalar, ordered, refused, empty] = readScript(SCRIPT).map(({ expected }) => expected)
  t.strictSame(sum, { kind: 'series', isOrdered: false, series: new Map([['[]', [2]]]) })
  const key = canonical([
    ['empty', ''],
    ['app', 'a'],
  ])
  t.strictSame(range, { kind: 'series', isOrdered: false, series: new Map([[key, [undefined, 1, 0.5]]]) })
  t.match(scalar, { kind: 'scalar', value: Number.NaN })
  t.match(ordered, { kind: 'series', isOrdered: true })
  t.strictSame(refused, { kind: 'refusal', text: 'syntax error' })
  t.strictSame(empty, { kind: 'series', isOrdered: false, series: new Map() })
})

t.test('an invalid row is reported', async (t) => {
  t.throws(() => readScript('eval sometimes 1'), { message: 'eval sometimes 1 is no command of a script' })
  t.throws(() => readScript('load\n  {app="a"} no quotes @ 1s'), { message: /is no entry of a script$/ })
})
