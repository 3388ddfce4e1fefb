// Tests the ways to run without a clone. The npm package: packs it, starts it with `npx` in an empty folder without a network, under each
// available Node, posts and reads a log, and requests the page; an older Node gets an explanation. The single
// file: builds it and tests the same. NODES_TO_CHECK may name further executables of Node, separated by colons.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'millrace-package-'))
try {
  must(process.execPath, ['scripts/pack.mjs'])
  const tarball = resolve(`dist/millrace-${version}.tgz`)
  must('npm', ['init', '--yes', '--silent'], folder)
  must('npm', ['install', '--offline', '--silent', '--no-audit', '--no-fund', tarball], folder)
  console.log(`package: ${Math.round(statSync(tarball).size / 1000)} kB, installs without a network`)
  for (const node of nodes()) await checkUnder(node)
  await checkBinary()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Executables of Node: this one, the system's, and the named ones. */
function nodes() {
  const system = (process.env.PATH ?? '').split(':').filter((path) => !path.includes('node_modules'))
  const found = system.map((path) => join(path, 'node')).find((path) => existsSync(path))
  return [process.execPath, found, ...(process.env.NODES_TO_CHECK ?? '').split(':')].filter(Boolean)
}

async function checkUnder(node) {
  const name = `Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`
  const env = { ...process.env, PATH: `${dirname(node)}:/usr/local/bin:/usr/bin:/bin` }
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(name) ?? []
  if (Number(major) < 22 || (Number(major) === 22 && Number(minor) < 15)) {
    const { status, stderr } = spawnSync('npx', ['millrace', 'serve'], { cwd: folder, env, encoding: 'utf8' })
    if (status !== 1 || !/needs Node 22\.15 or later/.test(stderr)) throw new Error(`under ${name} it says: ${stderr}`)
    console.log(`package: under ${name} it says that it needs a newer one`)
    return
  }
  const bin = join(folder, 'node_modules/.bin/millrace')
  await checkGateway(`package, ${name}`, node, [bin, 'serve'], env)
}

async function checkBinary() {
  if (process.platform !== 'linux') return console.log('single file: checked on Linux only')
  must(process.execPath, ['scripts/binary.mjs'])
  const binary = resolve(`dist/millrace-linux-${process.arch}`)
  const env = { PATH: '/nowhere', HOME: folder }
  const said = spawnSync(binary, ['--version'], { env, encoding: 'utf8' }).stdout
  if (!said.startsWith(`millrace ${version}`)) throw new Error(`the single file says ${said}`)
  await checkGateway(`single file, ${Math.round(statSync(binary).size / 1e6)} MB`, binary, ['serve'], env)
}

/** Serves from its own folder, accepts a log and shows the page. */
async function checkGateway(name, command, args, env) {
  const data = mkdtempSync(join(folder, 'data-'))
  const settings = { MILLRACE_PORT: '0', MILLRACE_DATA_DIR: data, MILLRACE_LOG_LEVEL: 'silent' }
  const gateway = spawn(command, args, {
    cwd: folder,
    env: { ...env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const url = await addressOf(gateway)
    const posted = await fetch(`${url}/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"message": "packed"}',
    })
    const { items } = await (await fetch(`${url}/logs`)).json()
    if (posted.status !== 201 || items[0]?.message !== 'packed') throw new Error(`${name}: the gateway lost a log`)
    const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text()
    const [, script] = /src="\.?\/?(assets\/[^"]+\.js)"/.exec(page) ?? []
    if (script === undefined || !(await fetch(`${url}/${script}`)).ok) throw new Error(`${name}: there is no page`)
    console.log(`${name}: serves, takes a log and shows the page`)
  } finally {
    gateway.kill()
  }
}

/** The address that the gateway prints. */
async function addressOf(child) {
  for await (const line of createInterface(child.stdout)) {
    const url = /http:\/\/[\d.:]+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error('the gateway did not start')
}

function must(command, args, cwd = '.') {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}
