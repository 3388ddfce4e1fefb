/** The files of a simulated gateway: real files under the shim, and the model of the disk that is below them. */

import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Control, Rule } from '../power/control.ts'
import { type CutMode, Disk } from '../power/disk.ts'
import { journalBytes, type Operation, readJournal } from '../power/journal.ts'
import { Random } from '../support/random.ts'

/** What the process was given to work with: see `shim.ts`. */
export interface ShimFiles {
  readonly root: string
  readonly journal: string
  readonly control: string
}

export class Volume {
  /** The folder that the gateway keeps its data in. */
  readonly dataDir: string
  readonly #files: ShimFiles
  readonly #control: Control
  readonly #journalFile: number
  #disk: Disk
  /** Where the journal of this life begins, and up to where the disk has it. */
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
    // The model has the syncs; real ones would only take time.
    control.skipsSync = true
  }

  /** Bytes of the journal: it grows with every change of a file. */
  get position(): number {
    return journalBytes(this.#files.journal)
  }

  set rules(rules: readonly Rule[]) {
    this.#control.rules = rules
  }

  /** Bytes by which files may still grow; undefined: any. */
  set space(bytes: number | undefined) {
    this.#control.space = bytes
  }

  /** Puts the disk's content in the folder, for a process that starts now. Without faults. */
  begin(): void {
    this.rules = []
    this.space = undefined
    rmSync(this.dataDir, { recursive: true, force: true })
    this.#disk.writeTo(this.#files.root)
    ftruncateSync(this.#journalFile, 0)
    this.#from = 0
  }

  /** What was done to the files since the last call, not yet on the disk of the model. */
  pending(until = this.position): readonly Operation[] {
    const operations = readJournal(this.#files.journal, this.#from)
    return operations.filter(({ end }) => end <= until)
  }

  /** The process did these, and no more. */
  apply(operations: readonly Operation[]): void {
    this.#disk.apply(operations)
    this.#from = operations.at(-1)?.end ?? this.#from
  }

  /** The power fails. */
  cut(mode: CutMode, random: Random): void {
    this.#disk = this.#disk.cut(mode, random)
  }

  /** Flips bits of files as they lie on the disk. */
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
