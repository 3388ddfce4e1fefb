/** `millrace redrive`: lists the worker's dead letters and moves them back to its queue. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import type { Command, Terminal } from './commands.ts'

/** A message that was given up. */
export interface GivenUp {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly sentMs: number
  readonly bytes: number
  readonly reason: { readonly code: string; readonly text: string } | undefined
}

/** Messages that were given up, as many as are not held. */
export interface GivenUpMessages<M extends GivenUp> {
  /** Some, held for a few minutes; none when there are no others. */
  take(): Promise<readonly M[]>
  release(messages: readonly M[]): Promise<void>
  /** False when the message is in both queues now. Rejects when it is still in the first only. */
  bringBack(message: M): Promise<boolean>
  close(): void
}

const COUNT_DEFAULT = 1000
const COUNT_MAX = 100_000

/** `open` reaches the queues; it is not called for wrong usage. */
export function redriveCommand<M extends GivenUp>(
  open: () => Promise<GivenUpMessages<M>>,
  nowMs: () => number,
): Command {
  return {
    name: 'redrive',
    summary: "Lists the worker's dead letters with their reasons, and moves them back to its queue.",
    usage: `millrace redrive [--dry-run] [--max COUNT]

  --dry-run      only list them
  --max COUNT    maximum number; default ${COUNT_DEFAULT}

One line per message: time sent, id, size, reason. After an error run it again: lines that arrive twice are stored
once. Needs MILLRACE_QUEUE_URL and MILLRACE_DEAD_LETTER_URL.`,
    run: async (args, terminal) => {
      const { isDryRun, countMax } = readOptions(args)
      const messages = await open()
      try {
        const run = { messages, countMax, startedMs: nowMs(), terminal }
        return isDryRun ? await list(run) : await bringBack(run)
      } finally {
        messages.close()
      }
    },
  }
}

function readOptions(args: readonly string[]): { isDryRun: boolean; countMax: number } {
  const { values } = parseArgs({
    args: [...args],
    options: { 'dry-run': { type: 'boolean' }, max: { type: 'string' } },
  })
  const countMax = values.max === undefined ? COUNT_DEFAULT : Number(values.max)
  if (!Number.isInteger(countMax) || countMax < 1 || countMax > COUNT_MAX) {
    throw new GatewayError('parameter_invalid', `--max must be a whole number from 1 to ${COUNT_MAX}`)
  }
  return { isDryRun: values['dry-run'] === true, countMax }
}

interface Run<M extends GivenUp> {
  readonly messages: GivenUpMessages<M>
  readonly countMax: number
  readonly startedMs: number
  readonly terminal: Terminal
}

/** All are held until the end, so that each is listed once. */
async function list<M extends GivenUp>({ messages, countMax, terminal }: Run<M>): Promise<number> {
  const held: M[] = []
  try {
    for (let more = true; more && held.length < countMax; ) {
      const taken = await messages.take()
      held.push(...taken)
      for (const message of taken) terminal.out(formatRow(message))
      more = taken.length > 0
    }
  } finally {
    await messages.release(held)
  }
  terminal.note(`${countOf(held.length)} in the dead letters; nothing was changed\n`)
  return 0
}

async function bringBack<M extends GivenUp>({ messages, countMax, startedMs, terminal }: Run<M>): Promise<number> {
  let brought = 0
  let twice = 0
  for (let more = true; more && brought < countMax; ) {
    const taken = await messages.take()
    // Given up again since the start: bringing it back once more would never end.
    const fresh = taken.filter(({ sentMs }) => sentMs < startedMs).slice(0, countMax - brought)
    let next = 0
    try {
      for (const message of fresh) {
        if (!(await messages.bringBack(message))) twice++
        next++
        terminal.out(formatRow(message))
      }
    } finally {
      brought += next
      await messages.release(taken.filter((message) => !fresh.slice(0, next).includes(message)))
    }
    more = fresh.length > 0
  }
  if (twice > 0)
    terminal.note(`${countOf(twice)} could not be deleted from the dead letters, and will be there again\n`)
  terminal.note(`${countOf(brought)} brought back\n`)
  return 0
}

function formatRow({ id, sentMs, bytes, reason }: GivenUp): string {
  const why = reason === undefined ? 'received too often; see the log of the worker' : `${reason.code}: ${reason.text}`
  return `${new Date(sentMs).toISOString()}  ${id}  ${bytes} bytes  ${why}\n`
}

function countOf(messages: number): string {
  return messages === 1 ? '1 message' : `${messages} messages`
}
