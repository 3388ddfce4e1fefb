import fc from 'fast-check'
import t from 'tap'
import { finishSlices } from '../../../src/kit/slices.ts'
import { NeedleAutomaton, unitsOf } from '../../../src/logql/regexp/needles.ts'

const UTF8 = new TextEncoder()

/** The end of the first needle to end in the text, by brute force. */
function slowEnd(text: string, needles: readonly string[]): number {
  for (let end = 1; end <= text.length; end++) {
    if (needles.some((needle) => text.slice(0, end).endsWith(needle))) return end
  }
  return -1
}

const letters = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength })

t.test('finds the first needle to end, in bytes and in texts', async (t) => {
  const property = fc.property(fc.array(letters(6), { minLength: 1 }), letters(60), (needles, text) => {
    const bytes = finishSlices(NeedleAutomaton.make(needles.map((needle) => UTF8.encode(needle))))
    const units = finishSlices(NeedleAutomaton.make(needles.map(unitsOf)))
    const end = slowEnd(text, needles)
    return bytes.findEnd(UTF8.encode(text), 0, text.length) === end && units.isIn(text) === end >= 0
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
})

t.test('searches only the given range', async (t) => {
  const automaton = finishSlices(NeedleAutomaton.make([UTF8.encode('needle')]))
  const text = UTF8.encode('a needle, a needle')
  t.equal(automaton.findEnd(text, 0, text.length), 8)
  t.equal(automaton.findEnd(text, 3, text.length), 18)
  t.equal(automaton.findEnd(text, 3, text.length - 1), -1)
})

t.test('many long needles are found without a table, and compiled in slices', async (t) => {
  const needles = Array.from({ length: 20_000 }, (_, i) => `pod-${(i * 7919) % 99_991}-${i}ä`)
  const work = NeedleAutomaton.make(needles.map(unitsOf))
  let pauses = 0
  let step = work.next()
  for (; step.done !== true; step = work.next()) pauses++
  t.ok(pauses > 20)
  const automaton = step.value
  for (const i of [0, 1, 777, 19_999]) t.ok(automaton.isIn(`x ${needles[i]} y`))
  t.notOk(automaton.isIn('pod-'.repeat(1000)))
})
