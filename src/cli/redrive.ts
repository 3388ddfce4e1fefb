/** `millrace redrive`: lists dead letters and moves each back to its consumer. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../domain/errors.ts'
import type { Command, Terminal } from './commands.ts'

/** A dead letter. */
export interface GivenUp {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly sentMs: number
  readonly bytes: number
  readonly reason: { readonly code: string; readonly text: string } | undefined
  /** False for a dead letter of another consumer, which stays there. */
  readonly isOwn: boolean
}

/** The dead letters of one consumer, except held ones. */
export interface GivenUpMessages<M extends GivenUp> {
  /** Takes some, holding them for a few minutes; none if there are no others. */
  take(): Promise<readonly M[]>
  release(messages: readonly M[]): Promise<void>
  /** False if the message is now in both places. Rejects if it is still only in the dead letters. */
  bringBack(message: M): Promise<boolean>
}

export const CONSUMERS = ['worker', 'alerts', 'poller'] as const
export type Consumer = (typeof CONSUMERS)[number]

export interface OpenedLetters<M extends GivenUp> {
  /** The consumers whose settings are complete. */
  readonly consumers: ReadonlyMap<Consumer, GivenUpMessages<M>>
  close(): void
}

const COUNT_DEFAULT = 1000
const COUNT_MAX = 100_000
const NEEDS: Readonly<Record<Consumer, string>> = {
  worker: 'MILLRACE_QUEUE_URL and MILLRACE_DEAD_LETTER_URL',
  alerts: 'MILLRACE_ALERT_FUNCTION and MILLRACE_ALERT_DEAD_LETTER_URL',
  poller: 'MILLRACE_POLL_FUNCTION and MILLRACE_POLL_DEAD_LETTER_URL',
}

/** `open` creates the clients; it is not called for wrong usage. */
export function redriveCommand<M extends GivenUp>(open: () => Promise<OpenedLetters<M>>, nowMs: () => number): Command {
  return {
    name: 'redrive',
    summary: 'Lists dead letters with their reasons, and brings each back to the consumer that gave it up.',
    usage: `millrace redrive [--from worker|alerts|poller] [--dry-run] [--max COUNT]

  --from NAME    dead letters of this consumer only; by default of each that is configured
  --dry-run      only list them
  --max COUNT    maximum number for each consumer; default ${COUNT_DEFAULT}

One line per message: consumer, time sent, id, size, reason. Messages of the worker go to its queue; events of the alert
processor and the poller are handed to their function again. After an error run it again: what arrives twice counts once.

${CONSUMERS.map((name) => `${name.padEnd(6)} needs ${NEEDS[name]}`).join('\n')}`,
    run: async (args, terminal) => {
      const { from, isDryRun, countMax } = readOptions(args)
      const { consumers, close } = await open()
      try {
        const startedMs = nowMs()
        for (const [consumer, messages] of pick(consumers, from)) {
          const run = { consumer, messages, countMax, startedMs, terminal }
          await (isDryRun ? list(run) : bringBack(run))
        }
        return 0
      } finally {
        close()
      }
    },
  }
}

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { from: { type: 'string' }, 'dry-run': { type: 'boolean' }, max: { type: 'string' } },
  })
  const countMax = values.max === undefined ? COUNT_DEFAULT : Number(values.max)
  if (!Number.isInteger(countMax) || countMax < 1 || countMax > COUNT_MAX) {
    throw new GatewayError('parameter_invalid', `--max must be a whole number from 1 to ${COUNT_MAX}`)
  }
  const from = CONSUMERS.find((name) => name === values.from)
  if (values.from !== undefined && from === undefined) {
    throw new GatewayError('parameter_invalid', `--from must be one of ${CONSUMERS.join(', ')}`)
  }
  return { from, isDryRun: values['dry-run'] === true, countMax }
}

/** Throws config_invalid if none of the requested consumers is configured. */
function pick<M extends GivenUp>(
  consumers: ReadonlyMap<Consumer, GivenUpMessages<M>>,
  from: Consumer | undefined,
): readonly (readonly [Consumer, GivenUpMessages<M>])[] {
  const picked = [...consumers].filter(([name]) => from === undefined || name === from)
  if (picked.length > 0) return picked
  const needs = from === undefined ? Object.values(NEEDS).join(', or ') : NEEDS[from]
  throw new GatewayError('config_invalid', `redrive needs ${needs}; set them`)
}

interface Run<M extends GivenUp> {
  readonly consumer: Consumer
  readonly messages: GivenUpMessages<M>
  readonly countMax: number
  readonly startedMs: number
  readonly terminal: Terminal
}

/** Holds all messages until the end, so that each is listed once. */
async function list<M extends GivenUp>(run: Run<M>): Promise<void> {
  const { consumer, countMax, terminal } = run
  const seen = new Set<string>()
  await lookAt(run, async (message) => {
    if (seen.has(message.id)) return true
    if (seen.size >= countMax) return false
    seen.add(message.id)
    terminal.out(formatRow(consumer, message))
    return true
  })
  terminal.note(`${consumer}: ${countOf(seen.size)} in the dead letters; nothing was changed\n`)
}

async function bringBack<M extends GivenUp>(run: Run<M>): Promise<void> {
  const { consumer, messages, countMax, startedMs, terminal } = run
  const others = new Set<string>()
  let brought = 0
  let twice = 0
  await lookAt(run, async (message, letGo) => {
    if (!message.isOwn) others.add(message.id)
    // A message that failed again since the start would be moved back forever.
    if (!message.isOwn || message.sentMs >= startedMs) return true
    if (brought >= countMax) return false
    if (await messages.bringBack(message)) letGo()
    else twice++
    brought++
    terminal.out(formatRow(consumer, message))
    return true
  })
  if (twice > 0) {
    terminal.note(
      `${consumer}: ${countOf(twice)} could not be deleted from the dead letters, and will be there again\n`,
    )
  }
  if (others.size > 0) {
    terminal.note(`${consumer}: ${countOf(others.size)} of another consumer left in the dead letters\n`)
  }
  terminal.note(`${consumer}: ${countOf(brought)} brought back\n`)
}

/**
 * Calls `visit` for each message, until it returns false, there are no others, or all have been seen (messages that are
 * held too long are returned again). Releases the messages that `visit` did not consume, also after an error.
 */
async function lookAt<M extends GivenUp>(
  { messages }: Run<M>,
  visit: (message: M, letGo: () => void) => Promise<boolean>,
): Promise<void> {
  const held = new Map<string, M>()
  try {
    for (let goesOn = true; goesOn; ) {
      const taken = await messages.take()
      goesOn = taken.some(({ id }) => !held.has(id))
      for (const message of taken) held.set(message.id, message)
      for (const message of taken) {
        if (!goesOn) break
        goesOn = await visit(message, () => held.delete(message.id))
      }
    }
  } finally {
    await messages.release([...held.values()])
  }
}

/** Characters that would break a line, or move the cursor of a terminal. */
const CONTROL = /\p{Cc}+/gu

function formatRow(consumer: Consumer, { id, sentMs, bytes, reason, isOwn }: GivenUp): string {
  const why = reason === undefined ? 'received too often; see the log of the worker' : `${reason.code}: ${reason.text}`
  const whose = isOwn ? '' : 'of another consumer, stays here; '
  const text = `${whose}${why}`.replace(CONTROL, ' ')
  return `${consumer}  ${new Date(sentMs).toISOString()}  ${id}  ${bytes} bytes  ${text}\n`
}

function countOf(messages: number): string {
  return messages === 1 ? '1 message' : `${messages} messages`
}
