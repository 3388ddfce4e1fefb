// Prints the entries of a version in CHANGELOG.md: `node scripts/release-notes.mjs v1.2.3`. Exits 1 if the tag is not
// the version of package.json, or the changelog has no entries for it.
import { readFileSync } from 'node:fs'

const tag = process.argv[2] ?? ''
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
if (tag !== `v${version}`) fail(`the tag is ${JSON.stringify(tag)}, package.json says ${version}; make them one`)
const parts = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m)
const part = parts.find((text) => text.startsWith(version) || text.startsWith(`[${version}]`))
if (part === undefined) fail(`CHANGELOG.md has no part "## ${version}"; write it`)
process.stdout.write(`${part.slice(part.indexOf('\n') + 1).trim()}\n`)

function fail(text) {
  console.error(text)
  process.exit(1)
}
