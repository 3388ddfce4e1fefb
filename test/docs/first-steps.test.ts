/** What newcomers paste: the quickstart, LogQL in ten lines, and other languages' loggers, run against a gateway. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { ask, buildTestApp, pushJson } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0
const skipWithout = (isThere: boolean, name: string) => ({ skip: isThere ? false : `there is no ${name} here` })

/** The code blocks of a language. */
const blocksOf = (path: string, language: string) =>
  [...read(path).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)

t.test('each of the ten lines of LogQL is a query with a result', async (t) => {
  const { app, clock } = await buildTestApp(t)
  const [queries = ''] = blocksOf('docs/logql.md', 'logql')
  const lines = [
    'card declined',
    'a Timed out error',
    '{"status":503,"duration":"3s","path":"/pay","took":"120ms"}',
    'user=mia method=GET path=/cart',
  ]
  const at = (i: number) => String(clock.nowNs - BigInt(i + 1) * 1_000_000_000n)
  const values = lines.map((line, i) => [at(i), line] as [string, string])
  const many = Array.from({ length: 60 }, (_, i) => [at(i + 10), 'error: card'] as [string, string])
  await pushJson(app, [{ stream: { app: 'shop', env: 'production' }, values: [...values, ...many] }])
  const rows = queries.trimEnd().split('\n')
  t.equal(rows.length, 10)
  for (const query of rows) {
    const range = { start: String(clock.nowNs - 3600_000_000_000n), end: String(clock.nowNs), step: '60' }
    const response = await ask(app, 'query_range', { query, ...range })
    t.equal(response.statusCode, 200, `${query}: ${response.body.slice(0, 200)}`)
    t.ok(response.json().data.result.length > 0, query)
  }
})

const hasShell = has('bash', '--version') && has('curl', '--version')
t.test('the first line of the quickstart is found', skipWithout(hasShell, 'bash or curl'), async (t) => {
  const gateway = await GatewayProcess.start({ dataDir: testFolder(t) })
  t.teardown(() => gateway.kill())
  const [, script = ''] = /<!-- first line -->\n```sh\n([\s\S]*?)```/.exec(read('docs/quickstart.md')) ?? []
  const run = spawnSync('bash', ['-euc', script.replaceAll('http://127.0.0.1:3100', gateway.url)], { encoding: 'utf8' })
  t.equal(run.status, 0, run.stderr)
  t.match(run.stdout, 'hello, millrace')
})

/** [language, is its program here, files of its code blocks, the command] */
const LOGGERS: readonly (readonly [string, boolean, readonly string[], readonly string[]])[] = [
  ['python', has('python3', '--version'), ['millrace_handler.py', 'shop.py'], ['python3', 'shop.py']],
  ['go', has('go', 'version'), ['main.go'], ['go', 'run', 'main.go']],
  ['java', has('java', '--version'), ['Shop.java'], ['java', 'Shop.java']],
]
for (const [language, isThere, files, [program = '', ...args]] of LOGGERS) {
  t.test(
    `the logger of docs/clients/${language}.md pushes, with levels and a password`,
    skipWithout(isThere, program),
    async (t) => {
      const folder = testFolder(t)
      const dataDir = join(folder, 'data')
      mkdirSync(dataDir)
      const gateway = await GatewayProcess.start({ dataDir, env: { MILLRACE_USERS: 'agent:s3cret' } })
      t.teardown(() => gateway.kill())
      const blocks = blocksOf(`docs/clients/${language}.md`, language)
      for (const [i, file] of files.entries()) {
        writeFileSync(join(folder, file), (blocks[i] ?? '').replaceAll('http://127.0.0.1:3100', gateway.url))
      }
      const env = { ...process.env, MILLRACE_PASSWORD: 's3cret' }
      const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] })
      const [[code], words] = await Promise.all([once(child, 'close'), text(child.stderr)])
      t.equal(code, 0, words)
      const query = new URLSearchParams({ query: '{service_name="shop", env="production"}' })
      const headers = { authorization: `Basic ${btoa('agent:s3cret')}` }
      const response = await fetch(`${gateway.url}/loki/api/v1/query_range?${query}`, { headers })
      const { data } = (await response.json()) as {
        data: { result: { stream: Record<string, string>; values: string[][] }[] }
      }
      const found = data.result.flatMap(({ stream, values }) =>
        values.map(([, line]) => `${stream['detected_level']}: ${line}`),
      )
      t.equal(found.length, 2)
      t.ok(
        found.some((line) => /^info: .*the wheel turns/.test(line)),
        found.join('; '),
      )
      t.ok(
        found.some((line) => /^error: .*the .*wheel.* stands/.test(line)),
        found.join('; '),
      )
    },
  )
}
