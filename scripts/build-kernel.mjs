/**
 * `npm run build:kernel`: compiles wasm/ with AssemblyScript to src/kernel/kernel-bytes.ts, which is committed. With
 * `--check` it writes nothing, and fails if the committed module is not what the source compiles to.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import asc from 'assemblyscript/asc'

const TARGET = 'src/kernel/kernel-bytes.ts'
const LINE_CHARS = 110
const FLAGS = [
  '--runtime',
  'stub',
  '-O3',
  '--noAssert',
  '--use',
  'abort=',
  '--enable',
  'simd',
  '--enable',
  'bulk-memory',
]

/** The module's bytes. */
async function compile() {
  const files = new Map()
  const { error, stderr } = await asc.main(['wasm/kernel.ts', ...FLAGS, '--outFile', 'kernel.wasm'], {
    writeFile: (name, contents) => files.set(name, contents),
  })
  if (error !== null) {
    console.error(`wasm/ does not compile: ${error.message}\n${stderr.toString()}`)
    process.exit(1)
  }
  return Buffer.from(files.get('kernel.wasm'))
}

function sourceOf(bytes) {
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${LINE_CHARS}}`, 'g'))
  const text = lines.map((line, i) => `${i === 0 ? '' : '  '}'${line}'`).join(' +\n')
  return `/** The module that wasm/ compiles to, in base64: written by \`npm run build:kernel\`. */\n\nexport const KERNEL_BASE64 =\n  ${text}\n`
}

const source = sourceOf(await compile())
if (!process.argv.includes('--check')) writeFileSync(TARGET, source)
else if (readFileSync(TARGET, 'utf8') !== source) {
  console.error(`${TARGET} is not what wasm/ compiles to: run npm run build:kernel and commit the result`)
  process.exit(1)
}
