/** The path of the archive: the direct one has a compactor, its alarms, and objects that expire when nothing refers to them. */

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import type { StageSettings } from '../../infra/stages.ts'
import type { Lookup } from './resource-graph.ts'

/** Only in a stage on the direct path. */
export const COMPACTOR_ALARMS = [
  'CompactionBehind',
  'CompactionDamages',
  'CompactionFailures',
  'CompactorErrors',
  'CompactorSilent',
  'CompactorThrottles',
]

interface Rule {
  readonly id: string
  readonly filter: { readonly prefix: string }
  readonly expiration?: { readonly days: number }
}

export function checkArchivePath(t: Test, settings: StageSettings, found: Lookup): void {
  t.test('every function that reads or writes the archive knows its path', async (t) => {
    for (const { name, inputs } of found.functions()) {
      const { MILLRACE_BUCKET: bucket, MILLRACE_ARCHIVE_PATH: path } = inputs.environment.variables
      t.equal(path, bucket === undefined ? undefined : settings.archivePath, name)
    }
  })

  const { rules } = found.one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration').inputs as {
    readonly rules: readonly Rule[]
  }
  /** Days after which an object expires. */
  const endOf = (key: string): number | undefined => {
    const days = rules.flatMap(({ filter, expiration }) =>
      key.startsWith(filter.prefix) ? (expiration?.days ?? []) : [],
    )
    return days.length === 0 ? undefined : Math.min(...days)
  }

  t.test('objects expire as configured, and files of the direct path are deleted only by the compactor', async (t) => {
    const { archiveDays: days, archivePath: path } = settings
    t.equal(endOf('logs/2026/11/29/10/x.gz'), days)
    t.equal(endOf('failed/x'), days)
    if (path === 'firehose') return
    t.equal(endOf('logs/l0/2974022/0/fake/1_2_0.ndjson.zst'), 7)
    t.equal(endOf('logs/bad/fake/0'), days)
    t.equal(endOf('logs/parquet/dt=2026-11-29/tb=0/0.parquet'), undefined)
  })

  if (settings.archivePath === 'firehose') return
  t.test(
    'the compactor runs every ten minutes, one at a time, in its own image, with the memory and disk that DuckDB needs',
    async (t) => {
      const compactor = found.one('aws:lambda/function:Function', 'Compactor').inputs
      const schedules = found.ofType('aws:scheduler/schedule:Schedule').map(({ inputs }) => inputs)
      const [own] = schedules.filter(({ scheduleExpression }) => scheduleExpression === 'rate(10 minutes)')
      t.equal(own?.target.retryPolicy?.maximumRetryAttempts, 0)
      t.equal(compactor.reservedConcurrentExecutions, settings.reserveConcurrency ? 1 : undefined)
      t.equal(compactor.timeout, 900)
      const memory = Number(/^(\d+)MiB$/.exec(compactor.environment.variables.MILLRACE_COMPACTOR_MEMORY)?.[1])
      t.ok(memory <= 0.6 * compactor.memorySize, 'Node needs memory beside DuckDB')
      t.ok(compactor.ephemeralStorage.size >= 4096)
      const images = found.ofType('docker-build:index:Image')
      t.same(images.map(({ inputs }) => inputs.target).sort(), ['compactor-lambda', 'lambda'])
      t.equal(new Set(images.map(({ inputs }) => inputs.tags[0])).size, 2)
      const dockerfile = readFileSync('Dockerfile', 'utf8')
      for (const { inputs } of images) t.match(dockerfile, new RegExp(` AS ${inputs.target}\\n`))
    },
  )

  t.test('the compactor writes and deletes only files', async (t) => {
    const statements = found.policyOf(found.one('aws:iam/role:Role', 'CompactorRole'))
    const on = (action: string) =>
      statements
        .filter(({ actions }) => actions.includes(action))
        .flatMap(({ resources }) => resources.map((each) => each.slice(each.indexOf('/'))))
        .sort()
    t.same(on('s3:DeleteObject'), ['/logs/parquet/*'])
    t.same(on('s3:PutObject'), ['/logs/bad/*', '/logs/parquet/*'])
    t.same(on('s3:GetObject'), ['/logs/l0/*', '/logs/parquet/*'])
    t.notOk(statements.some(({ actions }) => actions.some((action) => /^(firehose|sqs|sns|ssm):/.test(action))))
  })
}
