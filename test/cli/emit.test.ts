import t from 'tap'
import { type Command, runCli, type Terminal } from '../../src/cli/commands.ts'
import { emissionLines, emitCommand } from '../../src/cli/emit.ts'
import { LEVELS } from '../../src/domain/levels/level.ts'
import { levelOfLine } from '../../src/domain/levels/line-level.ts'
import { handler } from '../../src/entry/emitter-lambda.ts'

const levels = (lines: readonly string[]): string[] =>
  lines.map((line) => LEVELS[levelOfLine(Buffer.from(line), 0, line.length)] as string)

t.test('emits a line without an error, then the requested number of errors', async (t) => {
  t.same(levels(emissionLines(3, () => 0)), ['info', 'error', 'error', 'error'])
  t.same(levels(emissionLines(0, () => 0.39)), ['info', 'error'])
  t.same(levels(emissionLines(0, () => 0.4)), ['info'])
  for (const count of [-1, 1.5, Number.NaN, 10_001]) {
    t.throws(() => emissionLines(count, () => 0), { code: 'parameter_invalid' })
  }
})

async function emit(args: readonly string[]) {
  const pushed: string[][] = []
  const written: string[] = []
  const push: Command = {
    name: 'push',
    summary: '',
    usage: '',
    run: async (args) => {
      pushed.push([...args])
      return 0
    },
  }
  const terminal: Terminal = {
    stdin: (async function* () {})(),
    isInteractive: false,
    out: (text) => void written.push(text),
    note: (text) => void written.push(text),
  }
  const code = await runCli(['emit', ...args], [emitCommand(push, () => 0.9)], terminal)
  return { code, pushed, written: written.join('') }
}

t.test('the command pushes with the options of push', async (t) => {
  const { code, pushed } = await emit(['--errors', '2', '--url', 'http://gateway:3100', '--tenant=a'])
  t.equal(code, 0)
  const [args = []] = pushed
  t.same(args.slice(0, 3), ['--label=app=test-log-emitter', '--url=http://gateway:3100', '--tenant=a'])
  t.equal(args.filter((arg) => arg.startsWith('--line=')).length, 3)
})

t.test('the command prints with --print', async (t) => {
  const { pushed, written } = await emit(['--print', '--errors=1'])
  t.same(pushed, [])
  t.match(written, /^INFO [^\n]*\nERROR [^\n]*\n$/)
})

t.test('an invalid number is wrong usage', async (t) => {
  for (const errors of ['x', '-1', '1e3', '99999']) t.equal((await emit([`--errors=${errors}`])).code, 2, errors)
})

t.test('the function returns the number of errors it emitted', async (t) => {
  const lines: string[] = []
  const written = t.capture(process.stdout, 'write', ((text: string) => {
    lines.push(text)
    return true
  }) as typeof process.stdout.write)
  const answer = await handler({ error_count: 3 })
  const chance = await Promise.all([handler({}), handler(null)])
  written.restore()
  t.match(answer, { statusCode: 200, body: { errors_emitted: 3 } })
  t.match(chance, [{ body: { errors_emitted: 'random' } }, { body: { errors_emitted: 'random' } }])
  t.equal(lines.filter((line) => line.startsWith('INFO')).length, 3)
  t.equal(lines.slice(0, 4).filter((line) => line.startsWith('ERROR')).length, 3)
})
