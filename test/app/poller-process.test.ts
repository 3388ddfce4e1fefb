/** The poller as started in production: a function that is invoked, and a container that polls. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import { FakeCognigy } from '../cognigy/fake-server.ts'
import { CloudWatchLogsDouble } from '../doubles/cloudwatch-logs-double.ts'
import { SsmDouble } from '../doubles/ssm-double.ts'
import { testFolder } from '../support/test-folder.ts'

const PROJECT = 'abcdefabcdefabcdefabcdef'
const LAMBDA = fileURLToPath(new URL('../../src/entry/poller-lambda.ts', import.meta.url))
const LOOP = fileURLToPath(new URL('../../src/entry/poller-loop.ts', import.meta.url))
/** Calls the handler twice, like a warm function, and prints its results on stdout. */
const INVOKE = `
  const { handler } = await import(${JSON.stringify(LAMBDA)})
  for (let i = 0; i < 2; i++) {
    const answer = await handler().catch((error) => ({ code: error.code, message: error.message }))
    process.stdout.write('answer ' + JSON.stringify(answer) + '\\n')
  }
`

const startServices = async (t: Test) => {
  const fake = new FakeCognigy({ nowMs: Date.now })
  const baseUrl = await fake.listen()
  const ssm = await SsmDouble.start({ clock: SYSTEM_CLOCK })
  const logs = await CloudWatchLogsDouble.start({ clock: SYSTEM_CLOCK })
  t.teardown(async () => {
    await fake.close()
    await ssm.stop()
    await logs.stop()
  })
  const env = {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_SSM: ssm.url,
    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: logs.url,
    MILLRACE_HOME: 'aws',
    MILLRACE_POLL_BASE_URL: baseUrl,
    MILLRACE_POLL_PROJECTS: `demo=${PROJECT}`,
  }
  const add = (count: number) =>
    Array.from({ length: count }, (_, i) => fake.add(PROJECT, { ms: Date.now() - i * 1000 })._id)
  const stored = () =>
    logs.events('cognigy-logs', 'lambda-poller-stream').map(({ message }) => String(JSON.parse(message)['_id']))
  return { fake, ssm, logs, env, add, stored }
}

/** A Node process, and its output so far. */
class Running {
  readonly child: ChildProcess
  readonly #closed: Promise<unknown>
  text = ''

  constructor(t: Test, args: readonly string[], env: Readonly<Record<string, string>>) {
    const clean = Object.entries(process.env).filter(([name]) => !/^(MILLRACE_|AWS_|COGNIGY_)/.test(name))
    this.child = spawn(process.execPath, [...args], { env: { ...Object.fromEntries(clean), ...env }, stdio: 'pipe' })
    this.#closed = once(this.child, 'close')
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.text += text
      })
    }
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  async logs(words: string): Promise<void> {
    while (!this.text.includes(words)) {
      if (this.child.exitCode !== null) throw new Error(`it ended before it logged ${words}: ${this.text}`)
      await Promise.race([once(this.child.stderr as NodeJS.ReadableStream, 'data'), this.#closed])
    }
  }

  async exit(): Promise<number | null> {
    await this.#closed
    return this.child.exitCode
  }

  get answers(): unknown[] {
    const lines = this.text.split('\n').filter((line) => line.startsWith('answer '))
    return lines.map((line) => JSON.parse(line.slice('answer '.length)))
  }
}

const invoke = async (t: Test, env: Readonly<Record<string, string>>) => {
  const running = new Running(t, ['--input-type=module', '--eval', INVOKE], env)
  await running.exit()
  return running
}

t.test('the function polls into CloudWatch with the key and the cursor in SSM, and answers counts', async (t) => {
  const { env, add, stored, ssm } = await startServices(t)
  ssm.set('/cognigy-mytrial-api-key', 'fake-key', 'SecureString')
  const ids = add(230)
  const { answers, text } = await invoke(t, env)
  t.match(answers, [
    { stored: 230, rejected: 0, lagSeconds: Number, projects: [{ project: 'demo', state: 'complete' }] },
    { stored: 0, projects: [{ state: 'complete' }] },
  ])
  t.same(stored().sort(), ids.sort())
  t.match(text, /"SourceLagSeconds":\d+[,}]/)
  t.notMatch(text, /fake-key/)
  const later = add(3)
  t.match((await invoke(t, env)).answers, [{ stored: 3 }, { stored: 0 }], 'another container goes on')
  t.same(stored().sort(), [...ids, ...later].sort())
})

t.test('the function fails if no project could be polled, so that it counts as an error', async (t) => {
  const { env } = await startServices(t)
  t.match((await invoke(t, { ...env, COGNIGY_API_KEY: 'wrong' })).answers[0], { code: 'source_unavailable' })
  t.match((await invoke(t, env)).answers[0], { message: /the parameter "\/cognigy-mytrial-api-key" .* does not exist/ })
})

for (const variable of ['MILLRACE_POLL_PROJECTS', 'MILLRACE_HOME'] as const) {
  t.test(`the function does not start without ${variable}`, async (t) => {
    const { [variable]: _left, ...env } = (await startServices(t)).env
    const running = await invoke(t, { ...env, COGNIGY_API_KEY: 'fake-key' })
    t.equal(await running.exit(), 1)
    t.match(running.text, new RegExp(variable))
  })
}

t.test('the container polls until it is stopped', async (t) => {
  const { env, add, stored } = await startServices(t)
  const ids = add(5)
  const running = new Running(t, [LOOP], { ...env, COGNIGY_API_KEY: 'fake-key', MILLRACE_POLL_INTERVAL: '1s' })
  await running.logs('"stored":5')
  running.child.kill('SIGTERM')
  t.equal(await running.exit(), 0)
  t.match(running.text, /stopping/)
  t.same(stored().sort(), ids.sort())
})

t.test('the container does not poll into the store of an embedded gateway', async (t) => {
  const running = new Running(t, [LOOP], {
    MILLRACE_POLL_PROJECTS: PROJECT,
    COGNIGY_API_KEY: 'k',
    MILLRACE_DATA_DIR: testFolder(t),
  })
  t.equal(await running.exit(), 1)
  t.match(running.text, /the gateway polls/)
})
