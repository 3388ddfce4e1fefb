/** `npm run simulate -- --seeds 1000 --from 1`: simulates seeds, shrinks failures, and prints the totals. */

import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { noShim } from '../power/shim.ts'
import { Simulator } from './crew.ts'
import { MUTANTS } from './mutants.ts'
import { makePlan, type Plan } from './plan.ts'
import { shrinkPlan } from './shrink.ts'
import { Tally } from './tally.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    /** The first seed. */
    from: { type: 'string', default: '1' },
    /** Number of concurrent processes. */
    jobs: { type: 'string', default: '1' },
    /** Runs the plan in this file, and prints its events. */
    plan: { type: 'string' },
    /** The file for the smallest failing plan. */
    save: { type: 'string', default: join(tmpdir(), 'failing-plan.json') },
    /** Runs each deliberate fault until it is detected, for at most a hundred seeds. */
    mutations: { type: 'boolean', default: false },
    /** Only those whose name contains this. */
    only: { type: 'string', default: '' },
  },
})

const MUTANT_SEEDS = 100
const SEEDS_PRINTED = 500

async function main(): Promise<void> {
  const missing = noShim()
  if (missing !== false) return console.log(`skipped: ${missing}`)
  if (values.plan !== undefined) return replay(JSON.parse(readFileSync(values.plan, 'utf8')) as Plan)
  if (values.mutations) return findMutants()
  await simulateSeeds()
}

async function simulateSeeds(): Promise<void> {
  const tally = new Tally()
  const from = Number(values.from)
  const end = from + Number(values.seeds)
  let next = from
  const work = async (): Promise<void> => {
    const simulator = await Simulator.start()
    try {
      for (let seed = next++; seed < end && tally.failed === 0; seed = next++) {
        const plan = makePlan(seed)
        const report = await simulator.run(plan)
        tally.add(report)
        if (report.violations.length > 0) await shrink(simulator, plan)
        if (tally.seeds % SEEDS_PRINTED === 0) console.log(tally.line())
      }
    } finally {
      await simulator.stop()
    }
  }
  await Promise.all(Array.from({ length: Number(values.jobs) }, work))
  console.log(tally.text())
  if (tally.failed > 0) process.exitCode = 1
}

async function shrink(simulator: Simulator, plan: Plan): Promise<void> {
  console.log(`seed ${plan.seed} fails; it is made smaller`)
  const smallest = await shrinkPlan(plan, async (candidate) => (await simulator.run(candidate)).violations.length > 0)
  const { violations, trace } = await simulator.run(smallest)
  writeFileSync(values.save, `${JSON.stringify(smallest, undefined, 2)}\n`)
  console.log([...trace, '', ...violations].map((line) => `  ${line}`).join('\n'))
  console.log(`npm run simulate -- --plan ${values.save} runs it again`)
}

async function replay(plan: Plan): Promise<void> {
  const simulator = await Simulator.start()
  const { trace, violations, digest } = await simulator.run(plan)
  await simulator.stop()
  console.log([...trace, '', ...violations, `digest ${digest}`].join('\n'))
  if (violations.length > 0) process.exitCode = 1
}

async function findMutants(): Promise<void> {
  for (const { name, mutations } of MUTANTS.filter((mutant) => mutant.name.includes(values.only))) {
    const found = await firstFailure(mutations)
    if (found === undefined) process.exitCode = 1
    console.log(
      found === undefined
        ? `NOT FOUND in ${MUTANT_SEEDS} seeds: ${name}`
        : `seed ${found.seed}: ${name}: ${found.violation.slice(0, 160)}`,
    )
  }
}

async function firstFailure(
  mutations: Parameters<typeof Simulator.start>[0],
): Promise<{ readonly seed: number; readonly violation: string } | undefined> {
  const simulator = await Simulator.start(mutations)
  try {
    for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
      const [violation] = (await simulator.run(makePlan(seed))).violations
      if (violation !== undefined) return { seed, violation }
    }
    return undefined
  } finally {
    await simulator.stop()
  }
}

await main()
