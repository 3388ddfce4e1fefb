/** Runs a plan: lives of a gateway on one disk, clients that continue across them, and a model that checks every answer. */

import { createHash } from 'node:crypto'
import { ageWithinRetention, PUSH_LIMITS } from '../../src/domain/limits.ts'
import type { Control, Rule } from '../power/control.ts'
import type { Operation } from '../power/journal.ts'
import { STORE_SETTINGS } from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { Gateway, type GatewaySettings } from './gateway.ts'
import { useScheduler } from './machine.ts'
import { Model, type Moment } from './model.ts'
import type { Fault, FaultKind, LifePlan, Plan } from './plan.ts'
import { realTurn } from './real-turn.ts'
import { Scheduler, SimulatedClock } from './scheduler.ts'
import { type ShimFiles, Volume } from './volume.ts'
import { World } from './world.ts'

export interface Counts {
  pushes: number
  lines: number
  acknowledged: number
  queries: number
  tails: number
  starts: number
  kills: number
  cuts: number
  faults: Record<FaultKind, number>
  rotten: number
  /** Answers other than 2xx, and missing answers. */
  failures: number
}

export interface SimulationReport {
  readonly seed: number
  /** The faults, up to a limit; look at the first. */
  readonly violations: readonly string[]
  readonly counts: Counts
  /** Equal for the same plan and the same sources. */
  readonly digest: string
  readonly trace: readonly string[]
}

/** A day in the store's range of years, at noon. */
const START_MS = Date.UTC(2026, 10, 21, 12)
const EIO = 5
const SPACE_BYTES = 65_536
/** How often a failed start is retried before the faults end. */
const STARTS_FAILING_MAX = 3
const RESTART_MS = 1000
/** How long clients may take to deliver the rest once nothing fails any more. */
const DRAIN_MS = 3 * 3600_000
/** Enough for joins and retention. */
const UPKEEP_MS = 6000
const VIOLATIONS_MAX = 8
/** If no file changes for this many steps, the process is killed between two of them. */
const STEPS_TO_KILL_MAX = 20
/** The maximum number of joins before the one in which a life is killed. */
const JOINS_SPARED_MAX = 3
/** More steps than any plan takes: something loops. */
const STEPS_MAX = 400_000
/** The journal does not record how often they happened, so their periods are counted. */
const NOT_IN_JOURNAL = new Set<FaultKind>(['short-write', 'read-error', 'lost-answers'])
const NO_FAULTS: Record<FaultKind, number> = {
  'sync-error': 0,
  'write-error': 0,
  'short-write': 0,
  'truncate-error': 0,
  'open-error': 0,
  'read-error': 0,
  'disk-full': 0,
  'lost-answers': 0,
}

export function emptyCounts(): Counts {
  const counts = { pushes: 0, lines: 0, acknowledged: 0, queries: 0, tails: 0, starts: 0, kills: 0, cuts: 0 }
  return { ...counts, rotten: 0, failures: 0, faults: { ...NO_FAULTS } }
}

export async function simulate(plan: Plan, files: ShimFiles, control: Control): Promise<SimulationReport> {
  const simulation = new Simulation(plan, files, control)
  try {
    await simulation.run()
  } catch (error) {
    simulation.violate(`the simulation ended: ${error instanceof Error ? error.stack : error}`)
  } finally {
    simulation.end()
  }
  return simulation.report()
}

/** Ends the run of a plan at the first fault, because later ones would only confuse. */
class Violated extends Error {}

export class Simulation {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly clock: SimulatedClock
  readonly model = new Model()
  readonly counts = emptyCounts()
  readonly world: World
  gateway: Gateway | undefined
  /** The share of lost answers. */
  lostAnswers = 0
  /** The files have flipped bits. */
  isRotten = false
  readonly #volume: Volume
  readonly #random: Random
  readonly #violations: string[] = []
  readonly #trace: string[] = []
  /** Answers of the current step, which are sent at its end. */
  #outbox: (() => void)[] = []
  #lifeStartMs = 0

  constructor(plan: Plan, files: ShimFiles, control: Control) {
    this.plan = plan
    this.scheduler = new Scheduler(plan.seed)
    this.clock = new SimulatedClock(this.scheduler, START_MS)
    this.#volume = new Volume(files, control, plan.seed)
    this.#random = new Random(plan.seed ^ 0x5eed)
    this.world = new World(this)
    useScheduler(this.scheduler)
  }

  get now(): Moment {
    return this.scheduler.steps
  }

  note(text: string): void {
    this.#trace.push(`${this.scheduler.nowMs} ms, step ${this.now}: ${text}`)
  }

  violate(text: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(`${this.scheduler.nowMs} ms: ${text}`)
    this.note(`VIOLATION ${text}`)
  }

  /** Sends an answer at the end of the step, if the process still runs. */
  answer(send: () => void): void {
    this.#outbox.push(send)
  }

  async run(): Promise<void> {
    for (const life of this.plan.lives) {
      await this.#live(life)
      if (this.#violations.length > 0) return
    }
    await this.#conclude()
  }

  report(): SimulationReport {
    const digest = createHash('sha256').update(this.#trace.join('\n')).digest('hex')
    this.counts.acknowledged = this.model.keptCount
    return { seed: this.plan.seed, violations: this.#violations, counts: this.counts, digest, trace: this.#trace }
  }

  end(): void {
    this.#kill()
    useScheduler(undefined)
    this.#volume.close()
  }

  async #live(life: LifePlan): Promise<void> {
    const random = new Random(life.seed)
    for (let i = 0; i < life.startKills; i++) this.#killStart(random)
    this.#lifeStartMs = this.scheduler.nowMs
    if (!(await this.#start(life.faults))) return this.violate('no start works though nothing fails')
    this.world.began()
    for (const action of life.actions) {
      this.scheduler.after(action.atMs, 'gateway', () => this.world.act(action))
    }
    await this.#runUntil(life, random)
    if (life.cut !== undefined) {
      this.note(`the power fails (${life.cut})`)
      this.counts.cuts++
      this.#volume.cut(life.cut, random)
    }
    this.scheduler.after(life.downMs, 'world', () => undefined)
    const untilMs = this.scheduler.nowMs + life.downMs
    while (this.scheduler.nowMs < untilMs) await this.#step()
  }

  /** A process that starts and is killed at one of its file calls. */
  #killStart(random: Random): void {
    this.#volume.begin()
    try {
      this.gateway = this.#open()
    } catch (error) {
      this.#checkStartFailure(error)
    }
    const operations = this.#volume.pending()
    const kept = killPoint(operations, random)
    this.note(`killed in the start, before file call ${kept} of ${operations.length}`)
    this.#volume.apply(operations.slice(0, kept))
    this.counts.kills++
    this.#kill()
    if (random.chance(0.3)) {
      this.counts.cuts++
      this.#volume.cut('torn', random)
    }
  }

  #open(): Gateway {
    const { store, push, checkpointPages } = this.#settings()
    this.counts.starts++
    return new Gateway(this.#volume.dataDir, this.scheduler, this.clock, { store, push, checkpointPages })
  }

  #settings(): GatewaySettings {
    const { plan } = this
    const rate = plan.tenantBytesPerSecond
    const limits = {
      ...PUSH_LIMITS,
      lineBytesMax: 3000,
      tenantRate: rate === undefined ? undefined : { bytesPerSecond: rate, burstBytes: 100 * rate },
    }
    return {
      store: {
        ...STORE_SETTINGS,
        blockBytes: plan.blockBytes,
        queueBytesMax: plan.queueBytesMax,
        retentionMs: plan.retentionMs,
        duplicateWindowMs: 12 * 3600_000,
      },
      push: ageWithinRetention(limits, plan.retentionMs),
      checkpointPages: plan.checkpointPages,
    }
  }

  /** Starts a gateway on the disk as it is, as a supervisor does, until one start works. */
  async #start(faults: readonly Fault[]): Promise<boolean> {
    for (let tries = 0; tries <= STARTS_FAILING_MAX; tries++) {
      this.#volume.begin()
      this.#applyFaults(tries < STARTS_FAILING_MAX ? faults : [])
      try {
        this.gateway = this.#open()
        this.#planFaults(faults)
        this.note('started')
        return true
      } catch (error) {
        this.note('a start failed')
        this.#checkStartFailure(error)
        this.#volume.apply(this.#volume.pending())
        this.#kill()
        await this.#pass(RESTART_MS)
      }
    }
    return false
  }

  #checkStartFailure(error: unknown): void {
    const code = (error as { code?: unknown }).code
    if (code !== 'store_unavailable' && code !== 'store_damaged') this.violate(`a start fails with ${error}`)
  }

  /** Sets the current faults, and is called again when they change. */
  #planFaults(faults: readonly Fault[]): void {
    for (const { atMs, forMs } of faults) {
      for (const ms of [atMs, atMs + forMs]) {
        this.scheduler.after(this.#lifeStartMs + ms - this.scheduler.nowMs, 'gateway', () => this.#applyFaults(faults))
      }
    }
  }

  #applyFaults(faults: readonly Fault[]): void {
    const ms = this.scheduler.nowMs - this.#lifeStartMs
    const current = faults.filter(({ atMs, forMs }) => atMs <= ms && ms < atMs + forMs)
    this.#volume.rules = current.flatMap(({ kind, chance }) => ruleOf(kind, chance))
    const full = current.find(({ kind }) => kind === 'disk-full')
    this.#volume.space = full === undefined ? undefined : Math.floor(SPACE_BYTES * (1 - full.chance))
    this.lostAnswers = Math.min(0.7, current.find(({ kind }) => kind === 'lost-answers')?.chance ?? 0)
    for (const { kind } of current) if (NOT_IN_JOURNAL.has(kind)) this.counts.faults[kind]++
  }

  async #runUntil({ end }: LifePlan, random: Random): Promise<void> {
    const endMs = this.#lifeStartMs + end.atMs
    this.scheduler.after(Math.max(0, endMs - this.scheduler.nowMs), 'world', () => undefined)
    // Joins run while there are small blocks: one of the first few is interrupted.
    let joins = end.kind === 'kill' && end.place === 'join' ? 1 + random.integer(JOINS_SPARED_MAX + 1) : undefined
    while (this.scheduler.nowMs < endMs) {
      const before = this.#moment()
      await this.#step()
      if (joins !== undefined && this.#isJoin(before) && --joins === 0) return this.#killWithin(before.position, random)
    }
    if (end.kind === 'stop') return this.#stop()
    if (end.place === 'border') return this.#killNow(this.#volume.pending())
    // The next step that changes a file is interrupted; maintenance soon does, if nothing else.
    for (let tries = 0; tries < STEPS_TO_KILL_MAX; tries++) {
      const before = this.#moment()
      if (!(await this.scheduler.step())) break
      const isUpkeep = before.commits === this.gateway?.events.commits
      if (this.#volume.position === before.position || (end.place === 'upkeep' && !isUpkeep)) {
        await this.#flush()
        continue
      }
      return this.#killWithin(before.position, random)
    }
    return this.#killNow(this.#volume.pending())
  }

  /** Kills the process at one of the file calls after `position`, as if the rest of the step had not happened. */
  #killWithin(position: number, random: Random): void {
    const operations = this.#volume.pending()
    const first = operations.findIndex((operation) => operation.end > position)
    const kept = first + killPoint(operations.slice(first), random)
    this.note(`killed within a step, ${kept - first} of ${operations.length - first} file calls done`)
    this.#outbox = []
    this.#killNow(operations.slice(0, kept))
  }

  #moment(): { position: number; commits: number | undefined; blocks: number | undefined } {
    const { gateway } = this
    return {
      position: this.#volume.position,
      commits: gateway?.events.commits,
      blocks: gateway?.store.figures().blocks,
    }
  }

  /** True if maintenance has joined or removed blocks since. */
  #isJoin(before: { position: number; commits: number | undefined; blocks: number | undefined }): boolean {
    const now = this.#moment()
    return now.position > before.position && now.commits === before.commits && now.blocks !== before.blocks
  }

  #killNow(done: readonly Operation[]): void {
    this.note('killed')
    this.counts.kills++
    this.#countFaults(done)
    this.#volume.apply(done)
    this.#kill()
  }

  async #stop(): Promise<void> {
    let isClosed = false
    this.world.ending()
    void this.gateway?.close().then(
      () => {
        isClosed = true
      },
      (error) => {
        isClosed = true
        if (this.#violations.length === 0) this.note(`the close failed: ${error}`)
      },
    )
    await this.#until(() => isClosed)
    this.note('stopped')
    const done = this.#volume.pending()
    this.#countFaults(done)
    this.#volume.apply(done)
    this.#kill()
  }

  #countFaults(operations: readonly Operation[]): void {
    for (const { kind, error } of operations) {
      if (error === 0) continue
      const fault = error !== EIO ? 'disk-full' : FAULT_OF[kind]
      if (fault !== undefined) this.counts.faults[fault]++
    }
  }

  #kill(): void {
    this.#volume.rules = []
    this.#volume.space = undefined
    this.lostAnswers = 0
    this.#outbox = []
    this.scheduler.dropGateway()
    this.gateway?.abandon()
    this.gateway = undefined
    this.model.killed()
    this.world.killed()
  }

  async #step(): Promise<void> {
    if (!(await this.scheduler.step())) throw new Violated('nothing is left to do before its time')
    if (this.now > STEPS_MAX) throw new Violated(`${STEPS_MAX} steps, and no end`)
    await this.#flush()
  }

  async #flush(): Promise<void> {
    const outbox = this.#outbox
    if (outbox.length === 0) return
    this.#outbox = []
    for (const send of outbox) send()
    await realTurn()
  }

  async #pass(ms: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + ms
    this.scheduler.after(ms, 'world', () => undefined)
    while (this.scheduler.nowMs < untilMs) await this.#step()
  }

  /** Nothing fails any more: every client delivers the rest, and everything is checked, also after a restart. */
  async #conclude(): Promise<void> {
    if (this.plan.rottenBits > 0) return this.#concludeRotten()
    for (let restart = 0; restart < 2; restart++) {
      this.#lifeStartMs = this.scheduler.nowMs
      if (!(await this.#start([]))) return this.violate('no start works though nothing fails')
      this.world.began()
      await this.#drain()
      await this.#wait(this.world.checkEverything())
      if (this.#violations.length > 0) return
      await this.#stop()
      this.#volume.cut('none', this.#random)
    }
  }

  /** After bits have flipped, every query is answered or refused, and nothing is invented. */
  async #concludeRotten(): Promise<void> {
    this.isRotten = true
    this.counts.rotten++
    this.#volume.rot(this.#random, this.plan.rottenBits)
    this.note(`${this.plan.rottenBits} bits flip`)
    this.#volume.begin()
    this.world.giveUp()
    try {
      this.gateway = this.#open()
    } catch (error) {
      return this.#checkStartFailure(error)
    }
    await this.#wait(this.world.checkEverything())
  }

  async #drain(): Promise<void> {
    const untilMs = this.scheduler.nowMs + DRAIN_MS
    // Clients that retry for ever need a rate that admits them.
    while (this.world.isBusy) {
      if (this.scheduler.nowMs > untilMs) return this.violate(`clients wait ${DRAIN_MS} ms after the last fault`)
      await this.#step()
    }
    await this.#pass(UPKEEP_MS)
  }

  async #until(isOver: () => boolean): Promise<void> {
    for (;;) {
      await realTurn()
      if (isOver()) return
      await this.#step()
    }
  }

  async #wait(work: Promise<void>): Promise<void> {
    let isOver = false
    let failure: unknown
    work.then(
      () => {
        isOver = true
      },
      (error) => {
        isOver = true
        failure = error
      },
    )
    await this.#until(() => isOver)
    if (failure !== undefined) throw failure
  }
}

/** How many of the calls are executed. Often none after the last or another sync: then most is unsynced. */
function killPoint(operations: readonly Operation[], random: Random): number {
  const syncs = operations.flatMap(({ kind }, at) => (kind === 'sync' ? [at] : []))
  const roll = random.next()
  if (syncs.length > 0 && roll < 0.4) return syncs.at(-1) as number
  if (syncs.length > 0 && roll < 0.6) return random.pick(syncs)
  return random.integer(operations.length + 1)
}

const FAULT_OF: Partial<Record<Operation['kind'], FaultKind>> = {
  sync: 'sync-error',
  write: 'write-error',
  truncate: 'truncate-error',
  open: 'open-error',
}

function ruleOf(kind: FaultKind, chance: number): Rule[] {
  switch (kind) {
    case 'sync-error':
      return [{ action: 'fail', kinds: ['sync', 'sync-folder'], chance, value: EIO }]
    case 'write-error':
      return [{ action: 'fail', kinds: ['write'], chance, value: EIO }]
    case 'short-write':
      return [{ action: 'short', kinds: ['write'], chance: Math.min(chance, 0.3) }]
    case 'truncate-error':
      return [{ action: 'fail', kinds: ['truncate', 'rename', 'unlink'], chance, value: EIO }]
    case 'open-error':
      return [{ action: 'fail', kinds: ['open'], chance, value: EIO }]
    case 'read-error':
      return [{ action: 'fail', kinds: ['read'], chance: Math.min(chance, 0.1), value: EIO }]
    case 'disk-full':
    case 'lost-answers':
      return []
  }
}
