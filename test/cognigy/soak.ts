/**
 * Every entry is stored exactly once in both sinks despite late and unordered entries, 429s, 5xx, broken and stalled
 * connections, overlapping runs, and runs that die at any await, before or after its effect.
 *
 * Manually: `node test/cognigy/soak.ts --entries 100000 --seed 7 --walk forward --cursors ssm`
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CloudWatchSink } from '../../src/adapters/aws/poller/cloudwatch-sink.ts'
import { SsmCursors } from '../../src/adapters/aws/poller/ssm-cursors.ts'
import { SqliteCursors } from '../../src/adapters/embedded/sqlite-cursors.ts'
import { SqliteLogStore } from '../../src/adapters/embedded/sqlite-log-store.ts'
import { CognigyClient } from '../../src/adapters/outside/cognigy-client.ts'
import { CognigyLogSource } from '../../src/adapters/outside/cognigy-log-source.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import type { ProjectOutcome } from '../../src/flows/poll/poll-outcome.ts'
import { SourcePoller } from '../../src/flows/poll/poll-sources.ts'
import { StoreSink } from '../../src/flows/poll/store-sink.ts'
import type { LogStore } from '../../src/ports/log-store.ts'
import type { CursorStore, LogSink } from '../../src/ports/sources.ts'
import { FixedClock, RecordedEvents, readAll, STORE_SETTINGS } from '../support/helper.ts'
import { FakeCloudWatch } from './fake-cloudwatch.ts'
import { FakeCognigy, type Fault } from './fake-server.ts'
import { FakeSsm } from './fake-ssm.ts'
import { StallTimeouts } from './stall-timeouts.ts'

export interface SoakOptions {
  readonly entries: number
  readonly seed: number
  /** `backward`: a server that honours neither `sort` nor `startDate`. */
  readonly walk: 'forward' | 'backward'
  /** The server's meaning of `next`. */
  readonly cursor: 'position' | 'id'
  readonly cursors: 'ssm' | 'sqlite'
}

export interface SoakReport {
  readonly entries: number
  readonly late: number
  readonly minutes: number
  readonly runs: number
  readonly failedRuns: number
  readonly busyRuns: number
  readonly crashes: number
  readonly requests: number
  readonly refusedRequests: number
  readonly puts: number
  /** Entries that were found in a sink after a crash. */
  readonly found: number
  readonly cloudwatch: Tally
  readonly store: Tally
  readonly seconds: number
}

export interface Tally {
  readonly missing: number
  readonly doubled: number
  readonly strange: number
}

const PROJECT = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }
const MINUTE_MS = 60_000
const DRAIN_MINUTES_MAX = 1000
const LATE_MS_MAX = 4.5 * MINUTE_MS

/** A small seeded generator: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const startedMs = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-soak-'))
  const soak = new Soak(options, folder)
  try {
    await soak.open()
    await soak.live()
    await soak.drain()
    return { ...(await soak.report()), seconds: Math.round(performance.now() - startedMs) / 1000 }
  } finally {
    await soak.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #random: () => number
  readonly #clock = new FixedClock()
  readonly #fake: FakeCognigy
  readonly #cloudwatch: FakeCloudWatch
  readonly #ssm = new FakeSsm()
  readonly #store: SqliteLogStore
  readonly #sqliteCursors: SqliteCursors
  readonly #sent = new Set<string>()
  #url = ''
  #isCalm = false
  #late = 0
  #minutes = 0
  #runs = 0
  #failedRuns = 0
  #busyRuns = 0
  #crashes = 0
  #found = 0
  #handedTwice = 0
  /** Runs that started during another one. */
  #others: Promise<unknown>[] = []
  #holders = 0
  readonly #timeouts = new StallTimeouts()

  constructor(options: SoakOptions, folder: string) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    const isForward = options.walk === 'forward'
    this.#fake = new FakeCognigy({
      nowMs: () => this.#clock.ms,
      cursor: options.cursor,
      honoursSort: isForward,
      honoursStartDate: isForward,
      nextFault: () => this.#nextFault(),
      onStall: this.#timeouts.expire,
      onRequest: () => this.#arriveWhilePaging(),
    })
    this.#cloudwatch = new FakeCloudWatch(() => this.#clock.ms)
    const settings = { ...STORE_SETTINGS, dataDir: folder, duplicateWindowMs: 0 }
    this.#store = new SqliteLogStore(settings, this.#clock, new RecordedEvents())
    this.#sqliteCursors = new SqliteCursors(folder, 'cognigy')
  }

  async open(): Promise<void> {
    this.#url = await this.#fake.listen()
  }

  /** Minutes in which entries arrive and everything may fail. */
  async live(): Promise<void> {
    const { entries } = this.#options
    const perMinute = Math.max(5, Math.ceil(entries / 400))
    while (this.#sent.size < entries) {
      const burst = this.#random() < 0.03 ? 40 : 1
      this.#arrive(Math.min(entries - this.#sent.size, Math.ceil(perMinute * burst * 2 * this.#random())))
      this.#fake.options = { ...this.#fake.options, requestsMax: this.#random() < 0.1 ? 12 : 1000 }
      const runs = this.#random() < 0.15 ? 2 : 1
      this.#others = []
      await Promise.all(Array.from({ length: runs }, () => this.#run()))
      await Promise.all(this.#others)
      this.#clock.ms += MINUTE_MS
      this.#minutes++
    }
  }

  /** Runs without faults, until everything has arrived. */
  async drain(): Promise<void> {
    this.#isCalm = true
    this.#fake.options = { ...this.#fake.options, requestsMax: 1000 }
    const started = this.#minutes
    for (let calm = 0; calm < 4; ) {
      this.#clock.ms += MINUTE_MS
      this.#minutes++
      const outcome = await this.#run()
      calm = outcome?.state === 'complete' ? calm + 1 : 0
      if (this.#minutes > started + DRAIN_MINUTES_MAX) {
        throw new Error(`the soak does not come to an end: ${outcome?.state}`, { cause: outcome?.error })
      }
    }
  }

  async report(): Promise<Omit<SoakReport, 'seconds'>> {
    const written = [...this.#cloudwatch.streams.values()].flat().map(({ message }) => String(JSON.parse(message)._id))
    const stored = (await readAll(this.#store)).map(
      ({ metadata }) => metadata.find(([name]) => name === 'id')?.[1] ?? '',
    )
    return {
      entries: this.#sent.size,
      late: this.#late,
      minutes: this.#minutes,
      runs: this.#runs,
      failedRuns: this.#failedRuns,
      busyRuns: this.#busyRuns,
      crashes: this.#crashes,
      requests: this.#fake.requests.length,
      refusedRequests: this.#fake.requests.filter(({ status }) => status === 429).length,
      puts: this.#cloudwatch.calls.filter(({ name }) => name === 'PutLogEvents').length,
      found: this.#found,
      cloudwatch: this.#tally(written),
      store: { ...this.#tally(stored), doubled: this.#tally(stored).doubled + this.#handedTwice },
    }
  }

  async close(): Promise<void> {
    await this.#fake.close()
    this.#sqliteCursors.close()
    await this.#store.close()
  }

  #tally(ids: readonly string[]): Tally {
    const distinct = new Set(ids)
    return {
      missing: [...this.#sent].filter((id) => !distinct.has(id)).length,
      doubled: ids.length - distinct.size,
      strange: [...distinct].filter((id) => !this.#sent.has(id)).length,
    }
  }

  #arrive(count: number): void {
    for (let i = 0; i < count; i++) {
      const isLate = this.#random() < 0.1
      const behindMs = this.#random() * (isLate ? LATE_MS_MAX : 2000)
      if (isLate) this.#late++
      const type = ['info', 'error', 'debug', 'warn'][Math.floor(this.#random() * 4)] as string
      this.#sent.add(this.#fake.add(PROJECT.id, { ms: Math.floor(this.#clock.ms - behindMs), type })._id)
    }
  }

  #arriveWhilePaging(): void {
    if (this.#isCalm || this.#sent.size >= this.#options.entries || this.#random() > 0.3) return
    this.#arrive(1 + Math.floor(this.#random() * 3))
  }

  #nextFault(): Fault | undefined {
    if (this.#isCalm) return undefined
    const dice = this.#random()
    if (dice < 0.02) return 'status_500'
    if (dice < 0.03) return 'status_503'
    if (dice < 0.04) return 'cut'
    if (dice < 0.05) return 'truncated'
    if (dice < 0.051) return 'stall'
    return dice < 0.055 ? 'bad_gateway_page' : undefined
  }

  /** A run as a separate process, which may die. */
  async #run(): Promise<ProjectOutcome | undefined> {
    const startAnother = (): void => {
      if (!this.#isCalm && this.#random() < 0.05) this.#others.push(this.#run())
    }
    const life = new Life(() => !this.#isCalm && this.#random() < 0.02, startAnother)
    const wait = async (ms: number): Promise<void> => {
      this.#clock.ms += ms
    }
    const client = new CognigyClient({
      settings: {
        baseUrl: this.#url,
        apiVersion: 'v2.1',
        levels: [],
        requestsPerFiveMinutes: 1000,
        timeoutMs: 10_000,
        bodyBytesMax: 2 ** 24,
      },
      apiKey: async () => 'fake-key',
      clock: this.#clock,
      wait,
      signalAfter: this.#timeouts.signalAfter,
      random: this.#random,
    })
    const poller = new SourcePoller({
      source: new CognigyLogSource(client),
      cursors: life.cursors(this.#cursors()),
      sinks: [
        life.sink(this.#cloudwatchSink(life, wait)),
        life.sink(
          new StoreSink({
            store: this.#strictStore(),
            clock: this.#clock,
            tenant: 'fake',
            source: 'cognigy',
            lineBytesMax: 2 ** 18,
          }),
        ),
      ],
      projects: [PROJECT],
      clock: this.#clock,
      makeHolder: () => `run-${this.#holders++}`,
      settings: {
        overlapMs: 5 * MINUTE_MS,
        firstRunMs: 24 * 60 * MINUTE_MS,
        retentionMs: 24 * 60 * MINUTE_MS,
        runMs: 45_000,
        runRequestsMax: 200,
      },
    })
    const [outcome] = (await poller.poll()).outcomes
    this.#runs++
    this.#found += outcome?.found ?? 0
    if (life.isOver) this.#crashes++
    else if (outcome?.state === 'failed') this.#failedRuns++
    else if (outcome?.state === 'busy') this.#busyRuns++
    if (outcome?.error?.code === 'internal') throw outcome.error
    return outcome
  }

  /** The store detects duplicates too; here every duplicate append counts as doubled. */
  #strictStore(): LogStore {
    const append: LogStore['append'] = async (batch) => {
      const result = await this.#store.append(batch)
      this.#handedTwice += result.duplicates
      return result
    }
    return new Proxy(this.#store, { get: (store, name) => (name === 'append' ? append : bound(store, name)) })
  }

  #cursors(): CursorStore {
    if (this.#options.cursors === 'sqlite') return this.#sqliteCursors
    return new SsmCursors({
      client: this.#ssm.client,
      names: { lastTs: '/cognigy-last-ts-ms', cursor: '/cognigy-cursor', sequenceToken: '/cognigy-last-seq-token' },
      isShared: false,
      overlapMs: 5 * MINUTE_MS,
      doubtfulUntilMs: () => this.#clock.ms + 5 * MINUTE_MS,
    })
  }

  /** A process may also die in its calls: between two batches of one write. */
  #cloudwatchSink(life: Life, wait: (ms: number) => Promise<void>): LogSink {
    const client = this.#cloudwatch.client
    const send = (command: never) => life.step(() => client.send(command))
    return new CloudWatchSink({
      client: { send } as typeof client,
      group: 'cognigy-logs',
      streamOf: () => 'lambda-poller-stream',
      wait,
      random: this.#random,
    })
  }
}

function bound(store: object, name: string | symbol): unknown {
  const member = Reflect.get(store, name)
  return typeof member === 'function' ? member.bind(store) : member
}

/** A process: after its death its calls have no effect. */
class Life {
  isOver = false
  readonly #dies: () => boolean
  readonly #onWrite: () => void

  /** `onWrite` is called before each write to a sink. */
  constructor(dies: () => boolean, onWrite: () => void) {
    this.#dies = dies
    this.#onWrite = onWrite
  }

  async step<T>(work: () => Promise<T>): Promise<T> {
    this.#perhapsDie()
    const result = await work()
    this.#perhapsDie()
    return result
  }

  cursors(cursors: CursorStore): CursorStore {
    return {
      load: (project) => this.step(() => cursors.load(project)),
      claim: (project, loaded, lease) => this.step(() => cursors.claim(project, loaded, lease)),
      save: (project, revision, cursor, lease) => this.step(() => cursors.save(project, revision, cursor, lease)),
    }
  }

  sink(sink: LogSink): LogSink {
    return {
      name: sink.name,
      write: (project, entries, doubtful) => {
        this.#onWrite()
        return this.step(() => sink.write(project, entries, doubtful))
      },
    }
  }

  #perhapsDie(): void {
    this.isOver ||= this.#dies()
    if (this.isOver) throw new GatewayError('store_unavailable', 'the process is dead')
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      entries: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      walk: { type: 'string', default: 'forward' },
      cursor: { type: 'string', default: 'position' },
      cursors: { type: 'string', default: 'ssm' },
    },
  })
  const report = await runSoak({
    entries: Number(values.entries),
    seed: Number(values.seed),
    walk: values.walk === 'backward' ? 'backward' : 'forward',
    cursor: values.cursor === 'id' ? 'id' : 'position',
    cursors: values.cursors === 'sqlite' ? 'sqlite' : 'ssm',
  })
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  const { cloudwatch, store } = report
  process.exitCode = [cloudwatch, store].every((tally) => Object.values(tally).every((count) => count === 0)) ? 0 : 1
}
