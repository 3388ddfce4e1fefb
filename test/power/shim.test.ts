import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Random } from '../support/random.ts'
import { RULES_MAX, type Rule } from './control.ts'
import { Disk } from './disk.ts'
import { noShim, Rig } from './shim.ts'
import { workFolder } from './work-folder.ts'

const SKIP = { skip: noShim() }

interface Ran {
  readonly rig: Rig
  readonly output: string
  readonly signal: string | null
}

/** Runs lines of JavaScript under the shim, with `fs`, `path(name)` and `attempt(work)`. */
async function run(t: Test, body: string, prepare: (rig: Rig) => void = () => {}): Promise<Ran> {
  const work = workFolder(t)
  const rig = new Rig(join(work, 'root'), join(work, 'rig'))
  t.teardown(() => rig.close())
  prepare(rig)
  const script = join(work, 'script.mjs')
  writeFileSync(
    script,
    `import * as fs from 'node:fs'
    const path = (name) => process.argv[2] + '/' + name
    const attempt = (work) => { try { return work() } catch (error) { return error.code } }
    ${body}`,
  )
  const { stdout, signal, stderr } = await rig.run(script, [rig.root])
  if (stderr !== '') throw new Error(stderr)
  return { rig, output: stdout.trim(), signal }
}

const withRules =
  (...rules: Rule[]) =>
  (rig: Rig): void => {
    rig.control.rules = rules
  }

t.test('records all changes of files and names, and the model has the same files', SKIP, async (t) => {
  const { rig } = await run(
    t,
    `fs.mkdirSync(path('a/b'), { recursive: true })
    fs.writeFileSync(path('a/b/file'), 'one')
    fs.appendFileSync(path('a/b/file'), ' two')
    const file = fs.openSync(path('a/b/file'), 'r+')
    fs.writeSync(file, 'ONE', 0)
    fs.writevSync(file, [Buffer.from(' t'), Buffer.from('hree')], 7)
    fs.ftruncateSync(file, 12)
    fs.fsyncSync(file)
    fs.closeSync(file)
    fs.writeFileSync(path('x'), 'emptied and filled')
    fs.writeFileSync(path('x'), 'filled')
    fs.copyFileSync(path('x'), path('y'))
    fs.linkSync(path('x'), path('linked'))
    fs.renameSync(path('y'), path('a/z'))
    fs.unlinkSync(path('x'))
    fs.mkdirSync(path('gone/deep'), { recursive: true })
    fs.writeFileSync(path('gone/deep/file'), '')
    fs.rmSync(path('gone'), { recursive: true })
    await fs.promises.writeFile(path('p'), 'from the pool')
    console.log(fs.readFileSync(path('a/b/file'), 'utf8'))`,
  )
  const disk = new Disk(new Random(1))
  disk.apply(rig.operations())
  t.same(disk.files(), Disk.of(rig.root, new Random(1)).files())
  t.same([...disk.files().keys()].sort(), ['a/b/file', 'a/z', 'linked', 'p'])
  t.ok(rig.operations().some(({ kind }) => kind === 'sync'))
  t.equal(rig.operations(rig.position).length, 0)
})

const FAULTS: [name: string, rule: Rule, body: string, output: string][] = [
  [
    'a write that fails',
    { action: 'fail', kinds: ['write'], after: 2, value: 5 },
    `for (const n of [1, 2, 3]) console.log(attempt(() => fs.writeFileSync(path('f'), 'x')) ?? 'ok')`,
    'ok\nEIO\nok',
  ],
  [
    'an fsync that fails',
    { action: 'fail', kinds: ['sync'], after: 1, value: 5 },
    `const f = fs.openSync(path('f'), 'w'); console.log(attempt(() => fs.fsyncSync(f)), attempt(() => fs.fsyncSync(f)))`,
    'EIO undefined',
  ],
  [
    'only files with an ending',
    { action: 'fail', kinds: ['write'], chance: 1, value: 28, ending: '.log' },
    `console.log(attempt(() => fs.writeFileSync(path('a.log'), 'x')), attempt(() => fs.writeFileSync(path('a.db'), 'x')))`,
    'ENOSPC undefined',
  ],
  [
    'a name that cannot be made',
    { action: 'fail', kinds: ['rename'], after: 1, value: 13 },
    `fs.writeFileSync(path('a'), ''); console.log(attempt(() => fs.renameSync(path('a'), path('b'))))`,
    'EACCES',
  ],
  [
    'a read that fails',
    { action: 'fail', kinds: ['read'], after: 1, value: 5 },
    `fs.writeFileSync(path('a'), 'x'); console.log(attempt(() => fs.readFileSync(path('a'))))`,
    'EIO',
  ],
  [
    'a bit that flips when it is read',
    { action: 'flip', kinds: ['read'], after: 1 },
    `fs.writeFileSync(path('a'), 'xxxx'); console.log(fs.readFileSync(path('a'), 'latin1') === 'xxxx', fs.readFileSync(path('a'), 'latin1'))`,
    'false xxxx',
  ],
  [
    'a delay',
    { action: 'delay', kinds: ['write'], after: 1, value: 1 },
    `fs.writeFileSync(path('a'), 'x'); console.log('done')`,
    'done',
  ],
]
for (const [name, rule, body, output] of FAULTS) {
  t.test(`injects ${name}`, SKIP, async (t) => {
    t.equal((await run(t, body, withRules(rule))).output, output)
  })
}

t.test('kills before an operation, or in the middle of a write', SKIP, async (t) => {
  const body = `fs.writeFileSync(path('a'), 'abcd'); fs.writeFileSync(path('b'), 'abcd'); console.log('alive')`
  const contentOf = ({ rig }: Ran, name: string): string => readFileSync(join(rig.root, name), 'utf8')
  const killed = await run(t, body, withRules({ action: 'kill', kinds: ['write'], after: 2 }))
  t.match(killed, { output: '', signal: 'SIGKILL' })
  t.same([contentOf(killed, 'a'), contentOf(killed, 'b')], ['abcd', ''])
  const halved = await run(t, body, withRules({ action: 'kill-half', kinds: ['write'], after: 2 }))
  t.match(halved, { output: '', signal: 'SIGKILL' })
  t.same([contentOf(halved, 'a'), contentOf(halved, 'b')], ['abcd', 'ab'])
  t.equal(killed.rig.control.operations, 4, 'two files made, two writes begun')
})

t.test('a short write continues where it ended', SKIP, async (t) => {
  const body = `const f = fs.openSync(path('f'), 'w'); fs.writeSync(f, 'abcdef')`
  const { rig } = await run(t, body, withRules({ action: 'short', kinds: ['write'], after: 1 }))
  const writes = rig.operations().filter(({ kind }) => kind === 'write')
  t.same(
    writes.map(({ offset, bytes }) => `${offset} ${bytes}`),
    ['0 abc', '3 def'],
  )
})

t.test('a sync that is swallowed is not in the journal', SKIP, async (t) => {
  const body = `const f = fs.openSync(path('f'), 'w'); fs.fsyncSync(f); fs.fdatasyncSync(f)`
  const { rig } = await run(t, body, withRules({ action: 'swallow', kinds: ['sync'], after: 1 }))
  t.equal(rig.operations().filter(({ kind }) => kind === 'sync').length, 1)
})

t.test('space runs out, and is available again', SKIP, async (t) => {
  const body = `console.log(attempt(() => fs.writeFileSync(path('a'), 'x'.repeat(10))), attempt(() => fs.writeFileSync(path('b'), 'x')))`
  const bounded = (rig: Rig): void => {
    rig.control.space = 10
    rig.control.skipsSync = true
  }
  t.equal((await run(t, body, bounded)).output, 'undefined ENOSPC')
  t.equal((await run(t, body)).output, 'undefined undefined')
})

t.test('the same seed draws the same faults', SKIP, async (t) => {
  const body = `for (let n = 0; n < 40; n++) process.stdout.write(attempt(() => fs.writeFileSync(path('f'), 'x')) === undefined ? '.' : 'E')`
  const seeded = (seed: number) => (rig: Rig) => {
    rig.control.seed = seed
    rig.control.rules = [{ action: 'fail', kinds: ['write'], chance: 0.3, value: 5 }]
  }
  const [first, again, other] = [
    await run(t, body, seeded(7)),
    await run(t, body, seeded(7)),
    await run(t, body, seeded(8)),
  ]
  t.match(first.output, /^[.E]{40}$/)
  t.equal(first.output, again.output)
  t.not(first.output, other.output)
})

t.test('more rules than fit, and an ending that is too long, are errors', SKIP, async (t) => {
  const work = workFolder(t)
  const rig = new Rig(join(work, 'root'), join(work, 'rig'))
  t.teardown(() => rig.close())
  const rule: Rule = { action: 'kill', kinds: ['write'] }
  t.throws(() => withRules(...new Array<Rule>(RULES_MAX + 1).fill(rule))(rig), /25 rules; 24 fit/)
  t.throws(() => withRules({ ...rule, ending: 'x'.repeat(89) })(rig), /too long/)
})
