/**
 * Measures how long a function takes to start: from the creation of its process to its first request for an event,
 * minus the time of Node alone. `node scripts/lambda-runtime.mjs bench [runs]`
 */

import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { LocalFunction } from './runtime.ts'

const runs = Number(process.argv[2] ?? 15)
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const bundles = join(folder, 'dist')

/** The functions' settings here; no service is called before the first event. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  MILLRACE_HOME: 'aws',
  MILLRACE_TABLE: 'millrace',
  MILLRACE_BUCKET: 'millrace-archive',
  MILLRACE_FIREHOSE_STREAM: 'millrace',
  MILLRACE_QUEUE_URL: 'http://localhost/000000000000/millrace',
  MILLRACE_KEY_SECRET: 'a secret of at least 32 characters, for this bench',
  MILLRACE_USERS: 'agent:secret',
  MILLRACE_CACHE_DIR: join(folder, 'cache'),
  MILLRACE_POLL_PROJECTS: '507f1f77bcf86cd799439011',
  COGNIGY_API_KEY: 'key',
}

spawnSync(process.execPath, ['scripts/build.mjs', bundles], { stdio: 'inherit' })
const functions = globSync(`${bundles}/*-lambda.mjs`).sort()
// The names of the SDK's packages as parts of the bundle.
const clients = globSync(`${bundles}/parts/gateway-lambda/dist-es-*.mjs`).map(
  (path) => `import './parts/gateway-lambda/${basename(path)}'`,
)
writeFileSync(join(bundles, 'empty.mjs'), 'export const handler = async (event, context) => ({})\n')
writeFileSync(
  join(bundles, 'with-clients.mjs'),
  `export { handler } from './gateway-lambda.mjs'\n${clients.join('\n')}\n`,
)

const bare = median(await repeat(async () => timeOf(() => spawnSync(process.execPath, ['-e', '0']))))
console.log(`\nbare node: ${bare.toFixed(0)} ms; medians of ${runs} runs, in ms above it:`)
console.log('handler'.padEnd(24), 'plain'.padStart(7), 'compile cache'.padStart(15))
for (const name of ['empty', ...functions.map((path) => basename(path, '.mjs')), 'with-clients']) {
  const plain = median(await repeat(() => startOf(name)))
  const cache = warmCache(name)
  const cached = median(await repeat(() => startOf(name, cache)))
  console.log(name.padEnd(24), (plain - bare).toFixed(0).padStart(7), (cached - bare).toFixed(0).padStart(15))
}
rmSync(folder, { recursive: true })

async function startOf(name: string, env: Readonly<Record<string, string>> = {}): Promise<number> {
  const began = Date.now()
  const started = await LocalFunction.start({
    taskRoot: bundles,
    handler: `${name}.handler`,
    env: { ...ENVIRONMENT, ...env },
  })
  const failed = started.outcome()
  const ready = await Promise.race([started.ready, failed])
  await started.stop()
  if (typeof ready !== 'number') throw new Error(`${name} did not start: ${ready.body}`)
  return ready - began
}

/** Like the image: keeps Node's compiled code, for this version of Node on this kind of machine. */
function warmCache(name: string): Record<string, string> {
  const cache = join(folder, `cache-${name}`)
  mkdirSync(cache, { recursive: true })
  const env = { ...ENVIRONMENT, NODE_COMPILE_CACHE: cache }
  const script = `await import(${JSON.stringify(join(bundles, `${name}.mjs`))}); (await import('node:module')).flushCompileCache(); process.exit()`
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
