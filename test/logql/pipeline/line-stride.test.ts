import t from 'tap'
import { parseExpr } from '../../../src/logql/parse/parse.ts'
import { LineStride } from '../../../src/logql/pipeline/line-stride.ts'

function strideOf(query: string): LineStride {
  const expr = parseExpr(query)
  if (expr.kind === 'log') return new LineStride(expr.stages)
  if (expr.kind !== 'range_aggregation') throw new Error(`${query} is no range aggregation`)
  return new LineStride(expr.range.log.stages, expr.range.unwrap?.filters)
}

t.test('stages that may take long for a line yield after each', async (t) => {
  for (const query of [
    '{a="b"} | regexp "(?P<x>.)"',
    '{a="b"} | line_format "{{.x}}"',
    '{a="b"} | label_format x="{{.y}}"',
    '{a="b"} | decolorize |~ "x.*y"',
    '{a="b"} | json | x=~"y.*"',
    '{a="b"} | json | x="y" or (z!~"y.*" and x > 1)',
    '{a="b"} | json | drop x=~"y"',
    '{a="b"} | json | keep x!~"y"',
    'sum_over_time({a="b"} | json | unwrap x | y=~"z" [1m])',
  ]) {
    t.ok(strideOf(query).isDue(1), query)
  }
})

t.test('other stages yield after so many bytes, and after many empty lines', async (t) => {
  for (const query of [
    '{a="b"} | json | logfmt | pattern "<x>" | unpack | decolorize',
    '{a="b"} | json | x="y" or (z!="y" and x > 1) | drop x, y="z" | keep x',
    'sum_over_time({a="b"} | json | unwrap x | y="z" [1m])',
  ]) {
    const stride = strideOf(query)
    t.notOk(stride.isDue(10_000), query)
    t.ok(stride.isDue(30_000), query)
    let lines = 1
    while (!stride.isDue(0)) lines++
    t.ok(lines > 100 && lines < 1000, `${lines} lines`)
  }
})
