/** `node bench/checkpoints.ts`: how long commits take when they copy the write-ahead log themselves, and when a thread does. */

import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CHECKPOINT_PAGES, Checkpoints } from '../src/adapters/embedded/checkpoints.ts'
import { LOG_FILE, openDatabase } from '../src/adapters/embedded/database.ts'
import { median, percentile } from './load.ts'

const { values } = parseArgs({
  options: { commits: { type: 'string', default: '400' }, rounds: { type: 'string', default: '3' } },
})
/** The size of a push of 1 MB of lines after compression. */
const COMMIT_BYTES = 270_000

interface Round {
  readonly p50: number
  readonly p99: number
  readonly worst: number
  readonly cpu: number
}

/** Times of commits in ms, and CPU seconds of all threads per GB committed, with the copy at the end. */
async function run(hasThread: boolean, commits: number): Promise<Round> {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-checkpoints-'))
  const database = openDatabase(dataDir)
  const fail = (cause: unknown): void => console.error(cause)
  const path = join(dataDir, LOG_FILE)
  const checkpoints = hasThread ? new Checkpoints(database.writer, path, CHECKPOINT_PAGES, fail) : undefined
  const insert = database.writer.prepare('INSERT INTO probes (filler) VALUES (?)')
  const filler = new Uint8Array(COMMIT_BYTES)
  const times: number[] = []
  const cpuBefore = process.cpuUsage()
  for (let i = 0; i < commits; i++) {
    randomFillSync(filler)
    const startedMs = performance.now()
    insert.run(filler)
    checkpoints?.afterCommit()
    times.push(performance.now() - startedMs)
    // The thread's responses arrive here, like those of clients.
    await setImmediate()
  }
  await checkpoints?.close()
  database.close()
  const { user, system } = process.cpuUsage(cpuBefore)
  rmSync(dataDir, { recursive: true })
  times.sort((a, b) => a - b)
  return {
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    worst: times.at(-1) as number,
    cpu: ((user + system) / 1e6 / (commits * COMMIT_BYTES)) * 1e9,
  }
}

const results = { commit: [] as Round[], thread: [] as Round[] }
for (let round = 0; round < Number(values.rounds); round++) {
  for (const who of ['commit', 'thread'] as const) {
    results[who].push(await run(who === 'thread', Number(values.commits)))
  }
}
console.log('copied by | p50 ms | p99 ms | worst ms | CPU s per GB committed')
for (const [who, rounds] of Object.entries(results)) {
  const of = (name: keyof Round): string => median(rounds.map((round) => round[name])).toPrecision(3)
  console.log(`${who} | ${of('p50')} | ${of('p99')} | ${of('worst')} | ${of('cpu')}`)
}
