import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Environment, listSettings, readConfig } from '../../src/config/read-config.ts'
import { formatEnvExample, formatSettingsPage } from '../../src/config/settings-docs.ts'

t.test('.env.example is up to date with the settings', async (t) => {
  const hint = 'run node_modules/.bin/node scripts/make-settings-docs.mjs'
  t.equal(readFileSync(new URL('../../.env.example', import.meta.url), 'utf8'), formatEnvExample(), hint)
})

t.test('.env.example with every line uncommented gives the defaults', async (t) => {
  const pairs = [...formatEnvExample().matchAll(/^# ((?:MILLRACE|COGNIGY|AWS)_\w+)=(.*)$/gm)].map((match) => [
    match[1],
    match[2],
  ])
  t.equal(pairs.length, listSettings().length)
  t.same(readConfig(Object.fromEntries(pairs) as Environment), readConfig({}))
})

t.test('docs/settings.md has a row of three cells for each setting', async (t) => {
  const rows = formatSettingsPage()
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  t.equal(rows.length, listSettings().length)
  for (const row of rows) t.equal(row.replaceAll('\\|', '').split('|').length, 5, row)
})

t.test('every setting has a unique name and a help text of whole sentences', async (t) => {
  const settings = listSettings()
  t.equal(new Set(settings.map(({ variable }) => variable)).size, settings.length)
  for (const { variable, help } of settings) {
    // Variables of other tools keep their usual names.
    t.match(variable, /^(MILLRACE_[A-Z0-9_]+|COGNIGY_API_KEY|AWS_REGION)$/)
    t.match(help, /^[A-Z].*\.$/, variable)
  }
})
