/**
 * Removes from a log file what later versions added, and dies with a full write-ahead log: `node drop-deletions.ts
 * ROOT`.
 */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const [root = ''] = process.argv.slice(2)
const db = new DatabaseSync(join(root, 'data', 'millrace.db'))
db.exec('DROP TABLE deletions')
process.kill(process.pid, 'SIGKILL')
