/** Comparisons that are commands of their own: they run as child processes, and their last figures are read. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { GatewayProcess } from '../support/gateway-process.ts'
import { AGENTS } from './agents/agents.ts'
import type { TrialReport } from './agents/trial.ts'
import type { FieldHarness, FieldResult } from './harness.ts'

export const COMMAND_HARNESSES: readonly FieldHarness[] = [
  {
    area: 'doors',
    name: 'pushes that clients get wrong',
    missing: () => undefined,
    run: async ({ folder }) => {
      const gateway = await GatewayProcess.start({ dataDir: join(folder, 'gateway') })
      try {
        const { output } = await runNode(['test/doors/run.ts', '--url', gateway.url])
        return readFigures(output, /(?<passed>\d+) of (?<total>\d+) pushes/, 'stored, or rejected in words')
      } finally {
        await gateway.stop()
      }
    },
  },
  {
    area: 'agents',
    name: 'lines of agents over three kills',
    missing: (env) => {
      const variables = AGENTS.map(({ variable }) => variable)
      return variables.some((name) => (env[name] ?? '') !== '') ? undefined : `none of ${variables.join(', ')} is set`
    },
    run: async ({ isQuick }) => {
      const { output } = await runNode(['test/field/agents/run.ts', '--lines', isQuick ? '10000' : '100000'])
      const reports = output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as TrialReport)
      const clean = reports.filter(({ lost, doubled, changed }) => lost + doubled + changed === 0)
      const skipped = output.match(/^skipped [^:]*/gm) ?? []
      const note = `${reports.map(({ agent }) => agent).join(', ')}; ${skipped.length} agents skipped`
      return { passed: clean.length, total: reports.length, note, details: reports.map((each) => JSON.stringify(each)) }
    },
  },
  {
    area: "Grafana's conversations",
    name: 'recorded requests and their answers',
    missing: () => undefined,
    run: async () => {
      const { output } = await runNode(['test/conversations/conversations.test.ts'])
      return readFigures(output, /# \{ total: (?<total>\d+), pass: (?<passed>\d+)/, 'assertions')
    },
  },
  {
    area: 'emulators',
    name: 'moto',
    missing: () => undefined,
    run: async () => {
      const { output } = await runNode(['scripts/moto.mjs'])
      if (output.startsWith('skipped')) throw new Error(output.trim())
      return readFigures(output, /(?<passed>\d+) passed, (?<failed>\d+) failed/, 'assertions')
    },
  },
]

async function runNode(args: readonly string[]): Promise<{ output: string; code: number }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { output, code: code ?? 1 }
}

/** The figures at their last occurrence. Throws if there are none. */
function readFigures(output: string, pattern: RegExp, note: string): FieldResult {
  const match = [...output.matchAll(new RegExp(pattern, 'g'))].at(-1)
  if (match === undefined) throw new Error(`no figures in: ${output.trim().slice(-200)}`)
  const { passed = '0', failed = '0', total } = match.groups as Record<string, string | undefined>
  const isClean = total === undefined ? failed === '0' : passed === total
  return {
    passed: Number(passed),
    total: total === undefined ? Number(passed) + Number(failed) : Number(total),
    note,
    details: isClean ? [] : output.split('\n').filter((line) => /^\s*not ok|^LOST/.test(line)),
  }
}
