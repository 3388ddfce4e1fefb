/**
 * One thread with its own clock: everything that waits, for a time or for a turn, is a task, and a seed decides which of
 * the due tasks runs first. Only tasks that say so take time.
 */

import type { Clock } from '../../src/ports/log-store.ts'
import { Random } from '../support/random.ts'
import { realTurn } from './real-turn.ts'

/** The owner of a task: the gateway's tasks end with its process. */
export type Owner = 'gateway' | 'world'

interface Task {
  atMs: number
  /** Among tasks of equal time, the lowest runs first. */
  readonly rank: number
  readonly number: number
  readonly owner: Owner
  readonly run: () => void
}

/** The share of turns of the event loop that take some milliseconds, so that others come in between. */
const SLOW_TURN_SHARE = 0.15
const SLOW_TURN_MS_MAX = 4

export class Scheduler {
  readonly #random: Random
  #tasks: Task[] = []
  #nowMs = 0
  #made = 0
  #ran = 0

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** Milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Number of tasks that ran. */
  get steps(): number {
    return this.#ran
  }

  /** Runs `run` after `ms` milliseconds, unless the returned function is called first. */
  after(ms: number, owner: Owner, run: () => void): () => void {
    const task = { atMs: this.#nowMs + ms, rank: this.#random.next(), number: this.#made++, owner, run }
    push(this.#tasks, task)
    return () => {
      remove(this.#tasks, task)
    }
  }

  /** The gateway's `setImmediate`. */
  turn(owner: Owner, run: () => void): () => void {
    const ms = this.#random.chance(SLOW_TURN_SHARE) ? this.#random.integer(SLOW_TURN_MS_MAX) : 0
    return this.after(ms, owner, run)
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, 'world', resolve))
  }

  /** Runs the next task and everything that follows from it without waiting; false if no task is left. */
  async step(): Promise<boolean> {
    const task = pop(this.#tasks)
    if (task === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, task.atMs)
    this.#ran++
    task.run()
    await realTurn()
    return true
  }

  /** The process is gone, with its tasks. */
  dropGateway(): void {
    this.#tasks = this.#tasks.filter(({ owner }) => owner !== 'gateway')
    heapify(this.#tasks)
  }

  /** Lets time pass while nothing runs. */
  jump(ms: number): void {
    this.#nowMs += ms
    for (const task of this.#tasks) task.atMs += ms
  }
}

/** The gateway's clock. `offsetMs` moves the time of day, as an administrator or NTP does. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler
  readonly #startMs: number
  offsetMs = 0

  constructor(scheduler: Scheduler, startMs: number) {
    this.#scheduler = scheduler
    this.#startMs = startMs
  }

  nowMs(): number {
    return this.#startMs + this.#scheduler.nowMs + this.offsetMs
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && (a.rank < b.rank || (a.rank === b.rank && a.number < b.number)))
}

/** A binary heap: the first task runs next. */
function push(heap: Task[], task: Task): void {
  heap.push(task)
  rise(heap, heap.length - 1)
}

function pop(heap: Task[]): Task | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (last !== undefined && heap.length > 0) {
    heap[0] = last
    sink(heap, 0)
  }
  return first
}

function remove(heap: Task[], task: Task): void {
  const at = heap.indexOf(task)
  if (at < 0) return
  heap.splice(at, 1)
  heapify(heap)
}

function heapify(heap: Task[]): void {
  for (let i = heap.length >> 1; i >= 0; i--) sink(heap, i)
}

function rise(heap: Task[], from: number): void {
  for (let at = from; at > 0; ) {
    const parent = (at - 1) >> 1
    if (!isBefore(heap[at] as Task, heap[parent] as Task)) return
    swap(heap, at, parent)
    at = parent
  }
}

function sink(heap: Task[], from: number): void {
  for (let at = from; ; ) {
    let least = at
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && isBefore(heap[child] as Task, heap[least] as Task)) least = child
    }
    if (least === at) return
    swap(heap, at, least)
    at = least
  }
}

function swap(heap: Task[], i: number, j: number): void {
  const task = heap[i] as Task
  heap[i] = heap[j] as Task
  heap[j] = task
}
