/** `millrace push`: pushes lines from files, stdin or options to a gateway or any Loki. */

import { createReadStream, statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createGunzip } from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, isLabelName, type Label, sortLabels } from '../../domain/labels.ts'
import type { Wait } from '../../kit/backoff.ts'
import { PushWriter } from '../../protocol/loki/loki-push-writer.ts'
import { CLIENT_OPTIONS, CLIENT_USAGE, readAddress } from '../client.ts'
import { type Command, EXIT_FAILED, type Terminal } from '../commands.ts'
import { type Batch, gatherBatches, type TimeOf } from './batches.ts'
import { lineTime } from './line-time.ts'
import { type PushTarget, pushBatch } from './push-client.ts'
import { readLines } from './read-lines.ts'
import { PushTotals } from './totals.ts'

/** A push is sent when it has this many bytes of lines, or a second after its first line, as in Promtail. */
const BATCH = { bytesMax: 1024 * 1024, waitMs: 1000 }
/** Loki accepts 256 KiB by default, so a longer line is not worth a request. */
const LINE_BYTES_MAX = 4 * 1024 * 1024
const READ_BYTES = 64 * 1024

export interface PushParts {
  /** Reads the clock, ms since the epoch. */
  readonly nowMs: () => number
  readonly wait: Wait
  /** Aborted when the process must stop: lines read until then are still pushed. */
  readonly stop?: (() => AbortSignal) | undefined
}

/** The origin of lines: a file, stdin, or the command line. */
interface Input {
  readonly name: string
  readonly bytes: number | undefined
  open(): AsyncIterable<Uint8Array>
}

export function pushCommand({ nowMs, wait, stop }: PushParts): Command {
  return {
    name: 'push',
    summary: 'Pushes lines of files or of stdin.',
    usage: `millrace push --label NAME=VALUE [--label …] [options] [FILE …]

  --label NAME=VALUE  a label of the stream; at least one
  --line TEXT         push this line; may be given several times
  --timestamps        use the time that a line states (RFC 3339, access logs, JSON and logfmt fields) instead of
                      the time at which it is read; lines without one follow the line before
${CLIENT_USAGE}

  Reads stdin if there is no FILE. A FILE that ends with .gz is decompressed. Lines are sent after a second or 1 MiB.

  tail -F app.log | millrace push --label app=shop`,
    run: async (args, terminal) => {
      const { target, labels, inputs, timeOf } = readOptions(args, terminal)
      const totals = new PushTotals(terminal)
      const signal = stop?.()
      const writer = new PushWriter(labels)
      for (const input of inputs) {
        if (signal?.aborted === true) break
        const reads = readLines(readInput(input, totals), LINE_BYTES_MAX, nowMs)
        for await (const batch of gatherBatches(reads, writer, BATCH, timeOf, { wait, stop: signal })) {
          await sendBatch(target, input, batch, totals, wait)
        }
      }
      return totals.report() ? 0 : EXIT_FAILED
    },
  }
}

/** The bytes of an input. A fault in the middle is reported and ends it; the bytes before it and other inputs count. */
async function* readInput(input: Input, totals: PushTotals): AsyncGenerator<Uint8Array> {
  try {
    yield* input.open()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    totals.fail(input.name, code === undefined ? message : `${code}: ${message.replace(`${code}: `, '')}`)
  }
}

async function sendBatch(
  target: PushTarget,
  input: Input,
  batch: Batch,
  totals: PushTotals,
  wait: Wait,
): Promise<void> {
  for (const number of batch.tooLong) totals.reject(input.name, number, `longer than ${LINE_BYTES_MAX} bytes`)
  try {
    totals.add(input.name, await pushBatch(target, batch, wait))
  } catch (error) {
    totals.stop(`lines from ${input.name}:${batch.numbers[0]} on were not pushed`)
    throw error
  }
  totals.progress(input.name, batch.bytesRead, input.bytes)
}

function readOptions(
  args: readonly string[],
  terminal: Terminal,
): { target: PushTarget; labels: string; inputs: readonly Input[]; timeOf: TimeOf } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      label: { type: 'string', multiple: true, default: [] },
      line: { type: 'string', multiple: true, default: [] },
      timestamps: { type: 'boolean', default: false },
      ...CLIENT_OPTIONS,
    },
  })
  const labels = values.label.map(readLabel)
  if (labels.length === 0) {
    throw new GatewayError('parameter_invalid', '--label is missing; give at least one, like app=shop')
  }
  const gateway = readAddress(values, terminal.client)
  const headers = { ...gateway.headers, 'content-type': 'application/x-protobuf', accept: 'application/json' }
  const url = `${gateway.url}/loki/api/v1/push`
  const inputs: Input[] = positionals.map((path) => (path === '-' ? stdinInput(terminal) : fileInput(path)))
  if (values.line.length > 0) inputs.unshift(linesInput(values.line))
  if (inputs.length === 0) inputs.push(stdinInput(terminal))
  return {
    target: { url, headers },
    labels: formatLabels(sortLabels(labels)),
    inputs,
    timeOf: values.timestamps ? lineTime : () => undefined,
  }
}

function readLabel(text: string): Label {
  const at = text.indexOf('=')
  const name = text.slice(0, at)
  if (at < 1) throw new GatewayError('parameter_invalid', '--label must be NAME=VALUE, like app=shop')
  if (!isLabelName(name)) {
    const text = `--label: ${JSON.stringify(name)} is not a label name; use letters, digits and _, and begin with no digit`
    throw new GatewayError('parameter_invalid', text)
  }
  return { name, value: text.slice(at + 1) }
}

/** Throws parameter_invalid before anything is pushed if the file does not exist. */
function fileInput(path: string): Input {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || stats.isDirectory()) {
    const why = stats === undefined ? 'does not exist' : 'is a folder'
    throw new GatewayError('parameter_invalid', `${path} ${why}; name a file, or give a line with --line TEXT`)
  }
  const open = (): AsyncIterable<Uint8Array> => {
    const file = createReadStream(path, { highWaterMark: READ_BYTES })
    if (!path.endsWith('.gz')) return file
    const gunzip = createGunzip()
    file.on('error', (error) => gunzip.destroy(error))
    return file.pipe(gunzip)
  }
  // The size of a pipe or a compressed file is not useful for progress.
  return { name: path, bytes: stats.isFile() && !path.endsWith('.gz') ? stats.size : undefined, open }
}

function stdinInput(terminal: Terminal): Input {
  const open = (): AsyncIterable<Uint8Array> => {
    if (terminal.isInteractive) terminal.note('Type lines to push; Ctrl-D ends the input.\n')
    return terminal.stdin
  }
  return { name: 'stdin', bytes: undefined, open }
}

function linesInput(lines: readonly string[]): Input {
  const open = async function* () {
    yield Buffer.from(lines.map((line) => `${line}\n`).join(''))
  }
  return { name: '--line', bytes: undefined, open }
}
