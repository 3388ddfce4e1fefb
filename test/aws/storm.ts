/** A storm: clients push continuously and retry while AWS calls fail; then every line is checked. */

import { Ledger, type SentPush } from '../crash/ledger.ts'
import type { Random } from '../support/random.ts'

/** A push, retried unchanged until it is acknowledged. */
export interface StormPush {
  /** `logs` are posted by programs: each line has an id, and its time is its arrival. */
  readonly intake: 'push' | 'logs'
  readonly stream: string
  readonly lines: readonly { readonly ns: bigint; readonly line: string }[]
}

/** Accepts pushes and returns their lines: a store, or a gateway. */
export interface StormTarget {
  /** Sends it once. False if it was rejected temporarily or got no response: then it may or may not be stored. */
  send(push: StormPush): Promise<boolean>
  /** Lines of entries from `sinceNs` on; undefined if the read fails temporarily. */
  read(sinceNs: bigint): Promise<readonly string[] | undefined>
}

export interface StormOptions {
  readonly target: StormTarget
  readonly random: Random
  /** Number of pushes of each writer. */
  readonly pushes: number
  /** Called occasionally during the storm, for example to deliver buffers. */
  readonly stir: () => Promise<void>
  /** Ends the faults; from then on every call must succeed. */
  readonly calm: () => Promise<void>
  /** All lines in the archive or on their way, read without the tested code. */
  readonly archived: () => Promise<readonly string[]>
  readonly wait: (ms: number) => Promise<unknown>
  /** Awaited by a writer between two pushes. */
  readonly pace?: () => Promise<void>
}

export interface StormReport {
  readonly pushes: number
  readonly lines: number
  /** Number of unacknowledged sends. */
  readonly retries: number
  /** The longest send, acknowledged or not, ms. */
  readonly slowestSendMs: number
  /** Number of reads during the storm, and of failed ones. */
  readonly reads: number
  readonly failedReads: number
  readonly foundLines: number
  readonly archivedLines: number
  /** Faults, up to a limit; should be empty. */
  readonly wrongs: readonly string[]
  readonly wrongCount: number
}

const PUSH_WRITERS = 4
const LOGS_WRITERS = 2
const LINES_MAX = 30
/** Maximum number of attempts, so that a storm that stores nothing ends. */
const SENDS_MAX = 500
const RETRY_MS_MAX = 20
/** Every nth push of a writer is late. */
const LATE_EVERY = 5
/** Every nth push of a writer is large: an object of its own on the direct path. */
const LARGE_EVERY = 4
/** Far more than the hour after which entries are late. */
const LATE_NS = 3n * 3600n * 1_000_000_000n
/** Reads during the storm are repeated until one succeeds: on a slow machine the writers may finish before. */
const READS_MAX = 1000
/** The final reads may be repeated if a connection still breaks. */
const LAST_READS_MAX = 3

/** Runs a storm. Rejects if a push is not acknowledged in SENDS_MAX attempts, or a target throws. */
export function storm(options: StormOptions): Promise<StormReport> {
  return new Storm(options).run()
}

class Storm {
  readonly #options: StormOptions
  readonly #ledger = new Ledger()
  readonly #acknowledged = new Set<string>()
  readonly #beganNs = nowNs()
  #retries = 0
  #slowestSendMs = 0
  #reads = 0
  #failedReads = 0

  constructor(options: StormOptions) {
    this.#options = options
  }

  async run(): Promise<StormReport> {
    const { calm, archived } = this.#options
    let isOver = false
    const writers = [...namesOf('push', PUSH_WRITERS), ...namesOf('logs', LOGS_WRITERS)]
    const writing = Promise.all(writers.map((name) => this.#write(name))).finally(() => {
      isOver = true
    })
    await Promise.all([writing, this.#readMeanwhile(() => isOver)])
    await calm()
    const found = await this.#readLast()
    this.#ledger.compare(found, this.#beganNs, 'read in the end')
    const kept = await archived()
    // The archive may contain a line twice; reads return it once.
    this.#ledger.compare([...new Set(kept)], this.#beganNs, 'in the archive')
    const { pushes, lines, faults: wrongs, faultCount: wrongCount } = this.#ledger
    return {
      pushes,
      lines,
      retries: this.#retries,
      slowestSendMs: Math.round(this.#slowestSendMs),
      reads: this.#reads,
      failedReads: this.#failedReads,
      foundLines: found.length,
      archivedLines: new Set(kept).size,
      wrongs,
      wrongCount,
    }
  }

  async #write(name: string): Promise<void> {
    for (let number = 1; number <= this.#options.pushes; number++) {
      const { push, sent } = this.#make(name, number)
      await this.#sendUntilTaken(name, push)
      sent.isAcknowledged = true
      for (const { line } of push.lines) this.#acknowledged.add(line)
      await this.#options.pace?.()
    }
  }

  async #sendUntilTaken(name: string, push: StormPush): Promise<void> {
    const { target, random, wait } = this.#options
    for (let sends = 1; sends <= SENDS_MAX; sends++) {
      const beganMs = performance.now()
      const isTaken = await target.send(push)
      this.#slowestSendMs = Math.max(this.#slowestSendMs, performance.now() - beganMs)
      if (isTaken) return
      this.#retries++
      await wait(random.integer(RETRY_MS_MAX))
    }
    throw new Error(`${name}: a push was not taken in ${SENDS_MAX} tries`)
  }

  #make(name: string, number: number): { push: StormPush; sent: SentPush } {
    const { random } = this.#options
    const intake = name.startsWith('logs') ? 'logs' : 'push'
    const isLate = intake === 'push' && number % LATE_EVERY === 0
    const madeNs = nowNs()
    const beganNs = isLate ? madeNs - LATE_NS : madeNs
    const bytesMax = number % LARGE_EVERY === 0 ? 4000 : 200
    const lines = Array.from({ length: 1 + random.integer(LINES_MAX) }, (_, at) => ({
      ns: beganNs + BigInt(at >>> 1),
      line: `${name} push ${number} line ${at} ${random.hex(8 + random.integer(bytesMax))}`,
    }))
    const texts = lines.map(({ line }) => line)
    return { push: { intake, stream: `${name}-${number % 3}`, lines }, sent: this.#ledger.add(texts, madeNs) }
  }

  /** Reads during writes: lines acknowledged before the start of a read must be in its result. */
  async #readMeanwhile(isOver: () => boolean): Promise<void> {
    while (!isOver() || (this.#reads === this.#failedReads && this.#reads < READS_MAX)) {
      await this.#options.stir()
      const before = new Set(this.#acknowledged)
      const found = await this.#options.target.read(this.#beganNs - LATE_NS)
      this.#reads++
      if (found === undefined) this.#failedReads++
      else this.#ledger.compare(found, this.#beganNs, `read ${this.#reads}`, (line) => before.has(line))
      await this.#options.wait(RETRY_MS_MAX)
    }
  }

  async #readLast(): Promise<readonly string[]> {
    for (let reads = 1; reads <= LAST_READS_MAX; reads++) {
      const found = await this.#options.target.read(this.#beganNs - LATE_NS)
      if (found !== undefined) return found
    }
    throw new Error('a read fails though no call does any more')
  }
}

function namesOf(intake: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${intake}${at + 1}`)
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
