import t from 'tap'
import { noShim } from '../power/shim.ts'
import { Simulator } from './crew.ts'
import { MUTANTS } from './mutants.ts'
import { makePlan, type Plan } from './plan.ts'
import { shrinkPlan } from './shrink.ts'
import { Tally } from './tally.ts'

const SEEDS = 200

t.test('clients, faults, kills and losses of power: the answers agree with a model', { skip: noShim() }, async (t) => {
  const simulator = await Simulator.start()
  t.teardown(() => simulator.stop())
  const tally = new Tally()
  for (let seed = 1; seed <= SEEDS; seed++) tally.add(await simulator.run(makePlan(seed)))
  t.equal(tally.failed, 0, tally.text())
  t.equal(tally.seeds, SEEDS)
})

t.test('a seed replays exactly', { skip: noShim() }, async (t) => {
  const digests = new Set<string>()
  for (let process = 0; process < 2; process++) {
    const simulator = await Simulator.start()
    // Also after other seeds in the same process.
    if (process === 1) await simulator.run(makePlan(8))
    digests.add((await simulator.run(makePlan(7))).digest)
    digests.add((await simulator.run(makePlan(7))).digest)
    await simulator.stop()
  }
  t.equal(digests.size, 1)
})

t.test('a fault in the sources is found, and the plan that finds it shrinks', { skip: noShim() }, async (t) => {
  const mutant = MUTANTS.find(({ name }) => name === 'no look for duplicates')
  const simulator = await Simulator.start(mutant?.mutations)
  t.teardown(() => simulator.stop())
  const fails = async (plan: Plan): Promise<boolean> => (await simulator.run(plan)).violations.length > 0
  let seed = 1
  while (seed < 10 && !(await fails(makePlan(seed)))) seed++
  const smallest = await shrinkPlan(makePlan(seed), fails, 60)
  const actions = smallest.lives.flatMap((life) => life.actions)
  t.ok(actions.length < 4, `${actions.length} actions are left`)
  t.ok(await fails(smallest), 'the smallest plan fails')
})
