import t from 'tap'
import { Metrics } from '../../src/telemetry/metrics.ts'

t.test('consecutive failed commits are each counted, and logged once until one succeeds', async (t) => {
  const metrics = new Metrics()
  const logged: string[] = []
  const note = (_facts: object, text: string) => void logged.push(text)
  const events = metrics.storeEvents({ error: note, info: note })
  events.committed(1)
  for (let i = 0; i < 3; i++) events.writeFailed(new Error('the disk is full'))
  events.committed(1)
  events.writeFailed(new Error('the disk is full'))
  const failed = 'a commit failed; pushes are rejected until one succeeds'
  t.strictSame(logged, [failed, 'commits succeed again', failed])
  t.match(await metrics.registry.metrics(), /^millrace_store_write_failures_total 4$/m)
})
