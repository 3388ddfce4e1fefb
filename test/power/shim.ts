/** Compiles the shim with the machine's own compiler, and runs processes under it. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Control } from './control.ts'
import { journalBytes, type Operation, readJournal } from './journal.ts'

const SOURCE = fileURLToPath(new URL('shim.c', import.meta.url))
const OPTIONS = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC']

let built: { readonly path: string } | { readonly missing: string } | undefined

/** The reason why the shim is not available; false if it is. For a test's `skip`. */
export function noShim(): string | false {
  built ??= build()
  return 'missing' in built ? built.missing : false
}

function build(): { readonly path: string } | { readonly missing: string } {
  if (process.platform !== 'linux') return { missing: `the shim needs Linux; this is ${process.platform}` }
  if (spawnSync('gcc', ['--version']).status !== 0)
    return { missing: 'gcc is not installed; the shim is built with it' }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-shim-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'shim.so')
  const { status, stderr } = spawnSync('gcc', [...OPTIONS, '-o', path, SOURCE, '-ldl', '-lpthread'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the shim cannot be built: ${stderr}`)
  return { path }
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** One journal and one page of rules for the processes that work in a folder, concurrently or not. */
export class Rig {
  /** The folder whose files are recorded. */
  readonly root: string
  readonly control: Control
  readonly #journal: string
  readonly #isRecorded: boolean

  /** Has its own files in `work`. Not recorded: for a run on a real disk, which only needs the rules. */
  constructor(root: string, work: string, { isRecorded = true } = {}) {
    mkdirSync(root, { recursive: true })
    mkdirSync(work, { recursive: true })
    this.root = realpathSync(root)
    this.#journal = join(work, 'journal')
    this.control = new Control(join(work, 'control'))
    this.#isRecorded = isRecorded
  }

  /** The environment of the rig's processes. */
  get env(): Record<string, string> {
    const missing = noShim()
    if (missing !== false || built === undefined || !('path' in built)) throw new Error(`no shim: ${missing}`)
    return {
      LD_PRELOAD: built.path,
      POWER_ROOT: this.root,
      POWER_CONTROL: this.control.path,
      ...(this.#isRecorded && { POWER_JOURNAL: this.#journal }),
    }
  }

  /** The current end of the journal. */
  get position(): number {
    return journalBytes(this.#journal)
  }

  /** The operations after a position. */
  operations(from = 0): Operation[] {
    return readJournal(this.#journal, from)
  }

  /** Runs a Node script under the shim to its end. */
  async run(script: string, args: readonly string[]): Promise<Ended> {
    const child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...this.env },
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
      })
    }
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return { code, signal, ...output }
  }

  close(): void {
    this.control.close()
  }
}

/** Adds a mark to the journal from a process under the shim; without the shim it does nothing. `root` is the rig's. */
export function mark(root: string, text: string): void {
  try {
    // The shim handles this name; the file never exists.
    unlinkSync(join(root, '.mark', text))
  } catch {}
}
