import t from 'tap'

interface Step {
  readonly ok: boolean
  readonly seconds: number
  readonly problem: string | undefined
}

type RunBounded = (command: string, args: readonly string[], options: { secondsMax: number }) => Promise<Step>

// @ts-expect-error a script of plain JavaScript, which runs without the types
const { runBounded } = (await import('../../scripts/bounded-step.mjs')) as { readonly runBounded: RunBounded }
const node = (script: string) => ['-e', script]

t.test('a successful step prints nothing', async (t) => {
  t.match(await runBounded(process.execPath, node('console.log("noise")'), { secondsMax: 600 }), {
    ok: true,
    problem: undefined,
  })
})

t.test('a failed step prints its command, its code and its last lines', async (t) => {
  const script =
    'for (let i = 0; i < 99; i++) console.log("line", i); console.error("the reason"); process.exitCode = 3'
  const { ok, problem = '' } = await runBounded(process.execPath, node(script), { secondsMax: 600 })
  t.equal(ok, false)
  t.match(problem, /-e .* ended with 3\n/)
  t.match(problem, 'the reason')
  t.match(problem, 'line 98')
  t.notMatch(problem, /line 50$/m, 'not all of it')
})

t.test('a missing command is reported', async (t) => {
  t.match(await runBounded('no-such-command', [], { secondsMax: 600 }), {
    ok: false,
    problem: /could not be started: .*ENOENT/,
  })
})

t.test('a hanging step is killed at its time limit, with its child processes', async (t) => {
  const child = "setInterval(() => {}, 1e6); console.log('child', process.pid)"
  const script = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: 'inherit' }); setInterval(() => {}, 1e6)`
  // The outputs close only when no process holds them, so this also shows that the grandchild ended.
  const { ok, problem = '' } = await runBounded(process.execPath, node(script), { secondsMax: 0.2 })
  t.equal(ok, false)
  t.match(problem, 'was ended after its bound of 0.2 s')
})
