// Builds the page from web/ into web/built, which is committed: a clone serves it without the tools that build it.
// `--check` builds it elsewhere and fails where web/built is not the same, or where the script is too large.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'

/** Gzipped script of all screens, without the editor and the charts of numbers, which are loaded at first use. */
const SCRIPT_BYTES_MAX = 60_000

const isCheck = process.argv.includes('--check')
const folder = isCheck ? mkdtempSync(join(tmpdir(), 'millrace-built-')) : 'web/built'
try {
  await build({
    configFile: false,
    root: 'web',
    // Relative, so that a prefix of a proxy stays.
    base: './',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: resolve(folder),
      emptyOutDir: true,
      target: 'es2022',
      // What is imported at first use fetches itself: no polyfill, no inline script.
      modulePreload: false,
      cssCodeSplit: false,
      assetsInlineLimit: 0,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1000,
    },
  })
  const script = listFiles(folder).filter((name) => name.endsWith('.js'))
  const bytesOf = (names) =>
    names.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0)
  const later = script.filter((name) => /(editor|series)-/.test(name))
  const page = bytesOf(script.filter((name) => !later.includes(name)))
  console.log(`page: ${kilobytes(page)} of gzipped script at its start`)
  for (const name of later) console.log(`      ${kilobytes(bytesOf([name]))} at first use: ${name}`)
  if (page > SCRIPT_BYTES_MAX) fail(`the script is larger than ${kilobytes(SCRIPT_BYTES_MAX)}`)
  if (isCheck) {
    const [made, kept] = [folder, 'web/built'].map(listFiles)
    const differs = made.filter(
      (name) => !kept.includes(name) || !readFileSync(join(folder, name)).equals(readFileSync(join('web/built', name))),
    )
    if (differs.length > 0 || kept.length !== made.length) {
      fail(`web/built is not what web/ builds to (${differs.join(', ')}): run npm run build:page and commit it`)
    }
    console.log('page: web/built is what web/ builds to')
  }
} finally {
  if (isCheck) rmSync(folder, { recursive: true, force: true })
}

function listFiles(root) {
  if (!existsSync(root)) return []
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`
}

function fail(text) {
  console.error(text)
  process.exitCode = 1
}
