// Tests the npm package: packs it, installs it without a network into an empty folder, starts its gateway, posts and
// reads a log.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
must(process.execPath, ['scripts/pack.mjs'])
const tarball = resolve(`dist/millrace-${version}.tgz`)
const folder = mkdtempSync(join(tmpdir(), 'millrace-package-'))
let gateway
try {
  must('npm', ['init', '--yes', '--silent'], folder)
  must('npm', ['install', '--offline', '--silent', '--no-audit', '--no-fund', tarball], folder)
  const bin = join(folder, 'node_modules/millrace/cli.mjs')
  gateway = spawn(process.execPath, [bin, 'serve'], {
    cwd: folder,
    env: { ...process.env, MILLRACE_PORT: '0', MILLRACE_DATA_DIR: join(folder, 'data') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await addressOf(gateway)
  const posted = await fetch(`${url}/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"message": "packed"}',
  })
  const { items } = await (await fetch(`${url}/logs`)).json()
  if (posted.status !== 201 || items[0]?.message !== 'packed') throw new Error('the installed gateway lost a log')
  console.log(`package: ${Math.round(statSync(tarball).size / 1000)} kB, installs without a network, and answers`)
} finally {
  gateway?.kill()
  rmSync(folder, { recursive: true, force: true })
}

/** The address that the gateway prints. */
async function addressOf(child) {
  for await (const line of createInterface(child.stdout)) {
    const url = /http:\/\/[\d.:]+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error('the installed gateway did not start')
}

function must(command, args, cwd = '.') {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}
