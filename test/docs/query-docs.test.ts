import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { CLIENT_OPTIONS } from '../../src/cli/client.ts'
import { listen, manyLines } from '../cli/asking.ts'
import { testFolder } from '../support/test-folder.ts'

const document = readFileSync('docs/query.md', 'utf8')
const commands = /<!-- commands -->\n```sh\n([\s\S]*?)```/.exec(document)?.[1]?.trimEnd().split('\n') ?? []

/** The files that the commands read. */
const FILES = { 'mill.log': 'the wheel turns\n', 'old.log.gz': gzipSync('the wheel stands\n') }

/** Splits a command line like a shell; it has no quotes but single ones. */
const splitWords = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare = '']) => quoted ?? bare)

t.test('every command of docs/query.md works', async (t) => {
  const { run, push, clock } = await listen(t)
  const folder = testFolder(t, FILES)
  await push(manyLines(3, clock.nowNs, { app: 'mill' }))
  t.ok(commands.length > 5)
  for (const command of commands) {
    const [name, ...words] = splitWords(command)
    t.equal(name, 'millrace')
    const args = words.map((word) => (word in FILES ? join(folder, word) : word))
    const signal = AbortSignal.abort()
    const { code, notes } = await run(args, { signal })
    // This application has no incidents, so only that command fails.
    const wanted = args[0] === 'incidents' ? /has no incidents endpoint/ : /^((Nothing|No lines|Common labels).*\n)?$/
    t.match({ code, notes }, { code: args[0] === 'incidents' ? 1 : 0, notes: wanted }, command)
  }
})

t.test('docs/query.md names the options that all commands have', async (t) => {
  const listed = [...document.matchAll(/^\| `--([\w-]+)` \|/gm)].map(([, name]) => name)
  t.strictSame(listed, Object.keys(CLIENT_OPTIONS))
})

t.test('help names every option that docs/query.md uses', async (t) => {
  const { run } = await listen(t)
  for (const command of commands) {
    const [, name = '', ...args] = splitWords(command)
    const { code, out } = await run([name, '--help'])
    t.equal(code, 0)
    for (const option of args.filter((each) => each.startsWith('--'))) t.match(out, `${option} `, `${name} ${option}`)
  }
})
