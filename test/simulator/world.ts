/** Everything outside the gateway: clients that push, users that query, and the comparison of each answer with the model. */

import { formatLabels } from '../../src/domain/labels.ts'
import type { MetricResult, ResultStream } from '../../src/domain/query-result.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import type { PushOutcome } from '../../src/flows/push/accept-push.ts'
import type { TailFrame } from '../../src/flows/query/tail-logs.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { LogExpr, MetricExpr } from '../../src/logql/parse/syntax.ts'
import { readAll } from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { CLIENT, type Status } from './clients.ts'
import { type Gateway, statusOf } from './gateway.ts'
import { covers, type Entry, type ModelDeletion, type Moment, nameOf, type Range } from './model.ts'
import { type Action, APPS, TENANTS, WORD } from './plan.ts'
import { type MadePush, makePush } from './pushes.ts'
import type { Simulation } from './simulation.ts'

/** How long a client waits for an answer. */
const ANSWER_MS = 60_000
const NETWORK_MS = 4
/** Within these bounds a line is never more than ten minutes in the future, which a push allows. */
const CLOCK_OFFSET_MS_MAX = 290_000

type Kind<K extends Action['kind']> = Extract<Action, { kind: K }>

interface OpenTail {
  readonly range: Range
  readonly from: Moment
  readonly counts: Map<string, number>
  hasGap: boolean
}

export class World {
  readonly #simulation: Simulation
  /** Clients with pushes left to send. */
  #busy = 0
  #isOver = false
  /** Rises when everything that clients hold becomes too old for the duplicate window. */
  #epoch = 0
  /** Requests in progress: what their clients get when the gateway dies. */
  readonly #open = new Set<() => void>()
  readonly #tails = new Set<OpenTail>()
  readonly #pushed: Entry[] = []
  /** By query: the version that the gateway returned, and the answer. */
  readonly #answers = new Map<string, { readonly version: string; readonly digest: string }>()
  #numbers = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  get isBusy(): boolean {
    return this.#busy > 0 || this.#open.size > 0
  }

  /** Stops the clients: what they hold is lost. */
  giveUp(): void {
    this.#isOver = true
  }

  /** A gateway has started: its state is compared with earlier answers. */
  began(): void {
    const { model, now } = this.#simulation
    this.#expire()
    const listed = new Set(this.#gateway.store.deletions.list().map(({ id }) => id))
    for (const deletion of model.deletions) {
      const isListed = listed.has(deletion.id)
      if (deletion.cancelled !== undefined) {
        if (isListed) this.#violate(`the deletion ${deletion.id} was cancelled and is there again`)
      } else if (isListed) {
        deletion.acknowledged ??= now
        deletion.cancelSent = undefined
      } else if (deletion.acknowledged !== undefined && deletion.cancelSent === undefined) {
        this.#violate(`the deletion ${deletion.id} was acknowledged and is lost`)
      } else deletion.cancelled = now
    }
  }

  /** The gateway is about to stop cleanly: tails end first. */
  ending(): void {
    this.#tails.clear()
  }

  killed(): void {
    this.#answers.clear()
    this.#tails.clear()
    const open = [...this.#open]
    this.#open.clear()
    for (const fail of open) fail()
  }

  act(action: Action): void {
    const random = new Random(action.seed)
    switch (action.kind) {
      case 'push':
        this.#push(action, random)
        break
      case 'query':
        void this.#query(action, random)
        break
      case 'measure':
        void this.#measure(action)
        break
      case 'tail':
        void this.#tail(action)
        break
      case 'delete':
        void this.#delete(action, random)
        break
      case 'cancel':
        void this.#cancel(action)
        break
      case 'process':
        void this.#process()
        break
      case 'set-clock':
        this.#setClock(action)
        break
      case 'sleep':
        this.#sleep(action)
        break
    }
  }

  get #gateway(): Gateway {
    const { gateway } = this.#simulation
    if (gateway === undefined) throw new Error('BUG: there is no gateway')
    return gateway
  }

  #violate(text: string): void {
    this.#simulation.violate(text)
  }

  #note(text: string): void {
    this.#simulation.note(text)
  }

  // ---- pushes ----

  #push(action: Kind<'push'>, random: Random): void {
    const { scheduler, counts } = this.#simulation
    const push = makePush(action, random, {
      nowMs: this.#simulation.clock.nowMs(),
      number: this.#numbers++,
      earlier: this.#pushed,
    })
    const known = push.entries.map((entry) => this.#simulation.model.entry(entry))
    this.#pushed.push(...known)
    counts.pushes++
    counts.lines += known.length
    this.#busy++
    const epoch = this.#epoch
    const wire = {
      send: () => this.#send(push, known, random, epoch),
      sleep: (ms: number) => scheduler.sleep(ms),
      isOver: () => this.#isOver || epoch !== this.#epoch,
    }
    void CLIENT[action.client](wire, random).then(
      () => this.#busy--,
      (error) => this.#violate(`a client ended: ${error}`),
    )
  }

  /** Sends a push once; its answer may be lost. */
  #send(push: MadePush, entries: readonly Entry[], random: Random, epoch: number): Promise<Status> {
    const { scheduler, counts, model } = this.#simulation
    return new Promise((resolve) => {
      let isAnswered = false
      const answer = (status: Status): void => {
        if (isAnswered) return
        isAnswered = true
        stopWaiting()
        if (status < 200 || status > 299) counts.failures++
        resolve(status)
      }
      const stopWaiting = scheduler.after(ANSWER_MS, 'world', () => answer(0))
      scheduler.after(random.integer(NETWORK_MS), 'world', () => {
        if (this.#simulation.gateway === undefined || epoch !== this.#epoch) return answer(0)
        model.sent(entries, this.#simulation.now)
        const isLost = random.chance(this.#simulation.lostAnswers)
        const request = { ...push.request, streams: push.streams(this.#simulation.clock.nowMs()) }
        this.#ask(
          () => this.#gateway.push(request),
          (outcome) => {
            model.worked(entries)
            const status = outcome === undefined ? 0 : this.#judgePush(push, entries, outcome)
            if (!isLost) scheduler.after(random.integer(NETWORK_MS), 'world', () => answer(status))
          },
        )
      })
    })
  }

  /**
   * Queries the gateway. `settle` gets the result, the status of an error, or undefined if the process died: when the answer
   * is sent, at the end of the step.
   */
  #ask<T>(work: () => Promise<T>, settle: (result: T | Status | undefined) => void): void {
    const simulation = this.#simulation
    const fail = (): void => settle(undefined)
    this.#open.add(fail)
    const send = (result: T | Status): void =>
      simulation.answer(() => {
        if (this.#open.delete(fail)) settle(result)
      })
    work().then(send, (error) => {
      let status = 500
      try {
        status = statusOf(error)
      } catch {
        this.#violate(`an error that no client should see: ${error instanceof Error ? error.stack : error}`)
      }
      send(status)
    })
  }

  #judgePush(push: MadePush, entries: readonly Entry[], outcome: PushOutcome | Status): Status {
    const { model, now } = this.#simulation
    if (typeof outcome === 'number') {
      this.#note(`push ${push.number} is answered ${outcome}`)
      return outcome
    }
    const wrong = entries.filter(({ isWrong }) => isWrong).length
    const { accepted, refusals, duplicates } = outcome
    this.#note(
      `push ${push.number} is answered: ${accepted} accepted, ${duplicates} duplicates, ${refusals.entries} refused`,
    )
    if (accepted + refusals.entries !== entries.length || refusals.entries !== wrong) {
      this.#violate(
        `push ${push.number}: of ${entries.length} lines, ${wrong} to be refused, ${accepted} were accepted and ${refusals.entries} refused`,
      )
    }
    model.acknowledged(entries, now)
    return refusals.entries > 0 ? 400 : 204
  }

  // ---- questions ----

  #query(action: Kind<'query'>, random: Random): Promise<void> {
    const { tenant, app, isFiltered, isForward, limit } = action
    const nowNs = BigInt(this.#simulation.clock.nowMs()) * 1_000_000n
    const end = action.range && nowNs - BigInt(action.range.ageMs) * 1_000_000n
    const start = end && end - BigInt(action.range.ms) * 1_000_000n
    return this.#look({ tenant, app, isFiltered, start, end }, isForward, limit, action.isAborted ? random : undefined)
  }

  async #look(range: Range, isForward: boolean, limit: number, abort?: Random): Promise<void> {
    const { model, now: from, scheduler } = this.#simulation
    const expr = parseExpr(textOf(range)) as LogExpr
    const span = { tenant: range.tenant, start: range.start ?? NS_MIN, end: range.end ?? NS_MAX }
    const direction = isForward ? ('forward' as const) : ('backward' as const)
    const request = { ...span, expr, limit, direction, intervalNs: 0n }
    const controller = new AbortController()
    if (abort !== undefined) scheduler.after(abort.integer(3), 'gateway', () => controller.abort(new Error('enough')))
    const certain = model.entries(range).filter((entry) => model.isCertain(entry, from, from + 1))
    const version = this.#gateway.reader.version(span)
    const answer = await this.#answered(() => this.#gateway.query(request, controller.signal), abort !== undefined)
    if (answer === undefined) return
    const isSame = version !== undefined && version === this.#simulation.gateway?.reader.version(span)
    this.#checkAnswer({ range, isForward, limit, from, certain }, answer)
    if (isSame)
      this.#checkVersion(
        `${textOf(range)} ${range.tenant} ${range.start} ${range.end} ${limit} ${isForward}`,
        version,
        answer,
      )
  }

  /** The result; undefined after an allowed error or if the process died. */
  #answered<T extends object>(work: () => Promise<T>, isAborted = false): Promise<T | undefined> {
    this.#simulation.counts.queries++
    return new Promise((resolve) => {
      const guarded = (): Promise<T | Status> =>
        work().catch((error) => {
          if (isAborted && error instanceof Error && error.message === 'enough') return 499
          throw error
        })
      this.#ask<T | Status>(guarded, (result) => {
        if (typeof result === 'number') this.#note(`a question is answered ${result}`)
        resolve(typeof result === 'object' ? result : undefined)
      })
    })
  }

  #checkAnswer(
    {
      range,
      isForward,
      limit,
      from,
      certain,
    }: { range: Range; isForward: boolean; limit: number; from: Moment; certain: Entry[] },
    streams: readonly ResultStream[],
  ): void {
    const { model, now } = this.#simulation
    const found = new Map<Entry, bigint>()
    const what = `${textOf(range)} of ${range.tenant}`
    let count = 0
    for (const { labels, entries } of streams) {
      const key = formatLabels(labels)
      let last: Entry | undefined
      let lastNs: bigint | undefined
      for (const { ns, line, metadata } of entries) {
        count++
        const entry = model.find(nameOf(range.tenant, key, ns, line, JSON.stringify(metadata)))
        if (entry === undefined) {
          this.#violate(`${what}: a line that was never sent: ${key} ${ns} ${line.slice(0, 60)}`)
          continue
        }
        if (found.has(entry)) this.#violate(`${what}: twice: ${shown(entry)}`)
        found.set(entry, ns)
        if (!this.#simulation.isRotten && !model.isPossible(entry, from, now))
          this.#violate(`${what}: is not to be there: ${shown(entry)}, ${why(model.deletions, entry)}`)
        if (lastNs !== undefined && (isForward ? ns < lastNs : ns > lastNs))
          this.#violate(`${what}: out of order: ${shown(entry)}`)
        const [first, second] = isForward ? [last, entry] : [entry, last]
        if (first !== undefined && second !== undefined && lastNs === ns && !arrivedInOrder(first, second)) {
          this.#violate(`${what}: ${shown(second)} came before ${shown(first)}, and is shown as if behind it`)
        }
        last = entry
        lastNs = ns
      }
    }
    this.#note(`${what}${isForward ? ' forward' : ''}: ${count} lines`)
    if (count > limit) this.#violate(`${what}: ${count} lines for a limit of ${limit}`)
    const border = count < limit ? undefined : borderOf([...found.values()], isForward)
    if (!this.#simulation.isRotten) {
      for (const entry of certain) {
        if (found.has(entry) || !model.isCertain(entry, from, now)) continue
        if (border !== undefined && (entry.ns === undefined || (isForward ? entry.ns >= border : entry.ns <= border)))
          continue
        if (entry.ns === undefined && (range.start !== undefined || range.end !== undefined)) continue
        this.#violate(
          `${what}: is missing: ${shown(entry)}, ${entry.acknowledged === undefined ? 'shown' : 'acknowledged'} before`,
        )
      }
    }
    for (const entry of found.keys()) model.shown(entry, now)
  }

  /** The same query at the same version has the same answer. */
  #checkVersion(question: string, version: string, answer: readonly ResultStream[]): void {
    const digest = JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    const before = this.#answers.get(question)
    if (before?.version === version && before.digest !== digest)
      this.#violate(`${question}: another answer at the same version`)
    this.#answers.set(question, { version, digest })
  }

  async #measure({ tenant, app, isFiltered }: Kind<'measure'>): Promise<void> {
    const { model, now: from, clock } = this.#simulation
    const range = { tenant, app, isFiltered, start: undefined, end: undefined }
    const certain = model.entries(range).filter((entry) => model.isCertain(entry, from, from + 1))
    // A day ahead: later than any line may be.
    const time = BigInt(clock.nowMs() + 24 * 3600_000) * 1_000_000n
    const expr = parseExpr(`sum(count_over_time(${textOf(range)}[60d]))`) as MetricExpr
    const request = { tenant, expr, time: { kind: 'instant' as const, time } }
    const result = await this.#answered(() => this.#gateway.measure(request, new AbortController().signal))
    if (result === undefined || this.#simulation.isRotten) return
    const count = countOf(result)
    const { now } = this.#simulation
    const least = certain.filter((entry) => model.isCertain(entry, from, now)).length
    const most = model.entries(range).filter((entry) => model.isPossible(entry, from, now)).length
    this.#note(`${textOf(range)} of ${tenant}: a count of ${count}`)
    if (count < least || count > most)
      this.#violate(`${textOf(range)} of ${tenant} counts ${count}: not from ${least} to ${most}`)
  }

  async #tail({ tenant, app, forMs }: Kind<'tail'>): Promise<void> {
    const { clock, scheduler, counts } = this.#simulation
    counts.tails++
    const range = { tenant, app, isFiltered: false, start: undefined, end: undefined }
    const tail: OpenTail = { range, from: this.#simulation.now, counts: new Map(), hasGap: false }
    const nowMs = clock.nowMs()
    const request = { tenant, query: parseExpr(textOf(range)) as LogExpr, start: NS_MIN, limit: 5, delayMs: 0, nowMs }
    const stop = await this.#answered(async () => ({
      stop: await this.#gateway.tail(request, (frame) => this.#readFrame(tail, frame)),
    }))
    if (stop === undefined) return
    this.#tails.add(tail)
    scheduler.after(forMs, 'gateway', () => {
      const { now } = this.#simulation
      stop.stop()
      if (this.#tails.delete(tail)) this.#checkTail(tail, now)
    })
  }

  #readFrame(tail: OpenTail, { entries, dropped }: TailFrame): void {
    if (dropped.length > 0) tail.hasGap = true
    const { model } = this.#simulation
    for (const { labels, ns, line, metadata } of entries) {
      const name = nameOf(tail.range.tenant, formatLabels(labels), ns, line, JSON.stringify(metadata))
      const entry = model.find(name)
      if (entry === undefined || entry.isWrong)
        this.#violate(`a tail shows a line that was never sent: ${line.slice(0, 60)}`)
      tail.counts.set(name, (tail.counts.get(name) ?? 0) + 1)
    }
  }

  #checkTail(tail: OpenTail, now: Moment): void {
    const { model } = this.#simulation
    let count = 0
    for (const entry of model.entries(tail.range)) {
      const times = tail.counts.get(entry.name) ?? 0
      count += times
      const isNew = entry.firstSent > tail.from && entry.acknowledged !== undefined && entry.acknowledged < now - 1
      if (isNew && times === 0 && !tail.hasGap) this.#violate(`a tail misses ${shown(entry)}`)
      if (times > 1 && entry.firstSent === entry.lastSent) this.#violate(`a tail shows ${times} times: ${shown(entry)}`)
    }
    this.#note(`a tail of ${tail.range.tenant} ends with ${count} lines`)
  }

  // ---- deletions, clock ----

  async #delete({ tenant, app, isFiltered }: Kind<'delete'>, random: Random): Promise<void> {
    const { model, now, clock } = this.#simulation
    const nowNs = BigInt(clock.nowMs()) * 1_000_000n
    const end = nowNs - BigInt(random.integer(10_000)) * 1_000_000n
    const id = `d${this.#numbers++}`
    const deletion: ModelDeletion = {
      id,
      tenant,
      app,
      isFiltered,
      end,
      sent: now,
      acknowledged: undefined,
      cancelSent: undefined,
      cancelled: undefined,
      processed: undefined,
    }
    model.deletions.push(deletion)
    const query = textOf({ tenant, app, isFiltered, start: undefined, end })
    const order = { id, tenant, query, start: NS_MIN, end }
    this.#ask(
      () => this.#gateway.requestDeletion(order),
      (status) => {
        if (isRefused(status)) deletion.cancelled = this.#simulation.now
        else if (typeof status !== 'number' && this.#simulation.gateway !== undefined && this.#isListed(id))
          deletion.acknowledged = this.#simulation.now
        this.#note(
          `the deletion ${id} is answered ${status ?? (deletion.acknowledged === undefined ? 'not at all' : 204)}`,
        )
      },
    )
  }

  #isListed(id: string): boolean {
    return this.#gateway.store.deletions.list().some((each) => each.id === id)
  }

  async #cancel({ tenant }: Kind<'cancel'>): Promise<void> {
    const { model } = this.#simulation
    const deletion = model.deletions.find(
      (each) =>
        each.tenant === tenant &&
        each.acknowledged !== undefined &&
        each.cancelSent === undefined &&
        each.processed === undefined,
    )
    if (deletion === undefined) return
    deletion.cancelSent = this.#simulation.now
    this.#ask(
      () => this.#gateway.cancelDeletion(tenant, deletion.id).then(() => true),
      (done) => {
        if (isRefused(done)) deletion.cancelSent = undefined
        else if (done === true) deletion.cancelled = this.#simulation.now
        this.#note(`the deletion ${deletion.id} is ${done === true ? '' : 'not '}cancelled`)
      },
    )
  }

  #process(): Promise<void> {
    const { model, clock, now: began } = this.#simulation
    const isDone = (id: string): boolean =>
      this.#gateway.store.deletions.list().some((each) => each.id === id && each.isProcessed)
    return new Promise((resolve) => {
      this.#ask(
        () => this.#gateway.processDeletions(),
        () => {
          if (this.#simulation.gateway !== undefined) {
            for (const deletion of model.deletions) {
              if (deletion.processed === undefined && deletion.cancelled === undefined && isDone(deletion.id)) {
                model.processed(deletion, began, this.#simulation.now)
                this.#note(`the deletion ${deletion.id} is done at ${clock.nowMs()}`)
              }
            }
          }
          resolve()
        },
      )
    })
  }

  #setClock({ ms }: Kind<'set-clock'>): void {
    const { clock } = this.#simulation
    clock.offsetMs = Math.min(CLOCK_OFFSET_MS_MAX, Math.max(-CLOCK_OFFSET_MS_MAX, clock.offsetMs + ms))
    this.#note(`the clock is set by ${ms} ms`)
    this.#expire()
  }

  /** Only when nothing is in flight: a retry after a day may be stored twice. */
  #sleep({ hours }: Kind<'sleep'>): void {
    const { scheduler } = this.#simulation
    if (this.#open.size > 0) return
    this.#epoch++
    scheduler.jump(hours * 3600_000)
    this.#note(`${hours} hours pass`)
    this.#expire()
  }

  /** Called when the wall clock jumps forward. */
  #expire(): void {
    const { plan, clock, model } = this.#simulation
    // A life is far shorter than an hour.
    if (plan.retentionMs !== undefined) model.expired(BigInt(clock.nowMs() + 3600_000 - plan.retentionMs) * 1_000_000n)
  }

  // ---- in the end ----

  /** Queries everything in both directions, and checks the store's own figures. */
  async checkEverything(): Promise<void> {
    for (const tenant of TENANTS) {
      const range = { tenant, app: undefined, isFiltered: false, start: undefined, end: undefined }
      await this.#look(range, true, 5000)
      await this.#look(range, false, 5000)
      for (const app of APPS) await this.#measure({ kind: 'measure', tenant, app, isFiltered: false, atMs: 0, seed: 0 })
    }
    if (this.#simulation.isRotten) return
    await this.#checkFigures()
    const trouble = this.#gateway.store.trouble()
    if (trouble !== undefined) this.#violate(`the store is in trouble though nothing fails: ${trouble}`)
    if (this.#gateway.store.figures().queueBytes !== 0) this.#violate('something waits in the queue, and nobody for it')
  }

  async #checkFigures(): Promise<void> {
    const { store } = this.#gateway
    const all = await this.#answered(async () => ({
      entries: (await Promise.all(TENANTS.map((tenant) => readAll(store, { tenant })))).flat(),
    }))
    const found = all?.entries.length ?? 0
    const { entries } = store.figures()
    if (all !== undefined && entries !== found) this.#violate(`the store counts ${entries} entries and has ${found}`)
  }
}

function textOf({ app, isFiltered }: Range): string {
  return `{app=${app === undefined ? '~".+"' : `"${app}"`}}${isFiltered ? ` |= "${WORD}"` : ''}`
}

function shown({ key, ns, line }: Entry): string {
  return `${key} ${ns} ${line.slice(0, 40)}`
}

function why(deletions: readonly ModelDeletion[], entry: Entry): string {
  if (entry.isWrong) return 'to be refused'
  if (entry.isErased) return 'erased'
  const deletion = deletions.find((each) => each.cancelled === undefined && covers(each, entry))
  return deletion === undefined ? 'not sent yet' : `deleted by ${deletion.id}`
}

/** True for an answer that means "no". After a 5xx the request may have been carried out, which the next start shows. */
function isRefused(answer: unknown): boolean {
  return typeof answer === 'number' && answer < 500
}

/** False if the first certainly arrived after the second. */
function arrivedInOrder(first: Entry, second: Entry): boolean {
  if (first.isShared || second.isShared || second.acknowledged === undefined) return true
  return first.firstSent <= second.acknowledged
}

/** The time up to which a full answer is complete. */
function borderOf(times: readonly bigint[], isForward: boolean): bigint | undefined {
  return times.reduce<bigint | undefined>((border, ns) => {
    if (border === undefined) return ns
    return (isForward ? ns > border : ns < border) ? ns : border
  }, undefined)
}

function countOf(result: MetricResult): number {
  return result.kind === 'vector' ? (result.samples[0]?.value ?? 0) : Number.NaN
}
