/** The whole aws home as started by `npm run start:aws-local`: runs the session of the README and checks the bucket. */

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import t, { type Test } from 'tap'
import { BUCKET, PREFIX } from '../doubles/local-cloud.ts'
import { testFolder } from '../support/test-folder.ts'
import { testClient } from './test-client.ts'

const run = promisify(execFile)
/** Ends a test that hangs; longer than anything here takes on a slow machine. */
const PATIENCE_MS = 600_000
const LOOK_MS = 100
/** Short intervals, for the test. */
const SETTINGS = { MILLRACE_POLL_INTERVAL: '1s', MILLRACE_ALERT_POLL_EVERY: '1s' }

function has(tool: string): boolean {
  return spawnSync(tool, ['--version']).status === 0
}

/** Repeats until there is a result. */
async function found<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const deadlineMs = Date.now() + PATIENCE_MS; Date.now() < deadlineMs; await delay(LOOK_MS)) {
    const thing = await look()
    if (thing !== undefined) return thing
  }
  throw new Error(`${what} did not come in ${PATIENCE_MS} ms`)
}

class LocalHome {
  readonly #child: ChildProcess
  /** Its output so far. */
  text = ''

  constructor(t: Test, cacheDir: string) {
    const clean = Object.entries(process.env).filter(([name]) => !/^(MILLRACE_|AWS_|COGNIGY_)/.test(name))
    const args = ['test/aws/start-aws-local.ts', '--port', '0', '--aws-port', '0', '--buffer-seconds', '1']
    const env = { ...Object.fromEntries(clean), ...SETTINGS, MILLRACE_CACHE_DIR: cacheDir }
    this.#child = spawn(process.execPath, args, { env, stdio: 'pipe' })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.text += text
      })
    }
    t.teardown(() => this.stop())
  }

  /** The first group of the pattern in its output, once it matches. */
  logged(pattern: RegExp): Promise<string> {
    return found(async () => {
      if (this.#child.exitCode !== null) throw new Error(`it ended before it logged ${pattern}: ${this.text}`)
      return pattern.exec(this.text)?.[1]
    }, String(pattern))
  }

  /** Like Ctrl-C; returns the exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGINT')
      await once(this.#child, 'close')
    }
    return this.#child.exitCode
  }
}

/** The bucket as files in a folder, without the folders of keys. */
class Bucket {
  readonly #s3: S3Client
  readonly #folder: string

  constructor(endpoint: string, folder: string) {
    this.#s3 = new S3Client({ ...testClient(endpoint), forcePathStyle: true })
    this.#folder = folder
  }

  async download(): Promise<string[]> {
    const files: string[] = []
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: this.#s3 },
      { Bucket: BUCKET, Prefix: PREFIX },
    )) {
      for (const { Key = '' } of Contents) {
        const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }))
        const file = join(this.#folder, Key.replaceAll('/', '_'))
        writeFileSync(file, (await Body?.transformToByteArray()) ?? '')
        files.push(file)
      }
    }
    return files
  }

  destroy(): void {
    this.#s3.destroy()
  }
}

/** The session of the README, and the line of docs/aws-home.md that reads the bucket. */
const SESSION = /<!-- session -->\n```sh\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? ''
const ZCAT = /^zcat .*$/m.exec(readFileSync('docs/aws-home.md', 'utf8'))?.[0] ?? ''
const hasSessionTools = has('bash') && has('curl')
const hasBucketTools = has('zcat') && has('jq')

t.test('one command runs the aws home', { skip: hasSessionTools ? false : 'bash or curl is not here' }, async (t) => {
  const folder = testFolder(t, { objects: {}, cache: {} })
  const home = new LocalHome(t, join(folder, 'cache'))
  const url = await home.logged(/speaks Loki at (\S+); its data is in the bucket millrace-archive\n/)
  const bucket = new Bucket(await home.logged(/AWS_ENDPOINT_URL_S3=(\S+)/), join(folder, 'objects'))
  t.teardown(() => bucket.destroy())

  await t.test('the README’s session works pasted whole', async (t) => {
    const script = SESSION.replaceAll('http://127.0.0.1:3100', url)
    const { stdout } = await run('bash', ['-euc', script])
    t.match(stdout, '{"status":"success","count":1}')
    t.match(stdout, '1 line pushed')
    t.match(stdout, 'the wheel turns', 'the JSON push is found')
    t.match(stdout, 'the wheel stands', 'the protobuf push is found')
    t.match(stdout, /"severity":"warning","message":"grain is low","bushels":3/, 'GET /logs gives the log back')
    t.match(stdout, /"source":"logs"/, 'the log is a Loki stream as well')
  })

  await t.test('zcat and jq can read pushed and posted lines in the bucket', async (t) => {
    const files = await found(async () => {
      const files = await bucket.download()
      return linesIn(files, 'mill').length >= 2 && files.some((file) => file.includes('_queue_')) ? files : undefined
    }, 'the objects of Firehose and of the worker')
    t.match(linesIn(files, 'mill').sort(), [
      /^\S+\.000000001Z level=info msg="the wheel turns"$/,
      /^\S+Z level=error msg="the wheel stands"$/,
    ])
    const posted = files.filter((file) => file.includes('_queue_')).flatMap((file) => jsonLines(file))
    t.match(posted, [{ labels: { source: 'logs', severity: 'warning' }, line: /"message":"grain is low","bushels":3/ }])
    if (!hasBucketTools) return t.comment('zcat or jq is not here: the objects were read by Node alone')
    const { stdout } = await run('bash', ['-euc', ZCAT.replaceAll('"shop"', '"mill"')], {
      cwd: join(folder, 'objects'),
    })
    t.strictSame(stdout.trim().split('\n').sort(), linesIn(files, 'mill').sort(), ZCAT)
  })

  await t.test('polled entries can be queried, and their errors are incidents', async (t) => {
    const query = new URLSearchParams({ query: '{source="cognigy"} | detected_level="error"' })
    const polled = await found(async () => {
      const body = await (await fetch(`${url}/loki/api/v1/query_range?${query}`)).text()
      return body.includes('"values"') ? body : undefined
    }, 'a polled error')
    t.match(polled, '"source":"cognigy"')
    const incident = await found(async () => {
      const { items } = (await (await fetch(`${url}/incidents`)).json()) as { items: readonly object[] }
      return items[0]
    }, 'an incident')
    t.match(incident, { kind: 'line', severity: 'error', labels: { log_group: 'cognigy-logs' } })
    await home.logged(/("transition":"opened")/)
  })

  t.equal(await home.stop(), 0, 'Ctrl-C ends it, each process after what it has accepted')
})

interface ArchivedLine {
  readonly time: string
  readonly labels: Readonly<Record<string, string>>
  readonly line: string
}

function jsonLines(file: string): ArchivedLine[] {
  const texts = gunzipSync(readFileSync(file)).toString().split('\n').slice(0, -1)
  return texts.map((text) => JSON.parse(text) as ArchivedLine)
}

/** Like the jq command in the documents: the time, then the line. */
function linesIn(files: readonly string[], app: string): string[] {
  const lines = files.flatMap((file) => jsonLines(file)).filter(({ labels }) => labels['app'] === app)
  return lines.map(({ time, line }) => `${time} ${line}`)
}
