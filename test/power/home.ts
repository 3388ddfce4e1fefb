/**
 * The embedded home with all its files. `node home.ts STEP ROOT` runs a step in a folder: `open` opens or creates
 * `data`, `backup` copies it to `copy`, `restore` restores that to `restored`.
 */

import { join } from 'node:path'
import { SqliteCursors } from '../../src/adapters/embedded/sqlite-cursors.ts'
import { SqliteIncidents } from '../../src/adapters/embedded/sqlite-incidents.ts'
import { readConfig } from '../../src/config/read-config.ts'
import { backUpHome, restoreHome } from '../../src/homes/backup.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import type { LogStore } from '../../src/ports/log-store.ts'
import { CLOSED_KEPT_MS, EVENT_MEMORY_MS } from '../contract/incident-store.ts'
import { FixedClock, makeBatch, openAdmission, RecordedEvents, readAll } from '../support/helper.ts'
import { mark } from './shim.ts'

export type Step = 'open' | 'backup' | 'restore'
/** The mark in the journal after a step. */
export const STEPPED = 'stepped'

const clock = new FixedClock()
/** With the key of the local issuer, so that every file is created. */
const configOf = (dataDir: string) => readConfig({ MILLRACE_DATA_DIR: dataDir, MILLRACE_LOCAL_ISSUER: 'true' })

interface OpenedHome {
  readonly store: LogStore
  close(): Promise<void>
}

export function openHome(dataDir: string): OpenedHome {
  const closers: (() => Promise<void> | void)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer()
  }
  try {
    const events = { ...new RecordedEvents(), limitsChanged: () => undefined, limitsRefused: () => undefined }
    const home = openEmbedded(configOf(dataDir), clock, Object.assign(new RecordedEvents(), events))
    closers.push(() => home.close())
    const retention = { eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }
    const incidents = new SqliteIncidents(dataDir, retention, () => clock.ms)
    closers.push(() => incidents.close())
    const cursors = new SqliteCursors(dataDir, 'cognigy')
    closers.push(() => cursors.close())
    return { store: home.ports.store, close }
  } catch (cause) {
    void close()
    throw cause
  }
}

/** Opens the home, stores another line, and returns the lines from before. */
export async function useHome(dataDir: string, line: string): Promise<readonly string[]> {
  const home = openHome(dataDir)
  try {
    const before = (await readAll(home.store)).map((entry) => entry.line)
    const entries = [{ ns: clock.nowNs + BigInt(before.length), line }]
    const { stored } = await home.store.append(makeBatch([{ labels: { app: 'shop' }, entries }], openAdmission(clock)))
    if (stored !== 1) throw new Error(`${stored} lines were stored`)
    return before
  } finally {
    await home.close()
  }
}

export function takeStep(step: Step, root: string): void {
  if (step === 'open') openHome(join(root, 'data'))
  else if (step === 'backup') backUpHome(configOf(join(root, 'data')), join(root, 'copy'))
  else restoreHome(configOf(join(root, 'restored')), join(root, 'copy'))
}

if (import.meta.main) {
  const [step, root] = process.argv.slice(2) as [Step, string]
  takeStep(step, root)
  mark(root, STEPPED)
  process.kill(process.pid, 'SIGKILL')
}
