/**
 * How long a function takes to start: from its process's birth to its first question for an event, above what Node
 * alone takes. `node scripts/lambda-runtime.mjs bench [runs]`
 */

import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { LocalFunction } from './runtime.ts'

const runs = Number(process.argv[2] ?? 15)
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const bundles = join(folder, 'dist')
spawnSync(process.execPath, ['scripts/build.mjs', bundles], { stdio: 'inherit' })
writeFileSync(join(bundles, 'empty.mjs'), 'export const handler = async (event, context) => ({})\n')

const bare = median(await repeat(async () => timeOf(() => spawnSync(process.execPath, ['-e', '0']))))
console.log(`\nbare node: ${bare.toFixed(0)} ms; medians of ${runs} runs, in ms above it:`)
console.log('handler'.padEnd(24), 'plain'.padStart(7), 'compile cache'.padStart(15))
for (const path of [join(bundles, 'empty.mjs'), ...globSync(`${bundles}/*-lambda.mjs`).sort()]) {
  const name = basename(path, '.mjs')
  const plain = median(await repeat(() => startOf(name)))
  const cached = median(await repeat(() => startOf(name, warmCache(path, name))))
  console.log(name.padEnd(24), (plain - bare).toFixed(0).padStart(7), (cached - bare).toFixed(0).padStart(15))
}
rmSync(folder, { recursive: true })

/** What functions are configured with here; nothing is asked of AWS before the first event. */
function environment(): Record<string, string> {
  const dataDir = mkdtempSync(join(folder, 'data-'))
  return { MILLRACE_DATA_DIR: dataDir, MILLRACE_LOCAL_ISSUER: 'true' }
}

async function startOf(name: string, env: Readonly<Record<string, string>> = {}): Promise<number> {
  const began = Date.now()
  const started = await LocalFunction.start({
    taskRoot: bundles,
    handler: `${name}.handler`,
    env: { ...environment(), ...env },
  })
  const failed = started.outcome()
  const ready = await Promise.race([started.ready, failed])
  await started.stop()
  if (typeof ready !== 'number') throw new Error(`${name} did not start: ${ready.body}`)
  return ready - began
}

/** As the image does it: the code that Node compiled is kept, for this version of Node on this kind of machine. */
function warmCache(path: string, name: string): Record<string, string> {
  const cache = join(folder, `cache-${name}`)
  mkdirSync(cache, { recursive: true })
  const env = { ...environment(), NODE_COMPILE_CACHE: cache }
  const script = `await import(${JSON.stringify(path)}); (await import('node:module')).flushCompileCache(); process.exit()`
  spawnSync(process.execPath, ['--input-type=module', '-e', script], { env: { PATH: process.env['PATH'], ...env } })
  return { NODE_COMPILE_CACHE: cache }
}

async function repeat(measure: () => Promise<number>): Promise<number[]> {
  const times: number[] = []
  for (let run = 0; run < runs; run++) times.push(await measure())
  return times
}

async function timeOf(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number
}
