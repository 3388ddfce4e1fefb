// Bundles every entrypoint into dist/: what an image or a function needs, without node_modules.
// `node scripts/build.mjs [folder]`; prints what each entrypoint loads at its start, and what it loads at first use.
import { globSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { build } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const page = readFileSync('src/web/index.html', 'utf8')
const entryPoints = [
  ...globSync('src/entry/{*-lambda,*-loop,gateway-server,cli}.ts').sort(),
  'docker/create-resources.mjs', // for the emulator of docker-compose.yml
]
const folder = process.argv[2] ?? 'dist'

// CommonJS packages inside an ES module need these three names. Long ones: a short one may be taken in minified code.
const banner = [
  "import { createRequire as bannerCreateRequire } from 'node:module'",
  "import { fileURLToPath as bannerFileUrlToPath } from 'node:url'",
  'const require = bannerCreateRequire(import.meta.url)',
  'const __filename = bannerFileUrlToPath(import.meta.url)',
  "const __dirname = bannerFileUrlToPath(new URL('.', import.meta.url))",
].join(';')

/** Modules that packages name at every start, by patterns, and what is there in their place. */
const REPLACED = {
  // Nothing here speaks HTTP/2, which takes Node milliseconds to load.
  '^node:http2$': 'module.exports = {}',
  // Fastify's own compilers: schemas.ts gives it others.
  '^@fastify/(ajv|fast-json-stringify)-compiler$': 'module.exports = undefined',
  // Fastify asks whether its plugins fit: they did when the tests ran.
  '^semver$': 'module.exports = { satisfies: () => true }',
  // Fastify's trustProxy is off: what a proxy claims is not read.
  '^@fastify/proxy-addr$': 'module.exports = undefined',
  // The router asks whether its regular expressions are safe, and the routes': the tests asked.
  '^safe-regex2$': 'module.exports = () => true',
}

/** What packages load at every start and the gateway has no use for. */
const withoutUnused = {
  name: 'without-unused',
  setup({ onLoad, onResolve }) {
    // The gateway keeps its own metrics, and nobody fetches or gathers them; its log goes to stdout, from no other thread.
    const unused = /(prom-client[\\/]lib[\\/](defaultMetrics|pushgateway|cluster)|pino[\\/]lib[\\/]transport)\.js$/
    onLoad({ filter: unused }, () => ({ contents: 'module.exports = undefined' }))
    for (const [filter, contents] of Object.entries(REPLACED)) {
      onResolve({ filter: new RegExp(filter) }, ({ path, kind }) =>
        kind === 'dynamic-import' ? undefined : { path, namespace: 'replaced', pluginData: contents },
      )
    }
    onLoad({ filter: /.*/, namespace: 'replaced' }, ({ pluginData }) => ({ contents: pluginData }))
    // Of what is imported, Node reads every export at once: node:http has some that load its fetch and WebSocket, about
    // 10 ms. Of what is required, it reads none.
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'require-call' ? undefined : { path: 'http', namespace: 'required' },
    )
    onLoad({ filter: /.*/, namespace: 'required' }, () => ({ contents: "module.exports = require('node:http')" }))
    // The router makes functions of source text, about 200 of them, of which most are equal: each is compiled once.
    onLoad({ filter: /find-my-way[\\/]lib[\\/](node|handler-storage)\.js$/ }, ({ path }) => ({
      contents: `const made = new Map()
        function compile(...texts) {
          const key = JSON.stringify(texts)
          if (!made.has(key)) made.set(key, new Function(...texts))
          return made.get(key)
        }
        ${readFileSync(path, 'utf8').replaceAll('new Function(', 'compile(')}`,
    }))
  },
}

/** A static import of values; the group is what is imported, quotes included. */
const IMPORT = /^import (?!type\b)[^']*('[^']+')/gm

/**
 * Lets every part of a function import all that the function's start does: what is the same for all parts becomes one
 * file. Otherwise esbuild makes a file for each set of parts that share something, and each costs its time to link.
 */
const withStart = (entryPoint) => ({
  name: 'with-start',
  setup({ onLoad, onResolve }) {
    const namespace = 'part'
    const start = resolve(entryPoint)
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import' ? { path: resolve(resolveDir, path), namespace } : undefined,
    )
    onResolve({ filter: /^start$/, namespace }, () => ({ path: start, namespace: 'start' }))
    onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `import 'start'; export * from ${JSON.stringify(path)}`,
      resolveDir: dirname(path),
    }))
    // Without their names: they are imported by whoever wants something of them, and are only to be there here.
    onLoad({ filter: /.*/, namespace: 'start' }, ({ path }) => ({
      contents: [...readFileSync(path, 'utf8').matchAll(IMPORT)].map(([, target]) => `import ${target}`).join('\n'),
      resolveDir: dirname(path),
    }))
  },
})

rmSync(folder, { recursive: true, force: true })
// Each function by itself: of parts that many entrypoints share there are more, and each file costs its start.
const functions = entryPoints.filter((path) => path.endsWith('-lambda.ts'))
const others = entryPoints.filter((path) => !functions.includes(path))
const bundles = await Promise.all([
  ...functions.map((path) => bundle([path], `/${basename(path, '.ts')}`, [withStart(path)])),
  bundle(others),
])
const outputs = Object.assign({}, ...bundles)

for (const [path, output] of Object.entries(outputs)) {
  if (output.entryPoint === undefined || !entryPoints.includes(output.entryPoint)) continue
  const atStart = reach(path, new Set(), ['import-statement', 'require-call'])
  const whole = reach(path, new Set(), ['import-statement', 'require-call', 'dynamic-import'])
  const start = sizeOf(atStart)
  console.log(
    `${basename(path).padEnd(24)}${kilobytes(start)} at start${kilobytes(sizeOf(whole) - start)} at first use`,
  )
}

/** Bundles entrypoints with parts of their own; gives esbuild's description of what was written, by path. */
async function bundle(paths, partsFolder = '', plugins = []) {
  const { metafile } = await build({
    entryPoints: paths,
    outdir: folder,
    entryNames: '[name]',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true, // a dynamic import stays a file of its own, loaded at first use
    chunkNames: `parts${partsFolder}/[name]-[hash]`,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    define: { MILLRACE_VERSION: JSON.stringify(version), MILLRACE_PAGE: JSON.stringify(page) },
    banner: { js: `${banner};` },
    plugins: [withoutUnused, ...plugins],
    metafile: true,
    logLevel: 'warning',
  })
  return metafile.outputs
}

/** The files that `path` loads by imports of these kinds, itself included. */
function reach(path, seen, kinds) {
  if (seen.has(path)) return seen
  seen.add(path)
  for (const each of outputs[path].imports) {
    if (!each.external && kinds.includes(each.kind)) reach(each.path, seen, kinds)
  }
  return seen
}

function sizeOf(paths) {
  return [...paths].reduce((sum, path) => sum + outputs[path].bytes, 0)
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`.padStart(10)
}
