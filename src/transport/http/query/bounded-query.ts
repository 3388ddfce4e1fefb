/** Runs a query within its limits: queueing, timeout, and disconnecting clients. */

import type { FastifyReply } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import type { QueryGate } from '../../../flows/query/query-gate.ts'
import type { QueryTurn, QueryTurns } from '../../../flows/query/query-turns.ts'

export interface QueryBounds {
  readonly gate: QueryGate
  readonly turns: QueryTurns
  readonly tenant: string
  /** Maximum time for running; the time in the queue does not count. */
  readonly timeoutMs: number
  readonly reply: FastifyReply
}

/**
 * Runs the query after its turn in the queue. When the client disconnects or the time is up, the signal is aborted with
 * the error to return. Throws whatever the query and QueryGate.enter throw.
 */
export async function runBounded<T>(
  { gate, turns, tenant, timeoutMs, reply }: QueryBounds,
  run: (turn: QueryTurn) => Promise<T>,
): Promise<T> {
  const deadline = new Deadline(reply)
  try {
    const leave = await gate.enter(tenant, deadline.signal)
    deadline.start(timeoutMs)
    try {
      return await run(turns.open(tenant, deadline.signal))
    } finally {
      leave()
    }
  } finally {
    deadline.clear()
  }
}

/** Aborts when the time is up or the client has disconnected, with Loki's error texts. */
class Deadline {
  readonly #controller = new AbortController()
  readonly #reply: FastifyReply
  readonly #onClose: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(reply: FastifyReply) {
    this.#reply = reply
    this.#onClose = () => {
      if (!reply.raw.writableFinished) {
        this.#controller.abort(new GatewayError('query_cancelled', 'the request was cancelled by the client'))
      }
    }
    reply.raw.once('close', this.#onClose)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  start(timeoutMs: number): void {
    this.#timer = setTimeout(() => {
      const text = `request timed out, decrease the duration of the request or add more label matchers (the limit is ${timeoutMs} ms)`
      this.#controller.abort(new GatewayError('query_timeout', text))
    }, timeoutMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#reply.raw.off('close', this.#onClose)
  }
}
