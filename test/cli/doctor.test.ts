import t from 'tap'
import { listen, runAsking } from './asking.ts'

t.test('a gateway that answers is well', async (t) => {
  const { run } = await listen(t)
  const { code, lines, out } = await run(['doctor'])
  t.equal(code, 0, out)
  t.match(lines, [
    /^ok +address http.*, from flags$/,
    /no credentials/,
    /ready/,
    /a Millrace of version \d/,
    /answers queries/,
  ])
})

t.test('missing credentials are the fault that is named', async (t) => {
  const { run } = await listen(t, { MILLRACE_USERS: 'reader:secret' })
  t.match(await run(['doctor']), { code: 1, out: /^FAULT .*responded with 401.*--user/m })
  const well = await run(['doctor', '--user', 'reader:secret'])
  t.match(well, { code: 0, out: /credentials from flags/ })
  t.notMatch(well.out, 'secret')
})

t.test('a gateway that cannot be reached fails with the reason', async (t) => {
  const ran = await runAsking(['doctor'], { url: 'http://127.0.0.1:1', nowMs: () => 0 })
  t.match(ran, { code: 1, notes: /cannot be reached/ })
})
