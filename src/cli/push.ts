/** `millrace push`: pushes lines to a gateway or any Loki, in snappy-compressed protobuf as agents do. */

import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import { formatLabels, isLabelName, type Label, sortLabels } from '../domain/labels.ts'
import { msToNs } from '../domain/time.ts'
import { backoffMs, NO_CHANCE, type Wait } from '../kit/backoff.ts'
import { encodePush } from '../protocol/loki/loki-push-encode.ts'
import { CLIENT_OPTIONS, CLIENT_USAGE, readAddress } from './client.ts'
import type { Command, Terminal } from './commands.ts'

/** Lines per push; the last push may have fewer. */
const LINES_MAX = 1000
const ATTEMPTS_MAX = 5
const RETRY = { firstMs: 500, maxMs: 8_000 }

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly labels: string
}

/** `nowMs` reads the clock, `wait` waits between attempts. */
export function pushCommand(nowMs: () => number, wait: Wait): Command {
  return {
    name: 'push',
    summary: 'Pushes lines from its arguments or from stdin.',
    usage: `millrace push --label NAME=VALUE [--label …] [options] [LINE …]

  --label NAME=VALUE  a label of the stream; at least one
${CLIENT_USAGE}

  tail -F app.log | millrace push --label app=shop`,
    run: async (args, terminal) => {
      const { target, lines } = readTarget(args)
      let count = 0
      for await (const chunk of chunked(lines.length > 0 ? lines : readLines(terminal))) {
        // Increasing nanoseconds keep the order of the lines in a push.
        const firstNs = msToNs(nowMs())
        const entries = chunk.map((line, i) => ({ ns: firstNs + BigInt(i), line }))
        await send(target, encodePush([{ labels: target.labels, entries }]), wait)
        count += chunk.length
      }
      terminal.out(`${count} ${count === 1 ? 'line' : 'lines'} pushed\n`)
      return 0
    },
  }
}

function readTarget(args: readonly string[]): { target: Target; lines: string[] } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      label: { type: 'string', multiple: true, default: [] },
      ...CLIENT_OPTIONS,
    },
  })
  const labels = values.label.map(readLabel)
  if (labels.length === 0)
    throw new GatewayError('parameter_invalid', '--label is missing; give at least one, like app=shop')
  const gateway = readAddress(values)
  const headers = { ...gateway.headers, 'content-type': 'application/x-protobuf' }
  const url = `${gateway.url}/loki/api/v1/push`
  return { target: { url, headers, labels: formatLabels(sortLabels(labels)) }, lines: positionals }
}

function readLabel(text: string): Label {
  const at = text.indexOf('=')
  const name = text.slice(0, at)
  if (at < 1 || !isLabelName(name))
    throw new GatewayError('parameter_invalid', `--label must be NAME=VALUE, like app=shop`)
  return { name, value: text.slice(at + 1) }
}

async function* readLines(terminal: Terminal): AsyncIterable<string> {
  if (terminal.isInteractive) terminal.note('Type lines to push; Ctrl-D ends the input.\n')
  yield* createInterface({ input: Readable.from(terminal.stdin), crlfDelay: Number.POSITIVE_INFINITY })
}

async function* chunked(lines: Iterable<string> | AsyncIterable<string>): AsyncIterable<string[]> {
  let chunk: string[] = []
  for await (const line of lines) {
    chunk.push(line)
    if (chunk.length < LINES_MAX) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** Sends one push and retries temporary failures. Retries are safe: the lines keep their times. */
async function send({ url, headers }: Target, body: Uint8Array, wait: Wait): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await post(url, headers, body)
    if (answer.isStored) return
    if (!answer.mayRetry || attempt === ATTEMPTS_MAX) {
      throw new GatewayError('entries_refused', `${url} rejected the lines: ${answer.text}`)
    }
    await wait(backoffMs(attempt, RETRY, NO_CHANCE))
  }
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<{ isStored: boolean; mayRetry: boolean; text: string }> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
    const text = `${response.status} ${(await response.text()).trim()}`
    return { isStored: response.ok, mayRetry: response.status === 429 || response.status >= 500, text }
  } catch (error) {
    const { cause, message } = error as Error
    return { isStored: false, mayRetry: true, text: cause instanceof Error ? cause.message : message }
  }
}
