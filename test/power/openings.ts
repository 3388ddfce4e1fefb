/**
 * Tests of opening: a process dies, or the power fails, at any of its file calls, and the remaining files must be
 * usable.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import type { CutMode } from './disk.ts'
import { digest, type History, killPoints } from './history.ts'
import type { Operation } from './journal.ts'

export interface OpeningOptions {
  /** The state in which the process started. */
  readonly history: History
  /** Its operations. */
  readonly operations: readonly Operation[]
  /** `all` is a kill; the others are power failures. */
  readonly cuts: readonly CutMode[]
  readonly seed: number
  readonly work: string
  /** Uses the files in the folder `root`; rejects with the fault if it cannot. */
  readonly use: (root: string) => Promise<void>
}

export interface OpeningReport {
  /** Number of different states after a kill. */
  readonly kills: number
  /** Number of different images that were used. */
  readonly images: number
  readonly faults: readonly string[]
}

export async function checkOpenings(options: OpeningOptions): Promise<OpeningReport> {
  const { history, operations, cuts, seed, work, use } = options
  const points = killPoints(history.disk, operations, () => true)
  const disk = history.disk.clone()
  const faults: string[] = []
  const used = new Set<string>()
  let done = 0
  for (const point of points) {
    disk.apply(operations.slice(done, point))
    done = point
    for (const mode of cuts) {
      const image = disk.cut(mode, new Random(seed + point))
      const name = digest(image)
      if (used.has(name)) continue
      used.add(name)
      const root = join(work, `point-${point}-${mode}`)
      image.writeTo(root)
      await use(root).catch((cause) => faults.push(`before operation ${point} (${mode}): ${cause}`))
      rmSync(root, { recursive: true })
    }
  }
  return { kills: points.length, images: used.size, faults }
}
