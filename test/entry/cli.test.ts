import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LocalIssuer } from '../../src/transport/http/auth/local-issuer.ts'
import { readToken } from '../../src/transport/http/auth/token.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'

/** Ends a command that hangs; longer than any command takes on a slow machine. */
const HANG_MS = 600_000
const SCRIPT = fileURLToPath(new URL('../../src/entry/cli.ts', import.meta.url))

function millrace(args: string[], env: Record<string, string>) {
  const ran = spawnSync(process.execPath, [SCRIPT, ...args], {
    env,
    input: 'secret\n',
    encoding: 'utf8',
    timeout: HANG_MS,
  })
  return { code: ran.status, out: ran.stdout, notes: ran.stderr }
}

t.test('the command prints a token signed by the key in the data folder', async (t) => {
  const dataDir = join(testFolder(t), 'data')
  const env = { MILLRACE_DATA_DIR: dataDir, MILLRACE_LOCAL_ISSUER: 'true' }
  const ran = millrace(['token', '--subject', 'agent', '--tenant', 'team-a', '--expires', '1d'], env)
  t.match(ran, { code: 0, notes: '' })
  const issuer = new LocalIssuer(readFileSync(join(dataDir, 'local-issuer.key')), { nowMs: () => 0 })
  t.same(issuer.verify(readToken(ran.out.trim())), { name: 'agent', tenant: 'team-a', kind: 'token' })
})

t.test('the command reports invalid settings and exits with 1', async (t) => {
  const ran = millrace(['token', '--subject', 'agent'], { MILLRACE_HOME: 'cloud', MILLRACE_PROT: '1' })
  t.match(ran, { code: 1, out: '', notes: /2 settings are invalid:\n.*MILLRACE_HOME.*\n.*MILLRACE_PORT\?/ })
})

t.test('serve refuses to start without credentials on a public address, and exits with 1', async (t) => {
  const ran = millrace(['serve'], { MILLRACE_HOST: '0.0.0.0', MILLRACE_PORT: '0', MILLRACE_DATA_DIR: testFolder(t) })
  t.match(ran, { code: 1, out: '', notes: /no credentials are configured; set MILLRACE_USERS/ })
})

t.test('the command exits with 2 for an unknown command', async (t) => {
  t.match(millrace(['srve'], {}), { code: 2, out: '', notes: /did you mean "serve"\?/ })
})

t.test('the list of commands says of each what its own help says', async (t) => {
  const rows = [...millrace(['help'], {}).out.matchAll(/^ {2}([a-z-]+) +(\S.*)$/gm)].filter(
    ([, name = '']) => !['help', 'version'].includes(name),
  )
  t.ok(rows.length > 10)
  for (const [, name = '', summary = ''] of rows) {
    const { code, out } = millrace(['help', name], {})
    t.equal(code, 0)
    t.equal(out.split('\n')[0], summary, name)
  }
})

t.test('the version is that of package.json, and an option that is misspelt is named', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.match(millrace(['--version'], {}), { code: 0, out: `millrace ${version}, Node ${process.versions.node}\n` })
  t.match(millrace(['query', '{a="b"}', '--sinse', '1h'], {}), { code: 2, notes: /Did you mean --since\?/ })
})

t.test('arguments with a password are not shown by ps', { skip: process.platform !== 'linux' }, async (t) => {
  const push = spawn(process.execPath, [
    SCRIPT,
    'push',
    '--label',
    'a=b',
    '--user',
    'me:s3cret',
    '--url',
    'http://127.0.0.1:1',
  ])
  t.teardown(() => push.kill('SIGKILL'))
  const shown = () => readFileSync(`/proc/${push.pid}/cmdline`, 'utf8')
  // The test's own timeout ends this if the title is never set.
  while (!shown().startsWith('millrace')) await setImmediate()
  t.notMatch(shown(), 's3cret')
})

t.test('serve ignores the variables of the command line', async (t) => {
  const env = {
    MILLRACE_URL: 'http://a',
    MILLRACE_PASSWORD: 'p',
    MILLRACE_HOST: '0.0.0.0',
    MILLRACE_DATA_DIR: testFolder(t),
  }
  t.match(millrace(['serve'], env), { code: 1, notes: /no credentials are configured; set MILLRACE_USERS/ })
})

t.test('the reader of the output may stop early', async (t) => {
  const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
  t.teardown(() => gateway.kill())
  const input = Array.from({ length: 5000 }, (_, i) => `line ${i} ${'x'.repeat(200)}\n`).join('')
  const push = spawnSync(process.execPath, [SCRIPT, 'push', '--label', 'app=shop', '--url', gateway.url], { input })
  t.equal(push.status, 0)
  const query = [process.execPath, SCRIPT, 'query', '\'{app="shop"}\'', '--limit', '5000', '--url', gateway.url].join(
    ' ',
  )
  const ran = spawnSync('sh', ['-c', `${query} | head -n 2`], { encoding: 'utf8', timeout: HANG_MS })
  t.equal(ran.stdout.split('\n').length, 3)
  t.equal(ran.stderr, 'Common labels: {app="shop", service_name="shop"}\n')
})

t.test('lines that come slowly are pushed while the input is open; SIGTERM ends the push in good order', async (t) => {
  const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
  t.teardown(() => gateway.kill())
  const push = spawn(process.execPath, [SCRIPT, 'push', '--label', 'app=slow', '--url', gateway.url])
  push.stdin.write('one line\n')
  const query = new URL(`${gateway.url}/loki/api/v1/query_range?query={app="slow"}`)
  // The test's own timeout ends this if the line never arrives.
  while (!(await (await fetch(query)).text()).includes('one line'));
  push.kill('SIGTERM')
  const [[code], out] = await Promise.all([once(push, 'close'), text(push.stdout)])
  t.equal(code, 0)
  t.equal(out, '1 line pushed\n')
})
