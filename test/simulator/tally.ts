/** The totals of many simulations. */

import type { FaultKind } from './plan.ts'
import type { SimulationReport } from './simulation.ts'

type Total = SimulationReport['counts']

export class Tally {
  seeds = 0
  failed = 0
  lost = 0
  doubled = 0
  invented = 0
  #total: Total | undefined
  readonly #failures: string[] = []

  add({ seed, counts, violations }: SimulationReport): void {
    this.seeds++
    if (violations.length > 0) this.failed++
    for (const violation of violations) {
      if (violation.includes(': is missing: ')) this.lost++
      if (violation.includes(': twice: ')) this.doubled++
      if (violation.includes('never sent')) this.invented++
      this.#failures.push(`seed ${seed}: ${violation}`)
    }
    this.#total = this.#total === undefined ? structuredClone(counts) : sum(this.#total, counts)
  }

  line(): string {
    return `${this.seeds} seeds, ${this.failed} failed, ${this.#total?.acknowledged ?? 0} lines acknowledged`
  }

  text(): string {
    const total = this.#total
    if (total === undefined) return 'no seeds'
    const faults = Object.entries(total.faults).map(([kind, count]) => `${kind} ${count}`)
    return [
      ...this.#failures,
      `seeds ${this.seeds}, failed ${this.failed}`,
      `pushes ${total.pushes}, lines sent ${total.lines}, acknowledged and kept ${total.acknowledged}`,
      `lost ${this.lost}, doubled ${this.doubled}, made up ${this.invented}`,
      `questions ${total.queries}, tails ${total.tails}, pushes without a 2xx ${total.failures}`,
      `starts ${total.starts}, kills ${total.kills}, losses of power ${total.cuts}, rotten disks ${total.rotten}`,
      `faults: ${faults.join(', ')}`,
    ].join('\n')
  }
}

function sum(a: Total, b: Total): Total {
  const faults = Object.fromEntries(
    Object.entries(a.faults).map(([kind, count]) => [kind, count + b.faults[kind as FaultKind]]),
  ) as Total['faults']
  const numbers = Object.entries(a).map(([name, value]) => [
    name,
    typeof value === 'number' ? value + (b[name as keyof Total] as number) : value,
  ])
  return { ...(Object.fromEntries(numbers) as Total), faults }
}
