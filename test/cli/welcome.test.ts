import { spawnSync } from 'node:child_process'
import t from 'tap'
import { type Welcome, welcome } from '../../src/cli/welcome.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { testFolder } from '../support/test-folder.ts'

const PLAIN: Welcome = {
  address: 'http://127.0.0.1:3100',
  publicUrl: undefined,
  place: './data',
  version: '1.2.3',
  access: undefined,
  needsTenant: false,
}

/** [name, what differs, what it says] */
const ROWS: readonly (readonly [string, Partial<Welcome>, RegExp])[] = [
  ['no credentials', {}, /^ {2}curl -sS http:\/\/127\.0\.0\.1:3100\/logs$/m],
  ['a user', { access: { user: "o'neil" } }, / -u 'o'\\''neil':"\$PASSWORD" http/],
  ['tokens of its own', { access: 'local token' }, /TOKEN=\$\(millrace token --subject me\)\n.*Bearer \$TOKEN/],
  ['tokens of others', { access: 'token' }, /TOKEN= .*\n.*Bearer \$TOKEN/],
  ['a tenant in each request', { needsTenant: true }, /X-Scope-OrgID: team-a/],
  ['a public address', { publicUrl: 'https://logs.example.com/' }, /curl -sS https:\/\/logs\.example\.com\/logs$/m],
  ['every address', { address: 'http://0.0.0.0:3100' }, /curl -sS http:\/\/127\.0\.0\.1:3100\/logs$/m],
  ['every address of IPv6', { address: 'http://[::]:3100' }, /curl -sS http:\/\/\[::1\]:3100\/logs$/m],
]
for (const [name, more, wanted] of ROWS) {
  t.test(`the welcome fits ${name}`, async (t) => {
    const text = welcome({ ...PLAIN, ...more })
    t.match(text, wanted)
    t.notMatch(text, '%N', 'which the date of macOS does not have')
  })
}

const hasTools = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version']).status === 0)

t.test('the lines work pasted, with a password', { skip: hasTools ? false : 'bash or curl is not here' }, async (t) => {
  const gateway = await GatewayProcess.start({ dataDir: testFolder(t), env: { MILLRACE_USERS: 'agent:s3cret' } })
  t.teardown(() => gateway.kill())
  const text = welcome({ ...PLAIN, address: gateway.url, access: { user: 'agent' } })
  const lines = text.split('\n').filter((line) => line.startsWith('  '))
  const run = spawnSync('bash', ['-euc', lines.join('\n')], { input: 's3cret\n', encoding: 'utf8' })
  t.equal(run.status, 0, run.stderr)
  t.match(run.stdout, 'hello, millrace')
  t.match(run.stdout, '"message":"hello again"')
})
