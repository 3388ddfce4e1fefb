// The start of the single file (a Node single executable application): Node's loader reads modules from files only, so
// the embedded modules are written once to a folder of their content's hash, and started from there.
const { createHash, randomUUID } = require('node:crypto')
const { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } = require('node:fs')
const { homedir, tmpdir } = require('node:os')
const { dirname, join } = require('node:path')
const { getAsset } = require('node:sea')
const { pathToFileURL } = require('node:url')
const vm = require('node:vm')

// Node calls the loader below experimental; the note would be on every start.
const { emitWarning } = process
process.emitWarning = (warning, ...more) => {
  if (more[0] !== 'ExperimentalWarning') emitWarning.call(process, warning, ...more)
}

const text = getAsset('modules.json', 'utf8')
const version = createHash('sha256').update(text).digest('hex').slice(0, 16)
const start = pathToFileURL(join(unpack(), 'cli.mjs')).href
// The embedded main script has no import() of its own.
const load = new vm.Script('(url) => import(url)', {
  importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext()
load(start)

/** The folder with the modules. Without a home that can be written, one of this process that is removed at its end. */
function unpack() {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace', version)
  try {
    if (existsSync(folder)) {
      const { uid, mode } = statSync(folder)
      if (uid === process.getuid() && (mode & 0o022) === 0) return folder
    } else {
      const made = `${folder}.${randomUUID()}`
      write(made)
      try {
        renameSync(made, folder)
      } catch (error) {
        rmSync(made, { recursive: true })
        if (!existsSync(folder)) throw error
      }
      return folder
    }
  } catch {
    // Read-only, or no home at all.
  }
  const temporary = mkdtempSync(join(tmpdir(), 'millrace-'))
  write(temporary)
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
  return temporary
}

function write(folder) {
  for (const [name, content] of Object.entries(JSON.parse(text))) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, content, { mode: 0o600 })
  }
}
