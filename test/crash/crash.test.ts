import t from 'tap'
import { testFolder } from '../support/test-folder.ts'
import { crash } from './crash.ts'

t.test('acknowledged lines are stored exactly once after 20 kills at random moments', async (t) => {
  const report = await crash({ dataDir: testFolder(t), rounds: 20, seed: 20261121 })
  t.strictSame(report.faults, [], `nothing lost, doubled or made up in ${report.pushes} pushes`)
  t.equal(report.faultCount, 0)
  t.equal(report.foundLines, report.lines, 'every line that was sent, by query_range')
  t.ok(report.foundLogs > 0, 'lines by GET /logs')
  t.ok(report.retries > 0, 'some kills came in the middle of a push')
  t.ok(report.lines > 1000, `the writers wrote: ${report.lines} lines`)
})
