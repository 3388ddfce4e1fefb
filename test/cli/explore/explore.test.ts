import t from 'tap'
import { listen, manyLines } from '../asking.ts'

const SHOP = '{app="shop"}'

/** [arguments, what is printed] */
const ROWS: readonly (readonly [readonly string[], RegExp])[] = [
  [['series', SHOP], /^\{app="shop", service_name="shop"\}\n$/],
  [['series', SHOP, '-o', 'json'], /^\{"app":"shop","service_name":"shop"\}\n$/],
  [['stats', SHOP], /^1 streams, 20 lines, \d+ B\n$/],
  [['volume'], /^ +\d+ B {2}\{service_name="shop"\}\n +\d+ B {2}\{service_name="mill"\}\n$/],
  [['volume', '--limit', '1'], /^ +\d+ B {2}\{service_name="shop"\}\n$/],
  [['patterns', SHOP], /^ +20 {2}line <_>\n$/],
]
for (const [args, shown] of ROWS) {
  t.test(`millrace ${args.join(' ')}`, async (t) => {
    const { run, push, clock } = await listen(t)
    await push([...manyLines(20, clock.nowNs), ...manyLines(2, clock.nowNs, { app: 'mill' })])
    const { code, out, notes } = await run(args)
    t.equal(code, 0, notes)
    t.match(out, shown)
  })
}

t.test('nothing found is said, wrong usage is explained', async (t) => {
  const { run } = await listen(t)
  t.match(await run(['series', SHOP]), { code: 0, out: '', notes: /Nothing in this time range/ })
  t.match(await run(['series']), { code: 2, notes: /got 0 selectors; give one/ })
  t.match(await run(['stats', SHOP, '-o', 'raw']), { code: 2, notes: /--output must be text or json/ })
})
