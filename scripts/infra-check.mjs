// Checks sst.config.ts without an account. First without downloads: the graph of resources of each stage, built offline.
// Then, over SST's platform (about 350 MB from the registry): the types, the platform's own graph, and the workflows.
//
//   npm run infra:check -- [--if-installable] [--minutes N]
//
// Each step is limited to N minutes (10), reports failures, and reuses what an earlier run has installed. With
// --if-installable a platform that cannot be installed is reported and skipped.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runBounded } from './bounded-step.mjs'

/** SST's command line runs the configuration with the `node` of PATH. */
const NODE_MAJOR_MIN = 22
const SST = 'infra/node_modules/.bin/sst'
const ENVIRONMENT = {
  ...process.env,
  // The command line would fetch Pulumi's engine, which neither types nor mocks need.
  SST_SKIP_DEPENDENCY_CHECK: '1',
  SST_NO_BUN: '1',
  SST_STAGE: 'dev',
  SST_TELEMETRY_DISABLED: '1',
}

const { values } = parseArgs({
  options: { 'if-installable': { type: 'boolean', default: false }, minutes: { type: 'string', default: '10' } },
})
const secondsMax = Number(values.minutes) * 60
if (!(secondsMax > 0)) end(2, `--minutes is ${values.minutes}; it must be a number above 0`)
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  end(2, `this is Node ${process.versions.node}; SST needs ${NODE_MAJOR_MIN}. npm run infra:check brings its own`)
}

let failed = 0
for (const name of ['graph', 'resources']) await test(`offline: ${name}`, `test/infra/${name}.test.ts`)

const problem = (await installCommandLine()) ?? (await installPlatform())
if (problem === undefined) {
  await checkTypes()
  await test('platform: graph', 'infra/check/platform.test.ts')
  await test('workflows', 'infra/check/workflows.test.ts')
} else {
  console.error(problem)
  const advice = 'what was downloaded stays: the same command goes on from there; --minutes 30 gives it longer'
  if (!values['if-installable'])
    end(1, `SST's platform could not be installed, so types and workflows are not checked; ${advice}`)
  console.log("skipped types, the platform's graph and workflows: SST's platform could not be installed; see above")
}
process.exitCode = failed === 0 ? 0 : 1

/** Returns the problem, or undefined. */
async function installCommandLine() {
  if (isInstalled()) return undefined
  return install('npm', ['ci', '--prefix', 'infra', '--no-audit', '--no-fund'])
}

/** True if infra/node_modules matches its lock file: npm keeps its own copy of the lock there. */
function isInstalled() {
  const packagesOf = (path) => {
    const { packages } = JSON.parse(readFileSync(path, 'utf8'))
    return Object.entries(packages).flatMap(([name, { version, optional }]) =>
      name === '' || optional ? [] : [`${name} ${version}`],
    )
  }
  try {
    const have = packagesOf('infra/node_modules/.package-lock.json')
    return packagesOf('infra/package-lock.json').every((each) => have.includes(each))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return false
  }
}

/** Takes seconds if an earlier run has done it. */
async function installPlatform() {
  return install(SST, ['install', '--print-logs'])
}

async function install(command, args) {
  console.log(`… ${command} ${args.join(' ')}`)
  const { ok, seconds, problem } = await runBounded(command, args, { secondsMax, env: ENVIRONMENT })
  if (ok) console.log(`installed in ${seconds} s`)
  return ok ? undefined : problem
}

async function checkTypes() {
  const tsc = '.sst/platform/node_modules/.bin/tsc'
  const { ok, problem } = await runBounded(tsc, ['-p', 'infra/tsconfig.json'], { secondsMax, env: ENVIRONMENT })
  const errors = ok ? [] : problem.split('\n').filter((line) => /error TS/.test(line))
  if (!ok && errors.length === 0) report('types', problem)
  else {
    // One error is in SST's own source, which is not ours to fix.
    const ours = errors.filter((line) => !line.trimStart().startsWith('.sst/platform'))
    report('types', ours.length === 0 ? undefined : ours.join('\n'))
  }
}

async function test(what, file) {
  const { ok, problem } = await runBounded(process.execPath, [file], { secondsMax, env: ENVIRONMENT, isShown: true })
  report(what, ok ? undefined : problem)
}

function report(what, problem) {
  if (problem === undefined) return console.log(`passed: ${what}`)
  failed++
  console.error(`failed: ${what}\n${problem}`)
}

function end(code, text) {
  console.error(text)
  process.exit(code)
}
