import { spawnSync } from 'node:child_process'
import t from 'tap'
import { type Command, runCli } from '../../src/cli/commands.ts'
import { completionCommand } from '../../src/cli/completion.ts'

const FRY: Command = {
  name: 'fry',
  summary: "Fries the cook's eggs.",
  usage: 'millrace fry [--oil NAME] [--max-heat N]',
  run: async () => 0,
}

async function run(...args: string[]) {
  let out = ''
  let notes = ''
  const stdin = (async function* () {})()
  const terminal = {
    stdin,
    isInteractive: false,
    out: (text: string) => (out += text),
    note: (text: string) => (notes += text),
  }
  const code = await runCli(['completion', ...args], [FRY, completionCommand(async () => [FRY])], terminal as never)
  return { code, out, notes }
}

const has = (shell: string) => (spawnSync(shell, ['-c', 'true']).status === 0 ? false : `there is no ${shell} here`)

/** [the words before the cursor, what is offered] */
const WORDS: readonly (readonly [readonly string[], string])[] = [
  [['millrace', 'fr'], 'fry'],
  [['millrace', 'fry', '--m'], '--max-heat'],
  [['millrace', 'help', 'f'], 'fry'],
]
for (const [words, offered] of WORDS) {
  t.test(`bash completes ${words.join(' ')}`, { skip: has('bash') }, async (t) => {
    const { out } = await run('bash')
    const script = `${out}\nCOMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _millrace; echo "\${COMPREPLY[@]}"`
    const ran = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
    t.equal(ran.stdout.trim(), offered, ran.stderr)
  })
}

for (const shell of ['zsh', 'fish']) {
  t.test(`the script for ${shell} names commands and options`, async (t) => {
    const { code, out } = await run(shell)
    t.equal(code, 0)
    t.match(out, 'Fries the cook’s eggs.')
    t.match(out, shell === 'fish' ? '-l max-heat' : '--max-heat')
  })
  t.test(`${shell} reads its script`, { skip: has(shell) }, async (t) => {
    const { out } = await run(shell)
    t.equal(spawnSync(shell, ['-n'], { input: out }).status, 0)
  })
}

t.test('an unknown shell is rejected', async (t) => {
  t.match(await run('tcsh'), { code: 2, notes: /name one shell: bash, zsh, fish/ })
  t.match(await run(), { code: 2 })
})
