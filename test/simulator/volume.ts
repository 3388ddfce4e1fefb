/** The files of a simulated gateway: real files under the shim, and the model of their disk. */

import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Control, Rule } from '../power/control.ts'
import { type CutMode, Disk } from '../power/disk.ts'
import { journalBytes, type Operation, readJournal } from '../power/journal.ts'
import { Random } from '../support/random.ts'

/** The environment of the process: see `shim.ts`. */
export interface ShimFiles {
  readonly root: string
  readonly journal: string
  readonly control: string
}

export class Volume {
  /** The data folder of the gateway. */
  readonly dataDir: string
  readonly #files: ShimFiles
  readonly #control: Control
  readonly #journalFile: number
  #disk: Disk
  /** The start of this life in the journal, and the position up to which the disk has it. */
  #from = 0

  constructor(files: ShimFiles, control: Control, seed: number) {
    this.#files = files
    this.#control = control
    this.#journalFile = openSync(files.journal, 'r+')
    this.dataDir = join(files.root, 'data')
    rmSync(files.root, { recursive: true, force: true })
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 })
    this.#disk = Disk.of(files.root, new Random(seed))
    control.seed = seed
    // The model records syncs; real ones would only take time.
    control.skipsSync = true
  }

  /** Size of the journal, which grows with every change of a file. */
  get position(): number {
    return journalBytes(this.#files.journal)
  }

  set rules(rules: readonly Rule[]) {
    this.#control.rules = rules
  }

  /** Bytes by which files may still grow; undefined: unlimited. */
  set space(bytes: number | undefined) {
    this.#control.space = bytes
  }

  /** Writes the disk's contents to the folder, for a process that starts now. Without faults. */
  begin(): void {
    this.rules = []
    this.space = undefined
    rmSync(this.dataDir, { recursive: true, force: true })
    this.#disk.writeTo(this.#files.root)
    ftruncateSync(this.#journalFile, 0)
    this.#from = 0
  }

  /** The operations since the last call, which the disk of the model does not have yet. */
  pending(until = this.position): readonly Operation[] {
    const operations = readJournal(this.#files.journal, this.#from)
    return operations.filter(({ end }) => end <= until)
  }

  /** Applies the operations that the process executed. */
  apply(operations: readonly Operation[]): void {
    this.#disk.apply(operations)
    this.#from = operations.at(-1)?.end ?? this.#from
  }

  /** The power fails. */
  cut(mode: CutMode, random: Random): void {
    this.#disk = this.#disk.cut(mode, random)
  }

  /** Flips bits of the files on disk. */
  rot(random: Random, bits: number): void {
    const files = [...this.#disk.files()].filter(([, content]) => content.length > 0)
    for (let i = 0; i < bits && files.length > 0; i++) {
      const [, content] = random.pick(files)
      const at = random.integer(content.length)
      content[at] = (content[at] as number) ^ (1 << random.integer(8))
    }
  }

  close(): void {
    closeSync(this.#journalFile)
  }
}
