import fc from 'fast-check'
import t from 'tap'
import { makeMonotonic } from '../../src/kit/monotonic.ts'

interface Machine {
  wall: number
  steady: number
}

function machine(): { at: Machine; read: () => number } {
  const at = { wall: 1_000_000, steady: 50 }
  return {
    at,
    read: makeMonotonic(
      () => at.wall,
      () => at.steady,
    ),
  }
}

const ROWS: readonly [name: string, steps: readonly (readonly [wall: number, steady: number])[], passedMs: number][] = [
  [
    'both clocks run',
    [
      [5000, 5000],
      [700, 700],
    ],
    5700,
  ],
  [
    'the wall clock is set back',
    [
      [100, 100],
      [-3_600_000, 20],
    ],
    120,
  ],
  [
    'the wall clock runs on after it was set back',
    [
      [-3_600_000, 0],
      [250, 250],
    ],
    250,
  ],
  ['the machine is suspended for an hour', [[3_600_010, 10]], 3_600_010],
  ['the wall clock is set forward', [[60_000, 5]], 60_000],
  [
    'the clocks differ by a little',
    [
      [1020, 1000],
      [980, 1000],
    ],
    2000,
  ],
]
for (const [name, steps, passedMs] of ROWS) {
  t.test(`${name}: ${passedMs} ms passed`, async (t) => {
    const { at, read } = machine()
    const began = read()
    let last = began
    for (const [wall, steady] of steps) {
      at.wall += wall
      at.steady += steady
      last = read()
    }
    t.equal(last - began, passedMs)
  })
}

t.test('with any clocks, it never goes backwards and counts at least the steady time', async () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: -1e12, max: 1e12 }), fc.integer({ min: 0, max: 1e9 })))
  fc.assert(
    fc.property(steps, (moves) => {
      const { at, read } = machine()
      let last = read()
      for (const [wall, steady] of moves) {
        at.wall += wall
        at.steady += steady
        const next = read()
        if (next < last + steady) return false
        last = next
      }
      return true
    }),
  )
})
