/** Makes a failing plan smaller, part by part, as long as it still fails. */

import type { LifePlan, Plan } from './plan.ts'

/** The maximum number of runs while shrinking. */
const RUNS_MAX = 300

/** `fails` runs a plan; the result fails, and none of the tried parts can be removed from it. */
export async function shrinkPlan(
  plan: Plan,
  fails: (plan: Plan) => Promise<boolean>,
  runsMax = RUNS_MAX,
): Promise<Plan> {
  let smallest = plan
  let runs = 0
  for (let isSmaller = true; isSmaller && runs < runsMax; ) {
    isSmaller = false
    for (const candidate of smallerPlans(smallest)) {
      if (runs++ >= runsMax) break
      if (!(await fails(candidate))) continue
      smallest = candidate
      isSmaller = true
      break
    }
  }
  return smallest
}

/** The largest steps first: whole lives, halves of the actions, single actions, faults, then the rest. */
function* smallerPlans(plan: Plan): Generator<Plan> {
  for (const [i] of plan.lives.entries()) {
    if (plan.lives.length > 1) yield { ...plan, lives: plan.lives.toSpliced(i, 1) }
  }
  if (plan.rottenBits > 0) yield { ...plan, rottenBits: 0 }
  for (const [i, life] of plan.lives.entries()) {
    for (const smaller of smallerLives(life)) yield { ...plan, lives: plan.lives.with(i, smaller) }
  }
  if (plan.tenantBytesPerSecond !== undefined) yield { ...plan, tenantBytesPerSecond: undefined }
  if (plan.retentionMs !== undefined) yield { ...plan, retentionMs: undefined }
}

function* smallerLives(life: LifePlan): Generator<LifePlan> {
  const { actions, faults } = life
  for (let size = actions.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < actions.length; at += size) yield { ...life, actions: actions.toSpliced(at, size) }
  }
  for (const [i] of faults.entries()) yield { ...life, faults: faults.toSpliced(i, 1) }
  if (life.startKills > 0) yield { ...life, startKills: 0 }
  if (life.cut !== undefined) yield { ...life, cut: undefined }
  if (life.downMs > 0) yield { ...life, downMs: 0 }
  for (const [i, action] of actions.entries()) {
    if (action.kind !== 'push') continue
    if (action.lines > 1) yield { ...life, actions: actions.with(i, { ...action, lines: Math.ceil(action.lines / 2) }) }
    if (action.repeats) yield { ...life, actions: actions.with(i, { ...action, repeats: false }) }
    if (action.isPartlyWrong) yield { ...life, actions: actions.with(i, { ...action, isPartlyWrong: false }) }
  }
}
