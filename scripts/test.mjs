// Runs the tests with tap and ends with one line: `N passed, N failed` (assertions).
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const tap = 'node_modules/tap/dist/esm/run.mjs'
// tap applies a changed plugin list only in the next run, so its class is built first: 3 s, once per install.
const built = 'node_modules/@tapjs/test/test-built/dist/esm/index.js'
if (!existsSync(built) || readFileSync(built, 'utf8').includes('"@tapjs/typescript"')) {
  const build = spawnSync(process.execPath, [tap, 'build'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (build.status !== 0) process.exit(1)
}

const child = spawn(process.execPath, [tap, '--reporter=tap', '--no-color', ...process.argv.slice(2)], {
  stdio: ['inherit', 'pipe', 'inherit'],
})
let tail = ''
child.stdout.on('data', (chunk) => {
  process.stdout.write(chunk)
  tail = (tail + chunk).slice(-4000)
})
child.on('close', (code) => {
  const total = tail.match(/# \{ total: \d+(?:, pass: (\d+))?(?:, fail: (\d+))?/)
  const failed = total === null ? 1 : Number(total[2] ?? 0)
  console.log(`\n${total?.[1] ?? 0} passed, ${failed} failed`)
  process.exit(code ?? 1)
})
