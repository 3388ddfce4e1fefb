/** `millrace tail`: follows lines over Loki's WebSocket, or by polling if there are no live tails. */

import { parseArgs } from 'node:util'
import { GatewayError } from '../../domain/errors.ts'
import { msToNs } from '../../domain/time.ts'
import { backoffMs, type Wait } from '../../kit/backoff.ts'
import { ask, CLIENT_OPTIONS, CLIENT_USAGE, type GatewayAddress, readAddress, refusalOf } from '../client.ts'
import type { ShownEntry } from '../client-answer.ts'
import type { ClientSource } from '../client-settings.ts'
import type { Command, Terminal } from '../commands.ts'
import { LOOK_OPTIONS, LOOK_USAGE, type Look, readLook } from './look.ts'
import { readCount, readOutput, readQuery } from './query.ts'
import { formatEntry, formatHead, type Output } from './query-output.ts'
import { type PagedQuery, readPages } from './query-pages.ts'
import { readSince, SINCE_DEFAULT } from './query-time.ts'
import { TailMemory } from './tail-memory.ts'
import { followSocket, type Timer } from './tail-socket.ts'

export interface TailParts {
  readonly nowMs: () => number
  readonly wait: Wait
  readonly timer: Timer
  /** A random number from 0 up to 1, so that tails that lost the same gateway do not reconnect at the same time. */
  readonly random: () => number
  readonly hasColors: boolean
  /** Ends the tail; without it, the tail runs until the process is stopped. */
  readonly signal?: AbortSignal
}

const LIMIT_DEFAULT = 10
/** Initial lines: the gateway's maximum. */
const LIMIT_MAX = 5000
const POLL_MS = 2000
const RETRY = { firstMs: 500, maxMs: 30_000, jitter: 0.5 }
/** Also finds lines whose clock is ahead of ours. */
const AHEAD_MS = 60_000
const CATCH_UP_LINES_MAX = 1_000_000_000

export function tailCommand(parts: TailParts): Command {
  return {
    name: 'tail',
    summary: 'Shows lines as they arrive.',
    usage: `millrace tail QUERY [options]

  --limit COUNT       maximum number of initial lines; default ${LIMIT_DEFAULT}
  --since TIME        how far back to start; default ${SINCE_DEFAULT}
${LOOK_USAGE}
${CLIENT_USAGE}

  millrace tail '{app="shop"} |= "error"'

After a broken connection it reconnects and shows the missed lines. If the gateway has no live tails, it polls
every ${POLL_MS / 1000} seconds.`,
    run: async (args, terminal) => {
      await new Tail(parts, readOrder(args, terminal.client, parts.hasColors), terminal).run()
      return 0
    },
  }
}

interface TailOrder {
  readonly gateway: GatewayAddress
  readonly query: string
  readonly limit: number
  readonly sinceMs: number
  readonly output: Output
  readonly look: Look
}

class Tail {
  readonly #parts: TailParts
  readonly #order: TailOrder
  readonly #terminal: Terminal
  readonly #memory: TailMemory

  constructor(parts: TailParts, order: TailOrder, terminal: Terminal) {
    this.#parts = parts
    this.#order = order
    this.#terminal = terminal
    const startNs = msToNs(parts.nowMs() - order.sinceMs)
    this.#memory = new TailMemory({
      startNs,
      limit: order.limit,
      nowNs: () => msToNs(parts.nowMs()),
      show: (entry) => terminal.out(formatEntry(entry, order.output, order.look)),
    })
  }

  /** Runs until the signal aborts. Throws like askJson: permanent errors at any time, and all errors at the start. */
  async run(): Promise<void> {
    if (this.#order.output === 'table') this.#terminal.out(formatHead(this.#order.look))
    let hasBegun = false
    for (let failures = 0; !this.#isEnded; ) {
      try {
        if (hasBegun) await this.#catchUp()
        if (await this.#follow()) {
          hasBegun = true
          failures = 0
        } else if (await this.#mustPoll()) {
          this.#terminal.note(`No live tails here; polling every ${POLL_MS / 1000} seconds\n`)
          return await this.#poll()
        }
      } catch (error) {
        if (!hasBegun || !passesWithTime(error)) throw error
        if (failures++ === 0) this.#terminal.note(`${(error as GatewayError).message}; retrying\n`)
      }
      if (!this.#isEnded) await this.#pause(failures)
    }
  }

  /** A connection that ended without a failure is reopened after the shortest wait. */
  #pause(failures: number): Promise<void> {
    const { wait, random, signal } = this.#parts
    return wait(backoffMs(failures + 1, RETRY, random), signal)
  }

  get #isEnded(): boolean {
    return this.#parts.signal?.aborted === true
  }

  /** Follows one connection until it ends. Resolves to false if it never opened. */
  #follow(): Promise<boolean> {
    const { gateway, query, limit } = this.#order
    return followSocket({
      gateway,
      parameters: { query, start: this.#memory.resumeNs, limit: this.#memory.isEmpty ? limit : LIMIT_MAX },
      onEntries: (entries) => this.#memory.take(entries),
      signal: this.#parts.signal,
      timer: this.#parts.timer,
    })
  }

  /**
   * Checks why the connection did not open: true if the gateway answers the query but no WebSocket gets through. Throws
   * the gateway's error otherwise.
   */
  async #mustPoll(): Promise<boolean> {
    const { gateway, query } = this.#order
    for await (const page of readPages(gateway, this.#paged({ limit: 1 }))) {
      if (page.kind !== 'lines')
        throw new GatewayError('query_refused', 'only log queries can be tailed, not metric queries')
    }
    const answer = await ask(gateway, '/loki/api/v1/tail', { query })
    if (answer.status === 429 || answer.status >= 500) throw refusalOf(gateway, answer)
    return true
  }

  async #poll(): Promise<void> {
    if (this.#memory.isEmpty) await this.#showPast()
    for (let failures = 0; !this.#isEnded; ) {
      await (failures === 0 ? this.#parts.wait(POLL_MS, this.#parts.signal) : this.#pause(failures))
      try {
        await this.#catchUp()
        failures = 0
      } catch (error) {
        if (!passesWithTime(error)) throw error
        if (failures++ === 0) this.#terminal.note(`${(error as GatewayError).message}; retrying\n`)
      }
    }
  }

  async #showPast(): Promise<void> {
    const newestFirst: ShownEntry[] = []
    for await (const page of readPages(this.#order.gateway, this.#paged({ limit: this.#order.limit }))) {
      if (page.kind === 'lines') newestFirst.push(...page.entries)
    }
    this.#memory.take(newestFirst.reverse())
  }

  /** Shows all lines since the last one shown. */
  async #catchUp(): Promise<void> {
    const asked = this.#paged({ limit: CATCH_UP_LINES_MAX, direction: 'forward' })
    for await (const page of readPages(this.#order.gateway, asked)) {
      if (page.kind === 'lines') this.#memory.take(page.entries)
      if (this.#isEnded) return
    }
  }

  #paged(order: { limit: number; direction?: 'forward' }): PagedQuery {
    const end = msToNs(this.#parts.nowMs() + AHEAD_MS)
    return { query: this.#order.query, start: this.#memory.resumeNs, end, direction: 'backward', ...order }
  }
}

function passesWithTime(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'source_unavailable'
}

function readOrder(args: readonly string[], source: ClientSource | undefined, isColorful: boolean): TailOrder {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...CLIENT_OPTIONS,
      limit: { type: 'string', default: String(LIMIT_DEFAULT) },
      since: { type: 'string', default: SINCE_DEFAULT },
      ...LOOK_OPTIONS,
    },
  })
  const limit = readCount('--limit', values.limit)
  if (limit > LIMIT_MAX)
    throw new GatewayError('parameter_invalid', `--limit is more than ${LIMIT_MAX}; use millrace query instead`)
  return {
    gateway: readAddress(values, source),
    query: readQuery(positionals),
    limit,
    sinceMs: readSince(values.since),
    output: readOutput(values.output),
    look: readLook(values, isColorful),
  }
}
