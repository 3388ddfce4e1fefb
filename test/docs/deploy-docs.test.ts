/** docs/deploy.md: its variables, commands and names match the deployment. test/moto runs its first sign-in. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { offlineGraph } from '../infra/offline-graph.ts'
import { Lookup } from '../infra/resource-graph.ts'

const page = readFileSync('docs/deploy.md', 'utf8')

t.test('the table of variables lists those that the deployment reads', async (t) => {
  const read = ['infra/stages.ts', 'infra/image.ts'].map((path) => readFileSync(path, 'utf8')).join('\n')
  const named = [...read.matchAll(/\benv\['([A-Z_]+)'\]/g)].map(([, name = '']) => name)
  const chosen = [...read.matchAll(/const \{ ([^}]+) \} = env/g)].flatMap(([, names = '']) => names.split(','))
  const wanted = [...named, ...chosen.map((each) => each.trim().split(':')[0] ?? '')]
  const table = page.split('| variable | meaning |')[1]?.split('\n\n')[0] ?? ''
  const cells = table.split('\n').map((row) => row.split(' | ')[0] ?? '')
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name))
  t.same(listed.sort(), wanted.filter((name) => !name.endsWith('_IMAGE_URI')).sort())
})

t.test('functions, parameters and secrets have the names of the stage dev', async (t) => {
  const found = new Lookup(await offlineGraph('dev'))
  const names = [
    ...found.functions().map(({ inputs }) => inputs.name),
    ...found.ofType('aws:ssm/parameter:Parameter').map(({ inputs }) => inputs.name),
    ...found.ofType('aws:cloudwatch/logGroup:LogGroup').map(({ inputs }) => inputs.name),
  ]
  const used = page.match(/(?<![\w/.])(?:\/[a-z/]*)?\/?millrace[-/]dev[-/][a-z-]+/g) ?? []
  t.ok(used.length > 2)
  for (const name of used) t.ok(names.includes(name), name)
  const secret = found.one('aws:secretsmanager/secret:Secret').inputs.name
  t.match(page, `"${secret.replace('dev', '$STAGE')}"`)
})

t.test('the check of the alarm path uses existing names', async (t) => {
  const found = new Lookup(await offlineGraph('dev', { INCIDENT_TABLE: 'LogIncidents' }))
  const namesOf = (type: string, key = 'name') => found.ofType(type).map(({ inputs }) => inputs[key])
  const asked = (option: string) => new RegExp(`--${option} (\\S+)`).exec(page)?.[1]
  t.ok(namesOf('aws:cloudwatch/metricAlarm:MetricAlarm').includes(asked('alarm-names')))
  t.ok(namesOf('aws:cloudwatch/logGroup:LogGroup').includes(asked('log-group-name')))
  t.ok(namesOf('aws:cloudwatch/dashboard:Dashboard', 'dashboardName').includes(asked('dashboard-name')))
  t.ok(namesOf('aws:dynamodb/table:Table').includes(asked('table-name')))
})

t.test('the page uses the outputs that a stage prints', async (t) => {
  const config = readFileSync('sst.config.ts', 'utf8')
  for (const output of ['url', 'userPoolClient', 'firstUser', 'domainTarget']) {
    t.match(config, new RegExp(`^      ${output}: `, 'm'))
    t.match(page, `\`${output}\``)
  }
})

t.test("the example's password satisfies the pool's policy", async (t) => {
  const found = new Lookup(await offlineGraph('dev'))
  const { minimumLength } = found.one('aws:cognito/userPool:UserPool').inputs.passwordPolicy
  const [, password = ''] = /NEW_PASSWORD='([^']+)'/.exec(page) ?? []
  t.ok(password.length >= minimumLength)
  for (const kind of [/[a-z]/, /[A-Z]/, /\d/, /[^\w]/]) t.match(password, kind)
  t.match(page, `at least ${minimumLength} characters`)
})

t.test('the troubleshooting table has rows of every kind', async (t) => {
  const table = page.split('## If it does not work')[1]?.split('\n## ')[0] ?? ''
  const rows = table.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what'))
  t.ok(rows.length >= 12)
  for (const row of rows) t.equal(row.split(' | ').length, 3, row)
})
