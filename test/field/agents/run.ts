/**
 * `node test/field/agents/run.ts [--agent NAME] [--lines 100000]`: agents push while the gateway is killed three times.
 * Binaries are named by variables such as PROMTAIL_BIN; agents without one are skipped, and named.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AGENTS } from './agents.ts'
import { runTrial, type TrialReport } from './trial.ts'

const { values } = parseArgs({
  options: { agent: { type: 'string', default: '' }, lines: { type: 'string', default: '100000' } },
})

for (const agent of AGENTS.filter(({ name }) => name.toLowerCase().includes(values.agent.toLowerCase()))) {
  const binary = process.env[agent.variable]
  if (binary === undefined) {
    console.log(`skipped ${agent.name}: ${agent.variable} is not set`)
    continue
  }
  const dir = mkdtempSync(join(tmpdir(), 'millrace-agent-'))
  const report = await runTrial({ agent, binary, dir, lines: Number(values.lines) })
  console.log(JSON.stringify(report))
  if (isClean(report)) rmSync(dir, { recursive: true })
  else {
    console.log(`the folder is kept: ${dir}`)
    process.exitCode = 1
  }
}

function isClean({ lost, doubled, changed, statuses }: TrialReport): boolean {
  return lost + doubled + changed === 0 && Object.keys(statuses).every((status) => /^2|^503$/.test(status))
}
