import t from 'tap'
import { neededText } from '../../src/logql/needed-text.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { LogExpr } from '../../src/logql/parse/syntax.ts'

/** Needs as text: alternatives joined by `or`, `i:` if the case is ignored, `name:` for a label. */
function needsOf(pipeline: string): string[] {
  return neededText(parseLog(`{a="b"} ${pipeline}`).stages).map((need) =>
    need
      .map(({ bytes, ignoresCase, label }) => {
        return `${label === undefined ? '' : `${label}:`}${ignoresCase ? 'i:' : ''}${Buffer.from(bytes)}`
      })
      .join(' or '),
  )
}

const ROWS: [pipeline: string, ...needs: string[]][] = [
  [''],
  ['|= "error"', 'error'],
  ['|= ""'],
  ['|= "a" |= "b"', 'a', 'b'],
  ['|= "a" or "b"', 'a or b'],
  ['|= "a" or ""'],
  ['|= ip("10.0.0.1")'],
  ['|= "a" or ip("10.0.0.1")'],
  ['|= "\ufffd"'],
  ['!= "error"'],
  ['!~ "error"'],
  ['|~ "err(or)?"', 'err'],
  ['|~ "a.*"', 'a'],
  ['|~ ".*"'],
  ['|~ "caused by: .*sql"', 'caused by: '],
  ['|~ "level=(fatal|panic)"', 'level=fatal or level=panic'],
  ['|~ "(?i)Error"', 'i:Error'],
  ['|~ "(?i)a|bc.*d"', 'i:a or i:bc'],
  ['|> "<_>error<_>"'],
  ['| json |= "x"', 'x'],
  ['| line_format "{{.y}}" |= "x"'],
  ['| decolorize |= "x"'],
  ['|= "before" | decolorize |= "x"', 'before'],
  ['| trace_id="abc"', 'trace_id:abc'],
  ['| trace_id=""'],
  ['| trace_id!="abc"'],
  ['| trace_id=~"abc.*"', 'trace_id:abc'],
  ['| trace_id=~"(abc)?"'],
  ['| trace_id=~"abc|"'],
  ['| trace_id!~"abc"'],
  ['| a="1" and b="2"', 'a:1', 'b:2'],
  ['| a="1" or b="2"', 'a:1 or b:2'],
  ['| a="1" or b!="2"'],
  ['| a="1" or b > 2'],
  ['| (a="1" or b="2") and c="3"', 'a:1 or b:2', 'c:3'],
  ['| a > 1'],
  ['| detected_level="error"'],
  ['| __error__="JSONParserErr"'],
  ['| json | trace_id="abc"'],
  ['| logfmt | trace_id="abc"'],
  ['| pattern "<trace_id>" | trace_id="abc"'],
  ['| label_format trace_id=other | trace_id="abc"'],
  ['| trace_id="abc" | json | b="c"', 'trace_id:abc'],
  ['| line_format "x" | trace_id="abc"', 'trace_id:abc'],
  [`|~ "${Array.from({ length: 65 }, (_, i) => `word${i}`).join('|')}"`],
]
for (const [pipeline, ...needs] of ROWS) {
  t.test(`${pipeline.slice(0, 60) || 'no stage'}: ${needs.join(', ') || 'nothing'}`, async (t) => {
    t.same(needsOf(pipeline), needs)
  })
}

function parseLog(query: string): LogExpr {
  return parseExpr(query) as LogExpr
}
