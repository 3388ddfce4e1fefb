import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** Which folder of src may import which. A folder may always import itself. The data's way goes from left to right. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  domain: [],
  logql: ['domain'],
  protocol: ['domain'],
  ports: ['domain'],
  flows: ['ports', 'logql', 'domain'],
  config: ['domain'],
  transport: ['flows', 'logql', 'protocol', 'ports', 'domain', 'config'],
  'adapters/embedded': ['ports', 'protocol', 'domain'],
  'adapters/aws': ['ports', 'protocol', 'domain'],
  'adapters/http': ['ports', 'protocol', 'domain'],
  compose: ['adapters/embedded', 'adapters/aws', 'adapters/http', 'ports', 'config', 'domain'],
  cli: ['protocol', 'domain'],
  assembly: ['compose', 'transport', 'flows', 'ports', 'config', 'domain'],
  entry: ['assembly', 'compose', 'transport', 'flows', 'cli', 'config', 'domain'],
}

/** What a folder may take from npm and Node. */
const MAY_USE: Record<string, RegExp> = {
  domain: /^$/,
  logql: /^re2js$/,
  protocol: /^(node:(zlib|crypto|buffer|util)|protobufjs|snappyjs|yaml$)/,
  ports: /^$/,
  flows: /^$/,
  config: /^$/,
  transport: /^(node:|aws-lambda|fastify|@fastify\/|@sinclair\/typebox|prom-client|fast-jwt)/,
  'adapters/embedded': /^node:/,
  'adapters/aws': /^(node:|@aws-sdk\/|@smithy\/)/,
  'adapters/http': /^(node:|nodemailer)/,
  compose: /^(node:|@aws-sdk\/)/,
  cli: /^node:/,
  assembly: /^(node:|pino)/,
  entry: /^(node:|pino|close-with-grace|@fastify\/aws-lambda|aws-lambda)/,
}

const folderOf = (path: string) =>
  Object.keys(MAY_IMPORT).find((name) => path === `src/${name}.ts` || path.startsWith(`src/${name}/`))

const IMPORT = /^(?:import|export)\b[^'=(;]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm

const importsOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '')

const files = globSync('src/**/*.ts').sort()

for (const file of files) {
  t.test(`${file} imports only what its folder may`, async (t) => {
    const folder = folderOf(file)
    if (folder === undefined) return t.fail('no folder of the plan holds this file')
    for (const target of importsOf(file)) {
      if (target.startsWith('.')) {
        const imported = folderOf(join(dirname(file), target))
        const isAllowed = imported === folder || (MAY_IMPORT[folder] ?? []).includes(imported ?? '')
        t.ok(isAllowed, `${folder} may not import ${imported} (${target})`)
      } else t.match(target, MAY_USE[folder] as RegExp, `${folder} may not use ${target}`)
    }
    t.match(readFileSync(file, 'utf8'), /^(#!.*\n)?\/\*\*/, 'the first line says what the file is for')
  })
}

t.test('no two files import each other in a loop', async (t) => {
  const graph = new Map(
    files.map((file) => [
      file,
      importsOf(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => join(dirname(file), target)),
    ]),
  )
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      t.fail(`a loop: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`)
      return
    }
    if (done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  t.equal(done.size, files.length, 'every file was visited')
})

t.test('only the configuration reads the environment', async (t) => {
  const readers = files.filter((file) => readFileSync(file, 'utf8').includes('process.env'))
  t.strictSame(
    readers.filter((file) => !file.startsWith('src/entry/')),
    [],
    'entries hand process.env to readConfig; nobody else names it',
  )
})

t.test('docs/architecture.md tells of every folder, and what it may import', async (t) => {
  const rows = readFileSync('docs/architecture.md', 'utf8').matchAll(/^\| `src\/([^`]+)` \| .* \| ([^|]+) \|$/gm)
  const told = [...rows].map(([, path = '', names = '']) => {
    const folder = path === 'transport/http' ? 'transport' : path.replace(/\.ts$/, '')
    return [folder, names === '–' ? [] : names.split(', ').sort()] as const
  })
  const wanted = Object.entries(MAY_IMPORT).map(([folder, names]) => [folder, names.toSorted()])
  t.same(Object.fromEntries(told), Object.fromEntries(wanted))
})
