/** A folder for disk images: in memory if possible, because thousands of them are opened, each with a sync. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const IN_MEMORY = '/dev/shm'

export function parentOfWork(): string {
  return existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir()
}

/** Deleted when the test ends. */
export function workFolder(t: Pick<Test, 'teardown'>): string {
  const folder = mkdtempSync(join(parentOfWork(), 'millrace-power-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
