/**
 * The guarantees of the embedded home, one actor each: `act` makes a client's request, also as its retry, and `look`
 * reads the state. `node actors.ts NAME act|look ROOT` runs in the folder `data` of ROOT and prints the facts as JSON.
 */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSecret } from '../../src/adapters/embedded/secrets.ts'
import { SqliteCursors } from '../../src/adapters/embedded/sqlite-cursors.ts'
import { SqliteIncidents } from '../../src/adapters/embedded/sqlite-incidents.ts'
import { SqliteLogStore, type StoreOptions } from '../../src/adapters/embedded/sqlite-log-store.ts'
import { acknowledge, applyReport } from '../../src/domain/incidents/incident.ts'
import { CLOSED_KEPT_MS, EVENT_MEMORY_MS, incidentIdOf, record, report } from '../contract/incident-store.ts'
import { FixedClock, makeBatch, openAdmission, RecordedEvents, readAll, STORE_SETTINGS } from '../support/helper.ts'
import { mark } from './shim.ts'

export const ACTORS_SCRIPT = fileURLToPath(import.meta.url)

/** What a client may rely on after the response, as comparable texts. */
export type Facts = readonly string[]

export interface Actor {
  readonly name: string
  act(dataDir: string): Promise<Facts>
  look(dataDir: string): Promise<Facts>
  /**
   * The data is derived from lines and not synced itself, because it can be derived again: only what a restart found
   * must be kept.
   */
  readonly isRemade?: boolean
  /** The actor tests the file itself, which does not exist before. */
  readonly isMade?: boolean
}

/** The mark in the journal after the response. */
export const ANSWERED = 'answered'

const clock = new FixedClock()
const SOURCE = 'cognigy'
const PROJECT = 'abcdefabcdefabcdefabcdef'
const RANGE = { start: 0n, end: clock.nowNs }

/** Opens a store, and closes it after the work, because a test reads many folders. */
async function withStore(
  dataDir: string,
  work: (store: SqliteLogStore) => Promise<Facts>,
  options?: StoreOptions,
): Promise<Facts> {
  const store = new SqliteLogStore({ ...STORE_SETTINGS, dataDir }, clock, new RecordedEvents(), options)
  try {
    return await work(store)
  } finally {
    await closing(() => store.close())
  }
}

async function withIncidents(dataDir: string, work: (store: SqliteIncidents) => Promise<Facts>): Promise<Facts> {
  const retention = { eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }
  const store = new SqliteIncidents(dataDir, retention, () => clock.ms)
  try {
    return await work(store)
  } finally {
    await closing(() => store.close())
  }
}

async function withCursors(dataDir: string, work: (cursors: SqliteCursors) => Promise<Facts>): Promise<Facts> {
  const cursors = new SqliteCursors(dataDir, SOURCE)
  try {
    return await work(cursors)
  } finally {
    await closing(() => cursors.close())
  }
}

/** A process that will be killed closes nothing: a clean end would sync. */
async function closing(close: () => Promise<void> | void): Promise<void> {
  if (!import.meta.main) await close()
}

const lines = async (store: SqliteLogStore): Promise<Facts> => (await readAll(store)).map(({ line }) => line)

function pushOf(ids: readonly string[] | undefined): Parameters<typeof makeBatch>[0] {
  const entries = ['one', 'two', 'three'].map((line, i) => ({
    ns: clock.nowNs + BigInt(i),
    line,
    ...(ids !== undefined && { id: ids[i] as string }),
  }))
  return [{ labels: { app: 'shop' }, entries }]
}

async function append(dataDir: string, ids?: readonly string[]): Promise<Facts> {
  return withStore(dataDir, async (store) => {
    await store.append(makeBatch(pushOf(ids), openAdmission(clock)))
    return ['one', 'two', 'three']
  })
}

/** Pushes while a thread copies the log into the database, at once and again and again. */
async function appendCopied(dataDir: string): Promise<Facts> {
  const checkpoints = { copied: 1, restarted: 1, bound: 1_000 }
  const work = async (store: SqliteLogStore): Promise<Facts> => {
    for (const app of ['one', 'two', 'three', 'four']) {
      const entries = [{ ns: clock.nowNs, line: app }]
      const batch = () => makeBatch([{ labels: { app }, entries }], openAdmission(clock))
      await store.append(batch())
      // The copy of this push runs beside the next: it is a duplicate, which is committed nevertheless.
      await store.append(batch())
      await store.maintain()
    }
    return lines(store)
  }
  return withStore(dataDir, work, { checkpoints })
}

const deletion = { id: 'd1', tenant: 'fake', query: '{app="shop"}', ...RANGE, createdMs: clock.ms, isProcessed: false }
const ref = { tenant: 'fake', id: incidentIdOf(report(clock)) }

export const ACTORS: readonly Actor[] = [
  { name: 'a push', act: (dataDir) => append(dataDir), look: (dataDir) => withStore(dataDir, lines) },
  {
    name: 'posted logs with ids',
    act: (dataDir) => append(dataDir, ['id-1', 'id-2', 'id-3']),
    look: (dataDir) => withStore(dataDir, lines),
  },
  {
    name: 'pushes whose log a thread copies',
    act: appendCopied,
    look: (dataDir) => withStore(dataDir, lines),
  },
  {
    name: 'a request to delete',
    act: (dataDir) =>
      withStore(dataDir, async ({ deletions }) => {
        if (deletions.list().length === 0) await deletions.add(deletion)
        return deletions.list().map(({ id }) => id)
      }),
    look: (dataDir) => withStore(dataDir, async ({ deletions }) => deletions.list().map(({ id }) => id)),
  },
  {
    name: 'an incident that a person acknowledged',
    act: (dataDir) =>
      withIncidents(dataDir, async (store) => {
        await store.change(ref, (found) => {
          if (found !== undefined) return undefined
          const opened = applyReport(undefined, ref.id, report(clock), clock.ms)
          return opened && acknowledge(opened.incident, 'someone', clock.ms)
        })
        return [String((await store.find(ref))?.state)]
      }),
    look: (dataDir) => withIncidents(dataDir, async (store) => [String((await store.find(ref))?.state)]),
  },
  {
    name: 'an incident of lines',
    isRemade: true,
    act: (dataDir) =>
      withIncidents(dataDir, async (store) => {
        await record(store, clock, report(clock))
        return [String((await store.find(ref))?.count)]
      }),
    look: (dataDir) => withIncidents(dataDir, async (store) => [String((await store.find(ref))?.count)]),
  },
  {
    name: 'a cursor of the poller',
    act: (dataDir) =>
      withCursors(dataDir, async (cursors) => {
        const found = await cursors.load(PROJECT)
        if (found.cursor === undefined) {
          const lease = { holder: 'run', untilMs: clock.ms }
          const revision = await cursors.claim(PROJECT, found, lease)
          const cursor = { lastTsMs: 7, sweptMs: 0, checkedMs: 0, ids: new Map(), idsFromMs: 0 }
          await cursors.save(PROJECT, revision, cursor, undefined)
        }
        return [String((await cursors.load(PROJECT)).cursor?.lastTsMs)]
      }),
    look: (dataDir) =>
      withCursors(dataDir, async (cursors) => [String((await cursors.load(PROJECT)).cursor?.lastTsMs)]),
  },
  { name: 'a key', isMade: true, act: async (dataDir) => key(dataDir), look: async (dataDir) => key(dataDir) },
]

function key(dataDir: string): Facts {
  return [Buffer.from(loadSecret(dataDir, 'a.key', 32)).toString('hex')]
}

if (import.meta.main) {
  const [name, step, root] = process.argv.slice(2) as [string, 'act' | 'look', string]
  const actor = ACTORS.find((each) => each.name === name)
  if (actor === undefined) throw new Error(`there is no actor '${name}'`)
  const facts = await actor[step](join(root, 'data'))
  mark(root, ANSWERED)
  console.log(JSON.stringify(facts))
  // Nothing is closed: this process dies here.
  process.kill(process.pid, 'SIGKILL')
}
