// Makes the single file for this system: Node with the bundles of the command in it, as dist/millrace-<system>-<processor>.
// `npm run build:binary`. Node's manual: https://nodejs.org/docs/latest-v24.x/api/single-executable-applications.html
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** Writes a section into an executable; used only here, so not among the dependencies. */
const POSTJECT = {
  name: 'postject@1.0.0-alpha.6',
  sha512: 'b9Eb8h2eVqNE8edvKdwqkrY6O7kAwmI8kcnBv1NScolYJbo59XUF0noFq+lxbC1yN20bmC0WBEbDC5H/7ASb0A==',
}
/** The mark in Node's executable that says that it contains an application. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

const folder = mkdtempSync(join(tmpdir(), 'millrace-binary-'))
const target = resolve(`dist/millrace-${process.platform}-${process.arch}`)
try {
  run(process.execPath, ['scripts/build.mjs', join(folder, 'built')])
  const main = resolve('scripts/binary-main.cjs')
  writeFileSync(join(folder, 'modules.json'), JSON.stringify(readModules(join(folder, 'built'))))
  const config = {
    main,
    output: 'blob',
    disableExperimentalSEAWarning: true,
    assets: { 'modules.json': 'modules.json' },
  }
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(config))
  run(process.execPath, ['--experimental-sea-config', 'sea.json'], folder)
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(process.execPath, target)
  const { inject } = loadPostject()
  const options = { sentinelFuse: FUSE, ...(process.platform === 'darwin' && { machoSegmentName: 'NODE_SEA' }) }
  if (process.platform === 'darwin') run('codesign', ['--remove-signature', target])
  await inject(target, 'NODE_SEA_BLOB', readFileSync(join(folder, 'blob')), options)
  if (process.platform === 'darwin') run('codesign', ['--sign', '-', target])
  chmodSync(target, 0o755)
  console.log(`${target}: ${Math.round(statSync(target).size / 1e6)} MB`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The modules that the command can load, by path. */
function readModules(root) {
  const modules = {}
  const waiting = ['cli.mjs']
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name in modules) continue
    modules[name] = readFileSync(join(root, name), 'utf8')
    for (const [, path] of modules[name].matchAll(/["'](\.{1,2}\/[\w./-]+\.mjs)["']/g)) {
      waiting.push(join(dirname(name), path))
    }
  }
  return modules
}

function loadPostject() {
  run('npm', ['pack', '--silent', POSTJECT.name], folder)
  const archive = join(folder, `${POSTJECT.name.replace('@', '-')}.tgz`)
  const hash = createHash('sha512').update(readFileSync(archive)).digest('base64')
  if (hash !== POSTJECT.sha512) throw new Error(`${POSTJECT.name} has another content than expected: sha512-${hash}`)
  run('tar', ['-xzf', archive], folder)
  return createRequire(import.meta.url)(join(folder, 'package/dist/api.js'))
}

function run(command, args, cwd = '.') {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}
