import t from 'tap'
import { Metrics } from '../../src/telemetry/metrics.ts'

t.test('commits that fail one after the other are counted each, and logged once until one succeeds', async (t) => {
  const metrics = new Metrics()
  const told: string[] = []
  const note = (_facts: object, text: string) => void told.push(text)
  const events = metrics.storeEvents({ error: note, info: note })
  events.committed(1)
  for (let i = 0; i < 3; i++) events.writeFailed(new Error('the disk is full'))
  events.committed(1)
  events.writeFailed(new Error('the disk is full'))
  const failed = 'a commit failed; pushes are refused until one succeeds'
  t.strictSame(told, [failed, 'commits succeed again', failed])
  t.match(await metrics.registry.metrics(), /^millrace_store_write_failures_total 4$/m)
})
