// Writes .env.example, and the settings table of README.md between its markers, from src/config/settings.ts.
// Run it with the project's Node: node_modules/.bin/node scripts/make-settings-docs.mjs
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { formatEnvExample, formatSettingsTable } from '../src/config/settings-docs.ts'

const BEGIN = '<!-- settings -->'
const END = '<!-- /settings -->'

writeFileSync('.env.example', formatEnvExample())
const readme = existsSync('README.md') ? readFileSync('README.md', 'utf8') : ''
const begin = readme.indexOf(BEGIN)
const end = readme.indexOf(END)
if (begin < 0 || end < begin) {
  console.error(`README.md has no ${BEGIN} with a ${END} behind it; only .env.example was written`)
} else {
  const table = `${BEGIN}\n\n${formatSettingsTable()}\n\n`
  writeFileSync('README.md', readme.slice(0, begin) + table + readme.slice(end))
}
