/** A real ext4 file system in a file, with simulated power failures: the kernel decides what was on disk. */

import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noShim } from './shim.ts'

const BYTES = 128 * 1024 * 1024
const TOOLS = ['mkfs.ext4', 'losetup', 'mount', 'umount']

/** The reason why it is not possible here; false if it may be. */
export function noVolume(): string | false {
  const missing = noShim()
  if (missing !== false) return missing
  if (process.getuid?.() !== 0) return 'loop devices and mounts need root'
  const absent = TOOLS.filter((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
  if (absent.length > 0) return `not installed: ${absent.join(', ')}`
  const { status, stderr } = spawnSync('losetup', ['-f'], { encoding: 'utf8' })
  return status === 0 ? false : `there is no free loop device: ${stderr.trim()}`
}

export class Ext4Volume {
  /** The mount point. */
  readonly root: string
  readonly #device: string
  readonly #shutdown: string

  /** Creates it in `work`, and mounts it. Throws with the output of the failed tool. */
  constructor(work: string) {
    mkdirSync(work, { recursive: true })
    const image = join(work, 'image')
    const file = openSync(image, 'w')
    ftruncateSync(file, BYTES)
    closeSync(file)
    this.#shutdown = join(work, 'shutdown')
    run('gcc', '-O2', '-o', this.#shutdown, fileURLToPath(new URL('shutdown.c', import.meta.url)))
    run('mkfs.ext4', '-q', '-F', image)
    this.root = join(work, 'mounted')
    mkdirSync(this.root)
    this.#device = run('losetup', '-f', '--show', image).trim()
    run('mount', this.#device, this.root)
  }

  /** Writes everything to disk. */
  sync(): void {
    run('sync', '-f', this.root)
  }

  /** Simulates a power failure: afterwards a folder shows what was on disk, and what the journal could repair. */
  losePower(): void {
    run(this.#shutdown, this.root)
    run('umount', this.root)
    run('mount', this.#device, this.root)
  }

  close(): void {
    run('umount', this.root)
    run('losetup', '-d', this.#device)
  }
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}
