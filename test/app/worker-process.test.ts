/** The worker as started in production: a process that polls, and a function that is invoked. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { DEAD_LETTER_QUEUE, type LocalCloud, PREFIX, QUEUE, startLocalCloud } from '../doubles/local-cloud.ts'
import { archiveLine, linesOf, messageBody } from '../support/queue-messages.ts'

const NOON = 1_795_262_400_000_000_000n // 2026-11-21T12:00:00Z
const LINE = { ns: NOON, line: 'a line' }

type Settings = Readonly<Record<string, string>>

/** A Node process with these arguments, and its output so far. */
class Process {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  out = ''
  notes = ''
  #heard: () => void = () => undefined

  constructor(t: Test, args: readonly string[], env: Settings) {
    const clean = Object.entries(process.env).filter(([name]) => !/^(MILLRACE_|AWS_)/.test(name))
    const options = { env: { ...Object.fromEntries(clean), ...env }, stdio: 'pipe' as const }
    this.#child = spawn(process.execPath, [...args], options)
    this.#exited = once(this.#child, 'close')
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.notes += text
      this.#heard()
    })
    t.teardown(() => this.#child.kill('SIGKILL'))
  }

  /** Resolves once it has written this to stderr; rejects if it exits before. */
  async logs(words: string): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (this.notes.includes(words)) resolve()
      }
      this.#heard()
    })
    const ended = this.#exited.then(() => {
      if (!this.notes.includes(words)) throw new Error(`it ended before it logged ${words}: ${this.notes}`)
    })
    await Promise.race([heard, ended])
    ended.catch(() => undefined)
  }

  async exit(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal)
    await this.#exited
    return this.#child.exitCode
  }
}

function settingsOf(cloud: LocalCloud): Settings {
  return {
    ...cloud.environment(),
    MILLRACE_S3_PATH_STYLE: 'true',
    MILLRACE_DEAD_LETTER_URL: cloud.deadLetterQueueUrl,
    MILLRACE_LOG_LEVEL: 'debug',
  }
}

async function archived(cloud: LocalCloud): Promise<string[]> {
  return (await cloud.objects(PREFIX)).flatMap(({ body }) => linesOf(body))
}

t.test('the process archives the messages of the queue, and reports its metrics at SIGTERM', async (t) => {
  const cloud = await startLocalCloud(t)
  cloud.queues.sendMessage(QUEUE, messageBody([LINE]))
  const worker = new Process(t, ['src/entry/worker-loop.ts'], settingsOf(cloud))
  await worker.logs('wrote an object')
  t.equal(await worker.exit('SIGTERM'), 0)
  t.same(await archived(cloud), [archiveLine(LINE).trimEnd()])
  t.same(cloud.messages(QUEUE), [])
  t.match(JSON.parse(worker.out), {
    _aws: { CloudWatchMetrics: [{ Namespace: 'Millrace' }] },
    service: 'worker',
    ProcessedLogCount: 1,
  })
  t.match(worker.notes, 'stopping')
  t.notMatch(worker.notes + worker.out, 'a line')
})

t.test('the function archives a delivery, and moves unreadable messages to the dead letters', async (t) => {
  const cloud = await startLocalCloud(t)
  const record = (messageId: string, body: string) => ({ messageId, body, attributes: {}, messageAttributes: {} })
  const event = { Records: [record('good', messageBody([LINE])), record('bad', 'poison')] }
  const code = `
    const { handler } = await import('./src/entry/worker-lambda.ts')
    process.stdout.write(JSON.stringify(await handler(${JSON.stringify(event)})))
    process.exit(0)`
  const call = new Process(t, ['--input-type=module', '--eval', code], settingsOf(cloud))
  t.equal(await call.exit(), 0, call.notes)
  const lines = call.out.split('\n')
  const [counts = ''] = lines.filter((line) => line.startsWith('{"_aws"'))
  const answer = lines.at(-1) ?? ''
  t.match(JSON.parse(counts), { ProcessedLogCount: 1, ProcessingErrors: 1, BuriedMessageCount: 1 })
  t.same(JSON.parse(answer), { batchItemFailures: [] })
  t.same(await archived(cloud), [archiveLine(LINE).trimEnd()])
  t.same(cloud.messages(DEAD_LETTER_QUEUE), ['poison'])
})

t.test('settings may be parameters', async (t) => {
  const cloud = await startLocalCloud(t)
  cloud.queues.sendMessage(QUEUE, messageBody([LINE]))
  cloud.ssm.set('/millrace/key', 'a secret of at least 32 characters', 'SecureString')
  const worker = new Process(t, ['src/entry/worker-loop.ts'], {
    ...settingsOf(cloud),
    MILLRACE_KEY_SECRET: 'ssm:/millrace/key',
  })
  await worker.logs('wrote an object')
  t.equal(await worker.exit('SIGTERM'), 0)
})

const refused: readonly (readonly [name: string, env: Settings, says: RegExp])[] = [
  ['a bucket', { MILLRACE_HOME: 'aws' }, /^millrace: the worker needs MILLRACE_BUCKET/],
  ['a queue', { MILLRACE_BUCKET: 'b' }, /^millrace: the worker needs MILLRACE_QUEUE_URL/],
]

for (const [name, env, says] of refused) {
  t.test(`the process does not start without ${name}, and reports it`, async (t) => {
    const worker = new Process(t, ['src/entry/worker-loop.ts'], env)
    t.equal(await worker.exit(), 1)
    t.match(worker.notes, says)
  })
}
