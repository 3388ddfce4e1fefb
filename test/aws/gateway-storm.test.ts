import t from 'tap'
import { testFolder } from '../support/test-folder.ts'
import { stormGateway } from './gateway-storm.ts'

t.test('acknowledged lines are stored once, although calls fail and processes are killed', async (t) => {
  const report = await stormGateway({ seed: 20261121, pushes: 3, folder: testFolder(t) })
  t.strictSame(report.wrongs, [], `nothing lost, doubled or made up in ${report.pushes} pushes, ${report.kills} kills`)
  t.equal(report.foundLines, report.lines, 'every line, by query_range')
  t.equal(report.archivedLines, report.lines, 'every line, in the archive or on its way')
  t.ok(report.workerObjects > 0, 'the worker wrote objects')
  t.ok(report.faults.length > 0, 'calls failed')
})
