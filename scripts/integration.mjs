// The system's processes and the aws home: against in-process services, then against an emulator that others
// wrote: moto, or the one of EMULATOR_URL, such as LocalStack at http://127.0.0.1:4566.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

const files = globSync(['test/app/*.test.ts', 'test/aws/*.test.ts', 'test/entry/*.test.ts']).sort()
const commands = [['scripts/test.mjs', '--disable-coverage', ...files], ['scripts/moto.mjs']]
const statuses = commands.map((args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status)
process.exitCode = statuses.every((status) => status === 0) ? 0 : 1
