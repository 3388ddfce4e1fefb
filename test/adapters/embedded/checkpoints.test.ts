import { hash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import {
  type CheckpointPages,
  Checkpoints,
  COMMIT_CHECKPOINT_PAGES,
} from '../../../src/adapters/embedded/checkpoints.ts'
import { LOG_FILE, openDatabase, pragma } from '../../../src/adapters/embedded/database.ts'
import { SqliteLogStore } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import {
  asSorted,
  asStored,
  FixedClock,
  makeBatch,
  openAdmission,
  RecordedEvents,
  readAll,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

/** Bytes that do not compress, determined by the seed. */
const noise = (seed: number, length: number): Buffer =>
  hash('shake256', `${seed}`, { outputEncoding: 'buffer', outputLength: length })

interface Opened {
  readonly path: string
  readonly writer: DatabaseSync
  readonly checkpoints: Checkpoints
  readonly failures: unknown[]
  commit(seed: number): void
}

function open(t: Test, pages: CheckpointPages, pathOf = (path: string) => path): Opened {
  const dataDir = testFolder(t)
  const path = join(dataDir, LOG_FILE)
  const database = openDatabase(dataDir)
  const failures: unknown[] = []
  const checkpoints = new Checkpoints(database.writer, pathOf(path), pages, (cause) => failures.push(cause))
  t.teardown(async () => {
    await checkpoints.close()
    database.close()
  })
  const insert = database.writer.prepare('INSERT INTO probes (filler) VALUES (?)')
  return {
    path,
    writer: database.writer,
    checkpoints,
    failures,
    commit: (seed) => {
      insert.run(noise(seed, 100_000))
      checkpoints.afterCommit()
    },
  }
}

/** Bytes of a commit that lie in one page. */
const partOf = (seed: number): Buffer => noise(seed, 100_000).subarray(20_000, 20_100)

const logPages = (db: DatabaseSync) => db.prepare('PRAGMA wal_checkpoint(NOOP)').get()

t.test('the thread copies the log once enough of it is not in the database; commits copy nothing', async (t) => {
  const { path, writer, checkpoints, failures, commit } = open(t, { copied: 20, restarted: 1000, bound: 2000 })
  commit(0)
  t.match(logPages(writer), { checkpointed: 0 })
  t.notOk(readFileSync(path).includes(partOf(0)), 'one commit is in the log only')
  for (let seed = 1; seed < 4; seed++) commit(seed)
  await checkpoints.copied()
  const { log, checkpointed } = logPages(writer) as { log: number; checkpointed: number }
  t.ok(checkpointed >= 20, `${checkpointed} of ${log} pages are in the database`)
  t.ok(readFileSync(path).includes(partOf(0)))
  t.strictSame(failures, [])
})

t.test('from a length on, the log is copied after each commit, and starts anew', async (t) => {
  const { path, writer, checkpoints, commit } = open(t, { copied: 1000, restarted: 30, bound: 2000 })
  for (let seed = 0; seed < 40; seed++) {
    commit(seed)
    await checkpoints.copied()
  }
  t.ok((logPages(writer) as { log: number }).log < 50)
  t.ok(statSync(`${path}-wal`).size < 60 * 16_500, 'the file has no more than that')
})

t.test('commits copy the log themselves when it reaches the bound', async (t) => {
  const { path, commit } = open(t, { copied: 1_000_000, restarted: 1_000_000, bound: 50 })
  for (let seed = 0; seed < 40; seed++) commit(seed)
  t.ok(statSync(`${path}-wal`).size < 80 * 16_500)
})

t.test('a copy that fails is reported once, and tried again after later commits', async (t) => {
  const pages = { copied: 1, restarted: 1000, bound: 2000 }
  const { writer, checkpoints, failures, commit } = open(t, pages, (path) => join(path, 'no-folder'))
  for (let seed = 0; seed < 3; seed++) {
    commit(seed)
    await checkpoints.copied()
  }
  t.equal(failures.length, 1)
  t.match(failures[0], { message: /unable to open database file/ })
  t.equal(pragma(writer, 'wal_autocheckpoint'), 2000, 'the log is still bounded')
})

t.test('without its thread, commits copy the log', async (t) => {
  const pages = { copied: 1, restarted: 1000, bound: 4000 }
  // A worker cannot be given a function, so that the thread does not start.
  const { writer, failures, commit } = open(t, pages, () => (() => undefined) as unknown as string)
  for (let seed = 0; seed < 3; seed++) commit(seed)
  t.match(failures, [{ name: 'DataCloneError' }])
  t.equal(pragma(writer, 'wal_autocheckpoint'), COMMIT_CHECKPOINT_PAGES)
})

t.test('a store with the thread: what it acknowledged is read again, and its end leaves no log', async (t) => {
  const dataDir = testFolder(t)
  const clock = new FixedClock()
  const events = new RecordedEvents()
  const settings = { ...STORE_SETTINGS, dataDir }
  const checkpoints = { copied: 4, restarted: 16, bound: 64 }
  const store = new SqliteLogStore(settings, clock, events, { checkpoints })
  const streams = Array.from({ length: 30 }, (_, i) => ({
    labels: { app: `app-${i}` },
    entries: [{ ns: clock.nowNs, line: noise(i, 20_000).toString('hex') }],
  }))
  for (const each of streams) await store.append(makeBatch([each], openAdmission(clock)))
  await store.maintain()
  await store.close()
  t.notOk(existsSync(join(dataDir, `${LOG_FILE}-wal`)))
  t.strictSame(events.maintenanceFailures, [])
  const next = new SqliteLogStore(settings, clock, events)
  t.teardown(() => next.close())
  t.strictSame(asSorted(await readAll(next)), asStored(streams))
})
