import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { buildTestApp } from '../support/test-app.ts'
import { fuzzHttp } from './http.ts'

// Memory is compared after a garbage collection.
setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

t.test('20 000 random and mutated pushes get documented answers, in bounded memory', async (t) => {
  const { app, clock } = await buildTestApp(t)
  const report = await fuzzHttp({ app, count: 20_000, seed: 20261121, nowNs: clock.nowNs })
  const { before, after } = report.memory
  t.comment(`${report.seconds.toFixed(1)} s; statuses ${JSON.stringify([...report.statuses])}`)
  t.comment(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`)
  t.strictSame(report.faults, [])
  t.equal(report.faultCount, 0)
  for (const status of [200, 201, 204, 400, 422]) t.ok(report.statuses.has(status), `some are answered ${status}`)
  t.ok(after.heapMB - before.heapMB < 64, 'the heap does not grow with the requests')
  t.ok(after.rssMB < 1000, 'resident memory stays bounded')
  t.equal((await app.inject('/healthz')).statusCode, 200)
})
