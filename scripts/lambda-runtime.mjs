// Runs the functions under AWS's own runtime client, without AWS: `node scripts/lambda-runtime.mjs test|bench [runs]`.
// The client is built from its package once, in about two minutes, with cmake, make, a C++ compiler and python3.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const CLIENT = 'aws-lambda-ric@4.0.2'
const folder = 'node_modules/.cache/lambda-runtime'
const binary = join(folder, 'node_modules/aws-lambda-ric/rapid-client.node')
const node = existsSync('node_modules/.bin/node') ? 'node_modules/.bin/node' : process.execPath

const commands = {
  test: ['scripts/test.mjs', 'test/lambda/runtime.test.ts', 'test/lambda/functions.test.ts'],
  bench: ['test/lambda/bench.ts', ...process.argv.slice(3)],
}
const command = commands[process.argv[2]]
if (command === undefined) {
  console.error('usage: node scripts/lambda-runtime.mjs test|bench [runs]')
  process.exit(2)
}
if (!installClient()) {
  console.log(`skipped: ${CLIENT} cannot be built here (see "npm install --prefix ${folder} ${CLIENT}")`)
  process.exit(0)
}
process.exit(spawnSync(node, command, { stdio: 'inherit' }).status ?? 1)

/**
 * True if the client is installed. It is not a dependency of the package, so that running the gateway needs no
 * compiler.
 */
function installClient() {
  if (existsSync(binary)) return true
  console.log(`building ${CLIENT}, about two minutes, once`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true }, null, 2)}\n`)
  const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error', CLIENT]
  const install = spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'pipe'], shell: process.platform === 'win32' })
  return install.status === 0 && existsSync(binary)
}
