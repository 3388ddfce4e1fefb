/**
 * Creates a log file like the first version, directly under its name: `node first-start-before.ts ROOT`. It can die in
 * between.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const [root = ''] = process.argv.slice(2)
const folder = join(root, 'data')
mkdirSync(folder, { recursive: true, mode: 0o700 })
const lock = new DatabaseSync(join(folder, 'millrace.lock'))
lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;')
for (const [file, pragmas] of [
  ['millrace.db', 'PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL;'],
  ['incidents.db', ''],
  ['cursors.db', ''],
] as const) {
  const db = new DatabaseSync(join(folder, file))
  db.exec(`${pragmas} PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;`)
}
process.kill(process.pid, 'SIGKILL')
