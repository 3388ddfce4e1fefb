/**
 * Histories of several crashes on one disk: a process is killed, the next one continues, the power fails, and so on.
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import type { CutMode, Disk } from './disk.ts'
import type { Operation } from './journal.ts'
import { type Ended, Rig } from './shim.ts'

/** A process of a history: its operations, numbered, and how it ended. */
export interface Life extends Ended {
  readonly operations: readonly Operation[]
}

export class History {
  /** What processes see now, and which part of it is on disk. */
  readonly disk: Disk
  readonly #work: string
  #folders = 0

  /** `work` is an empty folder, in which processes get their folders. */
  constructor(disk: Disk, work: string) {
    this.disk = disk
    this.#work = work
  }

  /** Another history from here on; this one is unchanged. */
  fork(work: string): History {
    return new History(this.disk.clone(), work)
  }

  /** Writes the disk to a new folder, as a process that starts now sees it. */
  materialize(): string {
    const folder = join(this.#work, `folder-${this.#folders++}`)
    this.disk.writeTo(folder)
    return folder
  }

  /**
   * Runs a script to its end on the current disk; `args` gets the folder. Its operations are not applied:
   * `apply(operations.slice(0, n))` applies a kill before the n-th operation. `prepare` may set rules.
   */
  async run(
    script: string,
    args: (root: string) => readonly string[],
    prepare: (rig: Rig) => void = () => undefined,
  ): Promise<Life> {
    const root = this.materialize()
    const rig = new Rig(root, `${root}-rig`)
    try {
      prepare(rig)
      const ended = await rig.run(script, args(rig.root))
      return { ...ended, operations: rig.operations() }
    } finally {
      rig.close()
    }
  }

  apply(operations: Iterable<Operation>): void {
    this.disk.apply(operations)
  }

  /** A power failure: a new history of what is left. */
  cut(mode: CutMode, seed: number, work: string): History {
    return new History(this.disk.cut(mode, new Random(seed)), work)
  }
}

/**
 * The distinct kill points of a life: before each operation that `isPlace` accepts, and at the end. Of points with the
 * same visible state and the same disk only the first counts.
 */
export function killPoints(
  start: Disk,
  operations: readonly Operation[],
  isPlace: (operation: Operation) => boolean,
): number[] {
  const disk = start.clone()
  const points: number[] = []
  const seen = new Set<string>()
  for (let n = 0; n <= operations.length; n++) {
    const operation = operations[n]
    if (operation === undefined || isPlace(operation)) {
      const state = `${digest(disk)} ${digest(disk.cut('none', new Random(0)))}`
      if (!seen.has(state)) points.push(n)
      seen.add(state)
    }
    if (operation !== undefined) disk.apply([operation])
  }
  return points
}

/** Equal for equal files with equal contents. */
export function digest(disk: Disk): string {
  const hash = createHash('sha256')
  for (const [path, content] of [...disk.files()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path} ${content.length} `).update(content)
  }
  return hash.digest('hex')
}
