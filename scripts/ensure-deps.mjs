// Installs the locked dependencies if they are missing or older than the lock file: all of them, or with --run only what
// running needs. Plain JavaScript, because it must run on any Node >= 18 before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'

const stamp = 'node_modules/.package-lock.json'
const isFresh = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync('package-lock.json').mtimeMs
const hasAll = existsSync('node_modules/tap')
// Where the tools of development are installed already, they stay.
const isToRun = process.argv.includes('--run') && !hasAll
if (!isFresh || !(hasAll || isToRun)) {
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund', ...(isToRun ? ['--omit=dev'] : [])], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exit(install.status ?? 1)
}
