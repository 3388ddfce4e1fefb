// Writes .env.example, docs/settings.md, and the short table of README.md between its markers, from src/config.
// Run it with the project's Node: node_modules/.bin/node scripts/make-settings-docs.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { formatEnvExample, formatFirstSettings, formatSettingsPage } from '../src/config/settings-docs.ts'

const BEGIN = '<!-- settings -->'
const END = '<!-- /settings -->'

writeFileSync('.env.example', formatEnvExample())
writeFileSync('docs/settings.md', formatSettingsPage())
const readme = readFileSync('README.md', 'utf8')
const begin = readme.indexOf(BEGIN)
const end = readme.indexOf(END)
if (begin < 0 || end < begin) {
  console.error(`README.md has no ${BEGIN} with a ${END} behind it; only the other two files were written`)
  process.exitCode = 1
} else {
  const table = `${BEGIN}\n\n${formatFirstSettings()}\n\n`
  writeFileSync('README.md', readme.slice(0, begin) + table + readme.slice(end))
}
