import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { testFolder } from '../support/test-folder.ts'

const CHILD = fileURLToPath(new URL('./process-child.ts', import.meta.url))

/** Runs the child; sends it the signal, if any, once it has started. */
async function run(t: Test, way: string, signal?: NodeJS.Signals) {
  const folder = testFolder(t)
  const child = spawn(process.execPath, [CHILD, way, folder], { stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (out === '' && signal !== undefined) child.kill(signal)
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  await once(child, 'close')
  return { code: child.exitCode, out, log, folder }
}

type Row = readonly [way: string, signal: NodeJS.Signals | undefined, code: number, out: RegExp, log: RegExp]
const ROWS: readonly Row[] = [
  ['is refused its start', undefined, 1, /^$/, /^millrace: MILLRACE_X is missing; set it\n$/],
  ['fails at its start', undefined, 1, /^$/, /Error: a bug\n\s+at /],
  ['runs', 'SIGTERM', 0, /^started\nfinished\n$/, /"signal":"SIGTERM","msg":"stopping: finishing first"/],
  ['is stopped while it starts', 'SIGTERM', 0, /^started\nfinished\n$/, /"signal":"SIGTERM"/],
  ['runs on', 'SIGINT', 0, /^started\nfinished\n$/, /"signal":"SIGINT"/],
  ['throws later', undefined, 1, /^started\nfinished\n$/, /a late bug.*"msg":"stopped by an error"/],
  ['fails at its stop', 'SIGTERM', 1, /^started\n$/, /a bug of the stop.*"msg":"the stop failed"/],
  ['hangs at its stop', 'SIGTERM', 1, /^started\n$/, /"msg":"stopped before everything was finished"/],
]
for (const [way, signal, code, out, log] of ROWS) {
  t.test(`a process that ${way} ends with exit code ${code}`, async (t) => {
    const ran = await run(t, way, signal)
    t.equal(ran.code, code)
    t.match(ran.out, out)
    t.match(ran.log, log)
  })
}

t.test('files of a process are readable only by their owner', async (t) => {
  if (process.platform === 'win32') return t.pass('Windows has no such bits')
  const { folder } = await run(t, 'runs', 'SIGTERM')
  t.equal(statSync(join(folder, 'file')).mode & 0o077, 0)
})
