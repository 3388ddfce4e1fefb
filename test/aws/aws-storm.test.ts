import t from 'tap'
import { BUCKET } from '../doubles/local-cloud.ts'
import { testFolder } from '../support/test-folder.ts'
import { stormAws } from './aws-storm.ts'
import { FAULT_KINDS } from './fault-plan.ts'

t.test(
  'what the aws home acknowledged is archived and read exactly once, though calls fail all the time',
  async (t) => {
    const report = await stormAws({ seed: 20261121, pushes: 5, cacheDir: testFolder(t) })
    t.strictSame(report.wrongs, [], `nothing lost, doubled or made up in ${report.pushes} pushes`)
    t.equal(report.wrongCount, 0)
    t.strictSame(report.damages, [])
    t.equal(report.foundLines, report.lines, 'every line, by a read')
    t.equal(report.archivedLines, report.lines, 'every line, in the archive or on its way')
    const kinds = new Set(report.faults.map(({ kind }) => kind))
    t.strictSame(
      FAULT_KINDS.filter((kind) => !kinds.has(kind)),
      [],
      'every kind of fault happened',
    )
    const services = new Set(report.faults.map(({ service }) => service))
    t.strictSame([...services].sort(), ['dynamodb', 'firehose', 's3', 'sqs'], 'to every service')
    t.ok(report.reads > report.failedReads, 'reads went on meanwhile')
  },
)

t.test('a storm reports when the archive lost acknowledged lines', async (t) => {
  const report = await stormAws({
    seed: 1,
    pushes: 2,
    cacheDir: testFolder(t),
    chances: {},
    outages: { chance: 0, callsMax: 1 },
    sabotage: (cloud) => cloud.queues.emptyBucket(BUCKET),
  })
  t.ok(report.wrongCount > 0)
  t.match(report.wrongs.join('\n'), /in the archive: acknowledged and lost/)
  t.strictSame(report.faults, [], 'no call failed')
})

t.test('the direct path loses, doubles and invents nothing while its compactor runs and is killed', async (t) => {
  const report = await stormAws({ seed: 20261130, pushes: 12, cacheDir: testFolder(t), path: 'direct' })
  t.strictSame(report.wrongs, [], `nothing lost, doubled or made up in ${report.pushes} pushes`)
  t.strictSame(report.damages, [])
  t.equal(report.foundLines, report.lines, 'every line, by a read')
  t.equal(report.archivedLines, report.lines, 'every line, in the files of the manifest')
  t.ok(report.reads > report.failedReads, 'reads went on meanwhile')
  const services = new Set(report.faults.map(({ service }) => service))
  t.ok(services.has('dynamodb') && services.has('s3'))
  const { rounds = 0, failedRounds = 0, kills = 0 } = report.compactor ?? {}
  t.ok(rounds + failedRounds + kills > 0, 'the compactor ran meanwhile')
})
