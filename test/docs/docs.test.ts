import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { listSettings } from '../../src/config/read-config.ts'
import { formatEnvExample, formatFirstSettings, formatSettingsPage } from '../../src/config/settings-docs.ts'
import { CLIENT_VARIABLES } from '../../src/domain/client-variables.ts'
import { REFUSAL_STATUS } from '../../src/domain/entries/refusals.ts'
import { ERROR_STATUS } from '../../src/domain/errors.ts'
import { exportIncidentMetrics } from '../../src/telemetry/incident-metrics.ts'
import { SourceMetrics } from '../../src/telemetry/source-metrics.ts'
import { WatchMetrics } from '../../src/telemetry/watch-metrics.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { buildTestApp } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }
const readme = readFileSync('README.md', 'utf8')
const variables = listSettings().map(({ variable }) => variable)

/** The rows of the table between `<!-- name -->` and `<!-- /name -->`, as lists of cells without back-quotes. */
function tableRows(text: string, name: string): string[][] {
  const inside = text.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0] ?? ''
  return inside
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map((cells) => cells.slice(1, -1))
}

t.test('docs/settings.md and .env.example name exactly the settings that the code reads', async (t) => {
  const page = readFileSync('docs/settings.md', 'utf8').matchAll(/^\| `(\w+)` \|/gm)
  t.strictSame(
    [...page].map(([, variable]) => variable),
    variables,
    'docs/settings.md',
  )
  const example = readFileSync('.env.example', 'utf8').matchAll(/^#? ?((?:MILLRACE|COGNIGY|AWS)_\w+)=/gm)
  t.strictSame(
    [...example].map(([, variable]) => variable),
    variables,
    '.env.example',
  )
})

t.test('the settings in the documents are up to date with the script', async (t) => {
  const advice = 'run node_modules/.bin/node scripts/make-settings-docs.mjs'
  t.equal(readFileSync('.env.example', 'utf8'), formatEnvExample(), advice)
  t.equal(readFileSync('docs/settings.md', 'utf8'), formatSettingsPage(), advice)
  t.ok(readme.includes(formatFirstSettings()), advice)
})

t.test('the README is short, has ten settings and a picture', async (t) => {
  t.ok(readme.split('\n').length <= 121, 'at most 120 lines')
  t.equal(tableRows(readme, 'settings').length, 10)
  t.match(readme, /!\[[^\]]{20,}\]\(docs\/\w+\.png\)/)
})

t.test('docs/README.md links every page of docs', async (t) => {
  const linked = [...readFileSync('docs/README.md', 'utf8').matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path)
  const pages = [...globSync('*.md', { cwd: 'docs' }), ...globSync('*/README.md', { cwd: 'docs' })]
  for (const page of pages.filter((page) => page !== 'README.md')) t.ok(linked.includes(page), page)
})

t.test('every setting that an error text or a document names exists', async (t) => {
  // Variables of the command line and of the infrastructure.
  const others: readonly string[] = [...CLIENT_VARIABLES, 'MILLRACE_IMAGE_URI']
  for (const document of ['README.md', ...globSync('docs/**/*.md')]) {
    const named = (readFileSync(document, 'utf8').match(/MILLRACE_[A-Z_]+[A-Z]/g) ?? []).filter(
      (name) => !others.includes(name),
    )
    t.strictSame(
      named.filter((name) => !variables.includes(name)),
      [],
      document,
    )
  }
})

t.test('docs/errors.md lists exactly the codes and reasons of the code, with their statuses', async (t) => {
  const errors = readFileSync('docs/errors.md', 'utf8')
  const pairs = (table: Record<string, number>) => Object.entries(table).map(([code, status]) => `${code} ${status}`)
  const documented = (name: string) => tableRows(errors, name).map(([code, status]) => `${code} ${status}`)
  t.strictSame(documented('codes').sort(), pairs(ERROR_STATUS).sort())
  t.strictSame(documented('reasons').sort(), pairs(REFUSAL_STATUS).sort())
})

t.test('docs/operations.md lists exactly the metrics of /metrics', async (t) => {
  const { app, metrics } = await buildTestApp(t)
  // The metrics of a gateway that also raises incidents, evaluates rules and polls.
  const { registry } = metrics
  exportIncidentMetrics(registry, { transitions: new Map(), sent: new Map(), failed: new Map() })
  new WatchMetrics(registry, SILENT).observe({ figures: { series: 0, ignored: 0, anomalies: 0 } })
  new SourceMetrics(registry).observe({ figures: () => [] })
  const { body } = await app.inject({ url: '/metrics' })
  const given = [...body.matchAll(/^# TYPE millrace_(\S+)/gm)].map(([, name]) => name)
  const table = readFileSync('docs/operations.md', 'utf8').split('| metric | |')[1] ?? ''
  const listed = table.split('\n').flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)])
  t.strictSame(listed.map(([, name]) => name).sort(), given.sort())
})

t.test('docs/dependencies.md has a line for each dependency, with its version', async (t) => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const wanted = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
  const documented = readFileSync('docs/dependencies.md', 'utf8').matchAll(/^\| `([^`]+)` \| ([^ |]+) \|/gm)
  t.strictSame(
    [...documented].map(([, name, version]) => `${name} ${version}`).sort(),
    wanted.map(([name, version]) => `${name} ${version}`).sort(),
  )
})

t.test('links between the documents work', async (t) => {
  for (const document of [...globSync('*.md'), ...globSync('docs/**/*.md')]) {
    for (const [, target = ''] of readFileSync(document, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      t.ok(existsSync(join(dirname(document), target)), `${document}: ${target}`)
    }
  }
})

const hasTools = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version']).status === 0)

t.test(
  'the README’s session works pasted whole',
  { skip: hasTools ? false : 'bash or curl is not on this machine' },
  async (t) => {
    const session = /<!-- session -->\n```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    t.match(session, 'curl', 'the README has a session')
    const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
    t.teardown(() => gateway.kill())
    const script = session.replaceAll('http://127.0.0.1:3100', gateway.url)
    const run = spawnSync('bash', ['-euc', script], { encoding: 'utf8' })
    t.equal(run.status, 0, run.stderr)
    const answers = run.stdout
    t.match(answers, '{"status":"success","count":1}')
    t.match(answers, '1 line pushed')
    t.match(answers, 'the wheel turns', 'the JSON push is found')
    t.match(answers, 'the wheel stands', 'the protobuf push is found')
    t.match(answers, /"severity":"warning","message":"grain is low","bushels":3/, 'GET /logs gives the log back')
    t.match(answers, /"source":"logs"/, 'the log is a Loki stream as well')
  },
)
