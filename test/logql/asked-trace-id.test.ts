import t from 'tap'
import { askedTraceId } from '../../src/logql/asked-trace-id.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'

const ROWS: readonly (readonly [query: string, asked: string | undefined])[] = [
  ['{a="b"} | trace_id="x"', 'x'],
  ['{a="b"} |= "line" | trace_id="x"', 'x'],
  ['{a="b"} | level="error" | trace_id="x" | json', 'x'],
  ['{a="b"} | level="error" and trace_id="x"', 'x'],
  ['{a="b"} | size > 5, trace_id="x"', 'x'],
  ['{a="b"} | trace_id="x" | line_format "{{.a}}"', 'x'],
  ['{a="b"}', undefined],
  ['{a="b"} | trace_id=""', undefined],
  ['{a="b"} | trace_id!="x"', undefined],
  ['{a="b"} | trace_id=~"x"', undefined],
  ['{a="b"} | trace_id="x" or level="error"', undefined],
  ['{a="b"} | json | trace_id="x"', undefined],
  ['{a="b"} | label_format trace_id=a | trace_id="x"', undefined],
  ['{a="b"} | span_id="x"', undefined],
]

for (const [query, asked] of ROWS) {
  t.test(`${query} asks for ${asked ?? 'any trace'}`, async (t) => {
    const expr = parseExpr(query)
    t.equal(expr.kind === 'log' ? askedTraceId(expr.stages) : 'no log query', asked)
  })
}
