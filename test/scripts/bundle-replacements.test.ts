import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { bundleReplacements } from '../../scripts/bundle-replacements.ts'
import { testFolder } from '../support/test-folder.ts'

const FILES = {
  'entry.js': "import 'asks'; import 'router/lib/node.js'; import http from 'node:http'; console.log(http)",
  'node_modules/asks/index.js': "console.log(require('answers')); require('./lib/heavy.js')",
  'node_modules/asks/lib/heavy.js': "console.log('heavy')",
  'node_modules/answers/index.js': "module.exports = 'the real answer'",
  'node_modules/router/lib/node.js': "module.exports = new Function('return 1')",
}

const LISTS = {
  byName: [{ name: 'answers', filter: /^answers$/, contents: "module.exports = 'replaced'" }],
  byFile: [{ name: 'asks/lib/heavy.js', contents: 'module.exports = undefined' }],
  compiled: ['router/lib/node.js'],
}

/** Bundles the files, some of them changed, and returns the text of the bundle and what was not needed. */
async function bundle(t: Test, changes: Partial<Record<keyof typeof FILES, string>> = {}) {
  const folder = testFolder(t)
  for (const [path, text] of Object.entries({ ...FILES, ...changes })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const { plugin, unmatched } = bundleReplacements(LISTS)
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'entry.js')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    plugins: [plugin],
  })
  return { text: outputFiles[0]?.text ?? '', unmatched: unmatched() }
}

t.test('modules that are not needed are replaced', async (t) => {
  const { text, unmatched } = await bundle(t)
  t.strictSame(unmatched, [])
  t.notMatch(text, /the real answer|heavy'/)
  t.match(text, /compile\("?'?return 1/)
})

const ROWS: readonly [name: string, changes: Partial<Record<keyof typeof FILES, string>>, unmatched: string][] = [
  ['a package that asks for another module', { 'node_modules/asks/index.js': "require('./lib/heavy.js')" }, 'answers'],
  ['a file that moved', { 'node_modules/asks/index.js': "require('answers')" }, 'asks/lib/heavy.js'],
  [
    'a router that creates its functions in another way',
    { 'node_modules/router/lib/node.js': "module.exports = Function('return 1')" },
    'router/lib/node.js',
  ],
  [
    'no namespace import of node:http',
    { 'entry.js': "import 'asks'; import 'router/lib/node.js'" },
    'node:http imported as a whole',
  ],
]
for (const [name, changes, unmatched] of ROWS) {
  t.test(`${name} is a replacement that matched nothing`, async (t) => {
    t.strictSame((await bundle(t, changes)).unmatched, [unmatched])
  })
}
