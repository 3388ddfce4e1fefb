// Bundles every entrypoint into dist/, for images and functions without node_modules. `node scripts/build.mjs
// [folder]`; prints what each entrypoint loads at startup and on first use.
import { globSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { build } from 'esbuild'
import { bundleReplacements } from './bundle-replacements.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
/** The built page by file, in base64: an image and a function have no folder of it. */
const page = Object.fromEntries(
  [
    'index.html',
    ...globSync('*', { cwd: 'web/built/assets' })
      .sort()
      .map((name) => `assets/${name}`),
  ].map((name) => [name, readFileSync(`web/built/${name}`, 'base64')]),
)
const entryPoints = [
  ...globSync('src/entry/{*-lambda,*-loop,gateway-server,cli}.ts').sort(),
  'docker/create-resources.mjs', // for the emulator of docker-compose.yml
]
const folder = process.argv[2] ?? 'dist'

// CommonJS packages in an ES module need these three names. They are long, because minified code may use short ones.
const banner = [
  "import { createRequire as bannerCreateRequire } from 'node:module'",
  "import { fileURLToPath as bannerFileUrlToPath } from 'node:url'",
  'const require = bannerCreateRequire(import.meta.url)',
  'const __filename = bannerFileUrlToPath(import.meta.url)',
  "const __dirname = bannerFileUrlToPath(new URL('.', import.meta.url))",
].join(';')

/** A static import of values; the group is the imported path with its quotes. */
const IMPORT = /^import (?!type\b)[^']*('[^']+')/gm

/**
 * Lets every part of a function import everything that the function loads at startup, so that all shared code is in one
 * file. Otherwise esbuild creates a file for each set of parts that share something, and linking takes time for each
 * file.
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
    // Without their names: the parts import what they use; these imports only make the modules part of the start.
    onLoad({ filter: /.*/, namespace: 'start' }, ({ path }) => ({
      contents: [...readFileSync(path, 'utf8').matchAll(IMPORT)].map(([, target]) => `import ${target}`).join('\n'),
      resolveDir: dirname(path),
    }))
  },
})

const replacements = bundleReplacements()
rmSync(folder, { recursive: true, force: true })
// Each function separately: parts shared by many entrypoints would be more files, and each file delays the start.
const functions = entryPoints.filter((path) => path.endsWith('-lambda.ts'))
const others = entryPoints.filter((path) => !functions.includes(path))
const bundles = await Promise.all([
  ...functions.map((path) => bundle([path], `/${basename(path, '.ts')}`, [withStart(path)])),
  bundle(others),
])
const outputs = Object.assign({}, ...bundles)

const unmatched = replacements.unmatched()
if (unmatched.length > 0) {
  console.error(
    `The bundles no longer need these replacements, or their packages changed: ${unmatched.join(', ')}. Look at how the package loads it now, and mend or remove the replacement in scripts/bundle-replacements.ts.`,
  )
  process.exit(1)
}

for (const [path, output] of Object.entries(outputs)) {
  if (output.entryPoint === undefined || !entryPoints.includes(output.entryPoint)) continue
  const atStart = reach(path, new Set(), ['import-statement', 'require-call'])
  const whole = reach(path, new Set(), ['import-statement', 'require-call', 'dynamic-import'])
  const start = sizeOf(atStart)
  console.log(
    `${basename(path).padEnd(24)}${kilobytes(start)} at start${kilobytes(sizeOf(whole) - start)} at first use`,
  )
}

/** Bundles entrypoints with their lazy parts; returns esbuild's description of the output, by path. */
async function bundle(paths, partsFolder = '', plugins = []) {
  const { metafile } = await build({
    entryPoints: paths,
    outdir: folder,
    entryNames: '[name]',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true, // a dynamic import remains a separate file, loaded on first use
    chunkNames: `parts${partsFolder}/[name]-[hash]`,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    external: ['@duckdb/node-bindings'], // native: only the compactor's image has it
    define: { MILLRACE_VERSION: JSON.stringify(version), MILLRACE_PAGE: JSON.stringify(page) },
    banner: { js: `${banner};` },
    plugins: [replacements.plugin, ...plugins],
    metafile: true,
    logLevel: 'warning',
  })
  return metafile.outputs
}

/** The files that `path` loads by imports of these kinds, including itself. */
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
