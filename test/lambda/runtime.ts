/**
 * The AWS side of a function: the Lambda Runtime API, with the four routes of "Using the Lambda runtime API" in AWS's
 * documentation, and AWS's own runtime client running a handler.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where `node scripts/lambda-runtime.mjs` installs AWS's runtime client. */
const CLIENT = 'node_modules/.cache/lambda-runtime/node_modules/aws-lambda-ric/index.mjs'
const CLIENT_BINARY = 'node_modules/.cache/lambda-runtime/node_modules/aws-lambda-ric/rapid-client.node'
const ROUTES = '/2018-06-01/runtime'
const INVOCATION_MS_MAX = 900_000

/** The function's response to an event, or to its start: JSON. */
export interface Outcome {
  readonly kind: 'response' | 'error' | 'init/error'
  readonly body: string
}

export interface FunctionParts {
  /** The folder of the bundle. */
  readonly taskRoot: string
  /** `<module>.<export>`, without the module's extension. */
  readonly handler: string
  readonly env?: Readonly<Record<string, string>>
}

/** True if the runtime client is installed. */
export function hasRuntimeClient(): boolean {
  return existsSync(CLIENT_BINARY)
}

/** A function that runs until it is stopped. */
export class LocalFunction {
  /** When the function requested its first event, ms since the epoch: the end of its start. */
  readonly ready: Promise<number>
  /** The function's own output. */
  output = ''
  readonly #server: Server
  #child: ChildProcess | undefined
  #waiting: ServerResponse | undefined
  readonly #events: unknown[] = []
  readonly #outcomes: Outcome[] = []
  readonly #listeners: ((outcome: Outcome) => void)[] = []
  #becomeReady: (ms: number) => void = () => {}

  private constructor() {
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve
    })
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(parts: FunctionParts): Promise<LocalFunction> {
    const started = new LocalFunction()
    await new Promise<void>((resolve) => started.#server.listen(0, '127.0.0.1', resolve))
    started.#spawn(parts)
    return started
  }

  /** Sends an event, and returns the function's response. One at a time, as in Lambda. */
  invoke(event: unknown): Promise<Outcome> {
    this.#events.push(event)
    this.#handOut()
    return this.outcome()
  }

  /** The function's next response. */
  outcome(): Promise<Outcome> {
    const known = this.#outcomes.shift()
    return known === undefined ? new Promise((resolve) => this.#listeners.push(resolve)) : Promise.resolve(known)
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #spawn({ taskRoot, handler, env }: FunctionParts): void {
    const { port } = this.#server.address() as AddressInfo
    const child = spawn(process.execPath, [CLIENT], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
        _HANDLER: handler,
        LAMBDA_TASK_ROOT: taskRoot,
        AWS_REGION: 'us-east-1',
        AWS_LAMBDA_FUNCTION_NAME: 'gateway',
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
        AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/gateway',
        AWS_LAMBDA_LOG_STREAM_NAME: 'local',
        ...env,
      },
    })
    child.stdout.on('data', (chunk) => {
      this.output += chunk
    })
    child.stderr.on('data', (chunk) => {
      this.output += chunk
    })
    child.once('exit', (code, signal) => {
      this.#say({ kind: 'init/error', body: JSON.stringify({ errorMessage: `the process ended: ${code ?? signal}` }) })
    })
    this.#child = child
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').slice(ROUTES.length)
    if (path === '/invocation/next') {
      this.#becomeReady(Date.now())
      this.#waiting = response
      return this.#handOut()
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const kind = path === '/init/error' ? 'init/error' : path.endsWith('/error') ? 'error' : 'response'
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}')
    this.#say({ kind, body: Buffer.concat(chunks).toString() })
  }

  #handOut(): void {
    if (this.#waiting === undefined || this.#events.length === 0) return
    const response = this.#waiting
    this.#waiting = undefined
    response.writeHead(200, {
      'content-type': 'application/json',
      'Lambda-Runtime-Aws-Request-Id': randomUUID(),
      'Lambda-Runtime-Deadline-Ms': String(Date.now() + INVOCATION_MS_MAX),
      'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:us-east-1:123456789012:function:gateway',
      'Lambda-Runtime-Trace-Id': 'Root=1-00000000-000000000000000000000000;Sampled=0',
    })
    response.end(JSON.stringify(this.#events.shift()))
  }

  #say(outcome: Outcome): void {
    const listener = this.#listeners.shift()
    if (listener === undefined) this.#outcomes.push(outcome)
    else listener(outcome)
  }
}
