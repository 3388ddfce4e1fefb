import t from 'tap'
import { listen, manyLines } from '../asking.ts'

const SHOP = '{app="shop"}'

t.test('the lines before and after a time are shown in order, its own marked', async (t) => {
  const { run, push, clock } = await listen(t)
  await push(manyLines(30, clock.nowNs))
  const at = String(clock.nowNs - 11_000_000_000n)
  const { code, lines } = await run(['context', SHOP, '--at', at, '--lines', '3'])
  t.equal(code, 0)
  t.match(lines, [/^ {2}.*line 17$/, /line 18$/, /line 19$/, /^> .*line 20$/, /^ {2}.*line 21$/, /line 22$/])
  t.equal(lines.length, 6)
  const raw = await run(['context', SHOP, '--at', at, '--lines', '1', '-o', 'raw'])
  t.same(raw.lines, ['line 19', 'line 20'])
})

t.test('no lines around a time, and wrong usage, are said', async (t) => {
  const { run } = await listen(t)
  t.match(await run(['context', SHOP, '--at', '10m']), { code: 0, out: '', notes: /No lines around that time/ })
  t.match(await run(['context', SHOP]), { code: 2, notes: /--at is missing/ })
  t.match(await run(['context', 'rate({a="b"}[1m])', '--at', '10m']), { code: 1, notes: /needs a log query/ })
})
