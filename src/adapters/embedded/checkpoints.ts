/** Copies the write-ahead log into the database on a thread, so that commits and the event loop do not wait for it. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'

/** Lengths of the write-ahead log, in pages. */
export interface CheckpointPages {
  /** Pages that are not in the database yet, from which the thread copies them. */
  readonly copied: number
  /** Length from which the thread copies after every commit: the first write after a whole copy starts the log anew. */
  readonly restarted: number
  /** Length from which commits copy what the thread has left: the log grows no further, whatever the load. */
  readonly bound: number
}

/** With pages of 16 KiB: 8 MiB, 64 MiB and 256 MiB. */
export const CHECKPOINT_PAGES: CheckpointPages = { copied: 512, restarted: 4_096, bound: 16_384 }
/** Length from which commits copy the log when there is no thread. */
export const COMMIT_CHECKPOINT_PAGES = 2_000

/** What `PRAGMA wal_checkpoint` returns: pages of the log, and how many of them are in the database. */
interface LogPages {
  readonly log: number
  readonly checkpointed: number
}

/** An answer of the thread: undefined if it copied, otherwise why not. */
type Answer = { readonly failure?: string }

/**
 * One thread with its own connection, which starts at the first copy. It runs passive checkpoints: they block neither
 * writers nor readers, sync the log before they copy from it, and sync the database before pages of the log are used again.
 */
export class Checkpoints {
  readonly #db: DatabaseSync
  readonly #path: string
  readonly #pages: CheckpointPages
  readonly #onFailure: (cause: unknown) => void
  readonly #look: StatementSync
  #thread: Worker | undefined
  #isLost = false
  #hasFailed = false
  #copying: PromiseWithResolvers<void> | undefined

  /** `db` is the writer of the database at `path`. `onFailure` gets why a copy failed, once until one succeeds. */
  constructor(db: DatabaseSync, path: string, pages: CheckpointPages, onFailure: (cause: unknown) => void) {
    this.#db = db
    this.#path = path
    this.#pages = pages
    this.#onFailure = onFailure
    this.#look = db.prepare('PRAGMA wal_checkpoint(NOOP)')
    db.exec(`PRAGMA wal_autocheckpoint = ${pages.bound}`)
  }

  /** Has the log copied if it is long enough, and returns before that. Call it after commits; it never throws. */
  afterCommit(): void {
    if (this.#copying !== undefined || this.#isLost) return
    try {
      if (!this.#isDue()) return
      this.#thread ??= this.#start()
      this.#copying = Promise.withResolvers()
      this.#thread.postMessage('copy')
    } catch (cause) {
      this.#lose(cause)
    }
  }

  /** Resolves when the copy under way, if any, has ended. */
  async copied(): Promise<void> {
    await this.#copying?.promise
  }

  /** Ends the thread after the copy under way. Call it before the database is closed. */
  async close(): Promise<void> {
    await this.copied()
    const thread = this.#thread
    if (thread === undefined || this.#isLost) return
    this.#isLost = true
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref()
    thread.postMessage('close')
    await ended
  }

  #isDue(): boolean {
    const { log, checkpointed } = this.#look.get() as unknown as LogPages
    const rest = log - checkpointed
    return rest >= this.#pages.copied || (rest > 0 && log >= this.#pages.restarted)
  }

  #start(): Worker {
    // As text: bundles contain it, and the thread loads nothing of the process, such as hooks named in execArgv.
    const thread = new Worker(`(${copyLogs})()`, { eval: true, workerData: this.#path, execArgv: [], stdin: false })
    thread.unref()
    thread.on('message', ({ failure }: Answer) => this.#end(failure === undefined ? undefined : new Error(failure)))
    thread.on('error', (cause) => this.#lose(cause))
    thread.on('exit', () => this.#lose(new Error('the thread that copies the write-ahead log has ended')))
    return thread
  }

  #end(failure: unknown): void {
    if (failure !== undefined && !this.#hasFailed) this.#onFailure(failure)
    this.#hasFailed = failure !== undefined
    this.#copying?.resolve()
    this.#copying = undefined
  }

  /** Without the thread, commits copy the log again. */
  #lose(cause: unknown): void {
    if (this.#isLost) return
    this.#isLost = true
    if (this.#db.isOpen) this.#db.exec(`PRAGMA wal_autocheckpoint = ${COMMIT_CHECKPOINT_PAGES}`)
    this.#end(cause)
  }
}

/** Runs in the thread, from its text: it can use nothing of this file. */
function copyLogs(): void {
  const { parentPort: port, workerData } = process.getBuiltinModule('node:worker_threads')
  const { DatabaseSync: Connection } = process.getBuiltinModule('node:sqlite')
  let db: DatabaseSync | undefined
  port?.on('message', (message: 'copy' | 'close') => {
    if (message === 'close') {
      db?.close()
      port.close()
      return
    }
    try {
      if (db === undefined) {
        db = new Connection(workerData)
        // FULL: the log is synced before its pages are copied, the database before the log is used again.
        db.exec('PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0; PRAGMA wal_autocheckpoint = 0;')
      }
      // If another connection is copying, the result is `busy`: nothing is left to do.
      db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()
      port.postMessage({})
    } catch (cause) {
      port.postMessage({ failure: String(cause) })
    }
  })
}
