import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** Which folder of src may import which, in the order of the data flow. A folder may always import itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  kit: [],
  domain: ['kit'],
  kernel: ['domain'],
  logql: ['domain', 'kit'],
  protocol: ['kernel', 'domain', 'kit'],
  ports: ['domain'],
  flows: ['ports', 'logql', 'domain', 'kit'],
  config: ['domain', 'kit'],
  telemetry: ['flows', 'ports', 'domain'],
  transport: ['telemetry', 'flows', 'logql', 'protocol', 'kernel', 'ports', 'config', 'domain', 'kit'],
  'adapters/embedded': ['ports', 'protocol', 'domain', 'kit'],
  'adapters/aws': ['ports', 'protocol', 'domain', 'kit'],
  'adapters/duckdb': ['ports', 'protocol', 'domain'],
  'adapters/files': ['ports', 'protocol', 'domain', 'kit'],
  'adapters/outside': ['ports', 'protocol', 'domain', 'kit'],
  homes: [
    'adapters/embedded',
    'adapters/aws',
    'adapters/duckdb',
    'adapters/files',
    'adapters/outside',
    'ports',
    'config',
    'domain',
    'kit',
  ],
  cli: ['protocol', 'domain', 'kit'],
  processes: ['homes', 'transport', 'telemetry', 'flows', 'ports', 'config', 'domain', 'kit'],
  entry: ['processes', 'homes', 'transport', 'telemetry', 'flows', 'cli', 'config', 'domain'],
}

/** What a folder may import from npm and Node. */
const MAY_USE: Record<string, RegExp> = {
  kit: /^$/,
  domain: /^$/,
  kernel: /^$/,
  logql: /^re2js$/,
  protocol: /^(node:(zlib|crypto|buffer|util)|hyparquet$|protobufjs|snappyjs|yaml$)/,
  ports: /^$/,
  flows: /^$/,
  config: /^$/,
  telemetry: /^prom-client$/,
  transport: /^(node:|aws-lambda|fastify|@fastify\/|@sinclair\/typebox|fast-jwt)/,
  'adapters/embedded': /^node:/,
  'adapters/aws': /^(node:|@aws-sdk\/|@smithy\/)/,
  'adapters/duckdb': /^(node:|@duckdb\/node-api$|hyparquet$)/,
  'adapters/files': /^node:(fs|path)/,
  'adapters/outside': /^(node:|nodemailer)/,
  homes: /^(node:|@aws-sdk\/)/,
  cli: /^node:/,
  processes: /^(node:|pino$|close-with-grace$)/,
  entry: /^(node:|aws-lambda$)/,
}

/** Folders whose tests have the same path under test. */
const ROOMS = [...new Set(Object.keys(MAY_IMPORT).map((name) => name.split('/')[0]))]

/** A folder with more files should be split. */
const FILES_IN_FOLDER_MAX = 20

/** Calls that make a result depend on more than its arguments. */
const IMPURE =
  /\b(Date\.now|performance\.now|process\.(hrtime|uptime)|new Date(?!\w|\([^)])|Math\.random|randomUUID|getRandomValues|set(Timeout|Interval|Immediate))\b/

const folderOf = (path: string) => Object.keys(MAY_IMPORT).find((name) => path.startsWith(`src/${name}/`))

const IMPORT = /^(?:import|export)\b[^'=(;]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm

/** Source without its comments, accurate enough for a search of calls. */
const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')

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

t.test('no folder of src has too many files', async (t) => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  for (const [folder, count] of counts) t.ok(count <= FILES_IN_FOLDER_MAX, `${folder} holds ${count} files`)
})

t.test('domain and flows use no clock, timer or randomness directly', async (t) => {
  const pure = files.filter((file) => /^src\/(domain|flows|kit)\//.test(file))
  const impure = pure.filter((file) => IMPURE.test(withoutComments(readFileSync(file, 'utf8'))))
  t.strictSame(impure, [], 'time and chance come in as arguments')
})

t.test('the test of a file in src has the same path; a test of several files is in another folder', async (t) => {
  for (const test of globSync(`test/{${ROOMS.join(',')}}/**/*.test.ts`).sort()) {
    const source = test.replace(/^test/, 'src').replace(/\.test\.ts$/, '.ts')
    t.ok(existsSync(source), `${test} tests ${source}`)
  }
})

t.test('tests get folders from testFolder, so that stores are closed before their folder is removed', async (t) => {
  const others = globSync('test/**/*.ts').filter((file) => readFileSync(file, 'utf8').includes('.testdir('))
  t.strictSame(others.sort(), ['test/shape.test.ts', 'test/support/test-folder.ts'])
})

t.test('docs/architecture.md lists every folder, and what it may import', async (t) => {
  const rows = readFileSync('docs/architecture.md', 'utf8').matchAll(/^\| `src\/([^`]+)` \| .* \| ([^|]+) \|$/gm)
  const listed = [...rows].map(([, folder = '', names = '']) => {
    return [folder, names === '–' ? [] : names.split(', ').sort()] as const
  })
  const wanted = Object.entries(MAY_IMPORT).map(([folder, names]) => [folder, names.toSorted()])
  t.same(Object.fromEntries(listed), Object.fromEntries(wanted))
})
