/** The commands that CONTRIBUTING.md and the documents name, and those that developers expect. */

import { existsSync, globSync, readFileSync } from 'node:fs'
import t from 'tap'

const { scripts, engines } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly engines: Readonly<Record<string, string>>
}

t.test('the usual commands of a Node project exist', async (t) => {
  for (const name of ['build', 'test', 'test:coverage', 'test:integration', 'lint', 'format', 'format:check']) {
    t.ok(name in scripts, `npm run ${name}`)
  }
  t.match(readFileSync('.nvmrc', 'utf8'), /^\d+\.\d+\.\d+\n$/)
  t.ok(engines['node'])
})

t.test('every npm command of a document exists', async (t) => {
  for (const document of ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md')]) {
    const named = readFileSync(document, 'utf8').matchAll(/\bnpm run (?:--silent |-s )?([a-z:0-9-]+)/g)
    for (const [, name = ''] of named) t.ok(name in scripts, `${document}: npm run ${name}`)
  }
})

t.test('every command of package.json runs a file that exists', async (t) => {
  for (const [name, command] of Object.entries(scripts)) {
    for (const [file] of command.matchAll(/\b(?:scripts|test|src|bench)\/[\w/.-]+\.(?:ts|mjs)\b/g)) {
      t.ok(existsSync(file), `${name}: ${file}`)
    }
  }
})
