// Checks sst.config.ts without an account: its types against SST's platform, and the graph of resources of each stage.
// The platform (about 350 MB) is installed from the registry first. With --if-installable a registry that cannot give it
// is told and passed over.
import { spawnSync } from 'node:child_process'

const ENVIRONMENT = {
  // The command line would fetch Pulumi's engine, which neither types nor mocks need.
  SST_SKIP_DEPENDENCY_CHECK: '1',
  SST_NO_BUN: '1',
  SST_STAGE: 'dev',
  SST_TELEMETRY_DISABLED: '1',
}

const installed =
  run('npm', ['ci', '--prefix', 'infra', '--no-audit', '--no-fund', '--silent']) &&
  run('infra/node_modules/.bin/sst', ['install'])
if (!installed) {
  if (process.argv.includes('--if-installable')) {
    console.log("skipped: the registry in use does not give SST's platform")
    process.exit(0)
  }
  console.error("SST's platform could not be installed; see the lines above")
  process.exit(1)
}

const types = spawnSync('.sst/platform/node_modules/.bin/tsc', ['-p', 'infra/tsconfig.json'], { encoding: 'utf8' })
// One fault of SST's own source comes along; it is not ours to mend.
const faults = types.stdout.split('\n').filter((line) => /error TS/.test(line) && !line.startsWith('.sst/platform'))
for (const fault of faults) console.error(fault)
console.log(`types: ${faults.length} faults`)
const tests = ['graph', 'workflows'].map((name) => run(process.execPath, [`infra/check/${name}.test.ts`]))
process.exit(faults.length === 0 && tests.every(Boolean) ? 0 : 1)

function run(command, args) {
  return spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...ENVIRONMENT } }).status === 0
}
