// Creates the npm package: the bundles of dist/, without dependencies, as dist/millrace-<version>.tgz.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const folder = 'dist/package'
const { name, version, description, license } = JSON.parse(readFileSync('package.json', 'utf8'))

run(process.execPath, ['scripts/build.mjs', folder])
cpSync('scripts/start.cjs', `${folder}/start.cjs`)
for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) cpSync(file, `${folder}/${file}`)
const manifest = {
  name,
  version,
  description,
  license,
  type: 'module',
  bin: { millrace: 'start.cjs' },
  // The first Node with zstd and with SQLite; start.cjs says so.
  engines: { node: '>=22.15' },
  files: ['start.cjs', '*.mjs', 'parts/**/*.mjs', 'CHANGELOG.md'],
}
writeFileSync(`${folder}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`)
run('npm', ['pack', '--silent', '--pack-destination', '..'], folder)
rmSync(folder, { recursive: true })

function run(command, args, cwd = '.') {
  mkdirSync(cwd, { recursive: true })
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
