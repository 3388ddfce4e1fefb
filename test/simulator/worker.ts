/** A process under the shim that simulates: seeds come as messages, reports go back. `process.env` has the shim's files. */

import { type Mutation, replaceMachine } from './machine.ts'
import type { Plan } from './plan.ts'

/** Runs one plan; a failing one is also shrunk. */
export interface Order {
  readonly plan: Plan
}

const mutations = JSON.parse(process.env['SIMULATOR_MUTATIONS'] ?? '[]') as Mutation[]
replaceMachine(mutations)
const { simulate } = await import('./simulation.ts')
const { Control } = await import('../power/control.ts')

const files = {
  root: process.env['POWER_ROOT'] as string,
  journal: process.env['POWER_JOURNAL'] as string,
  control: process.env['POWER_CONTROL'] as string,
}
const control = new Control(files.control, { isNew: false })

process.on('message', async ({ plan }: Order) => {
  const report = await simulate(plan, files, control)
  process.send?.(report)
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
