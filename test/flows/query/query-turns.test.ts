import t from 'tap'
import { type EventLoop, QueryTurns, UNSHARED } from '../../../src/flows/query/query-turns.ts'
import type { Slices } from '../../../src/kit/slices.ts'

/** An event loop that the test runs, with a clock that the work advances. */
class HandLoop implements EventLoop {
  ms = 0
  rounds = 0
  readonly #next: (() => void)[] = []

  nowMs(): number {
    return this.ms
  }

  afterOthers(run: () => void): void {
    this.#next.push(run)
  }

  /** Runs until nothing is left to do. */
  async turn(): Promise<void> {
    for (;;) {
      // Promises settle before the next iteration.
      await new Promise<void>((resolve) => setImmediate(resolve))
      const run = this.#next.shift()
      if (run === undefined) return
      this.rounds++
      run()
    }
  }
}

/** Work with this many slices, each of this duration, which logs its name. */
function* work(loop: HandLoop, log: string[], name: string, slices: number, ms: number): Slices<string> {
  for (let i = 0; i < slices; i++) {
    loop.ms += ms
    log.push(name)
    if (i < slices - 1) yield
  }
  return name
}

t.test('work runs in turns of some milliseconds, with an iteration of the event loop between them', async (t) => {
  const loop = new HandLoop()
  const log: string[] = []
  const result = new QueryTurns(loop).open('a').run(work(loop, log, 'a', 20, 1))
  await loop.turn()
  t.equal(await result, 'a')
  t.equal(log.length, 20)
  t.equal(loop.rounds, 5, 'four slices of a millisecond each in a turn')
})

t.test('tenants take turns, however many queries each has', async (t) => {
  const loop = new HandLoop()
  const log: string[] = []
  const turns = new QueryTurns(loop)
  const all = ['a1', 'a2', 'a3', 'b1'].map((name) => turns.open(name.charAt(0)).run(work(loop, log, name, 3, 10)))
  await loop.turn()
  await Promise.all(all)
  t.strictSame(log, ['a1', 'b1', 'a2', 'b1', 'a3', 'b1', 'a1', 'a2', 'a3', 'a1', 'a2', 'a3'])
})

t.test('a pause within a turn does not end it', async (t) => {
  const loop = new HandLoop()
  const turn = new QueryTurns(loop).open('a')
  const first = turn.pause()
  await loop.turn()
  await first
  await turn.pause()
  t.equal(loop.rounds, 1)
  loop.ms += 10
  const second = turn.pause()
  await loop.turn()
  await second
  t.equal(loop.rounds, 2)
})

t.test('a query that is aborted ends at its next turn, and the others go on', async (t) => {
  const loop = new HandLoop()
  const log: string[] = []
  const turns = new QueryTurns(loop)
  const abort = new AbortController()
  const stopped = turns.open('a', abort.signal).run(work(loop, log, 'a', 100, 10))
  const other = turns.open('b').run(work(loop, log, 'b', 2, 10))
  abort.abort(new Error('time is up'))
  await Promise.all([loop.turn(), t.rejects(stopped, /time is up/)])
  t.equal(await other, 'b')
  t.strictSame(log, ['b', 'b'])
})

t.test('errors of the work are rethrown', async (t) => {
  const loop = new HandLoop()
  function* broken(): Slices<void> {
    yield
    throw new Error('broken')
  }
  const result = new QueryTurns(loop).open('a').run(broken())
  await Promise.all([loop.turn(), t.rejects(result, /broken/)])
  await t.rejects(UNSHARED.run(broken()), /broken/)
})
