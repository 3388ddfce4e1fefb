/** Clients: how each continues when a push is not answered with 2xx. */

import type { Random } from '../support/random.ts'
import type { ClientKind } from './plan.ts'

/** 0: no answer: a refused or broken connection, or a timeout. */
export type Status = number

export interface Wire {
  /** Sends the push once. */
  send(): Promise<Status>
  sleep(ms: number): Promise<void>
  /** True once the client must give up because its process ends. */
  isOver(): boolean
}

/** Resolves when the push was acknowledged, refused for good, or given up. */
export type Client = (wire: Wire, random: Random) => Promise<void>

const isDone = (status: Status): boolean => status >= 200 && status < 300
/** Alloy's and Promtail's: statuses that are retried. */
const isRetryable = (status: Status): boolean => status === 0 || status === 429 || status >= 500

const ALLOY_TRIES = 10
const FLUENTBIT_TRIES = 2
const WINSTON_MS = 5000

/** Half a second, doubled up to five minutes, ten attempts. */
const alloy: Client = async (wire, random) => {
  for (let tries = 0; tries < ALLOY_TRIES && !wire.isOver(); tries++) {
    if (!isRetryable(await wire.send())) return
    const baseMs = Math.min(500 * 2 ** tries, 300_000)
    await wire.sleep(baseMs / 2 + random.integer(baseMs / 2))
  }
}

/** A base of five seconds and, by default, one retry, for everything but 400. */
const fluentbit: Client = async (wire, random) => {
  for (let tries = 0; tries < FLUENTBIT_TRIES && !wire.isOver(); tries++) {
    const status = await wire.send()
    if (isDone(status) || status === 400) return
    await wire.sleep(5000 + random.integer(5000 * 2 ** tries))
  }
}

/** Retries whatever was not acknowledged, for ever; a batch that is refused in part is acknowledged by hand. */
const winston: Client = async (wire) => {
  while (!wire.isOver()) {
    const status = await wire.send()
    if (isDone(status) || status === 400) return
    await wire.sleep(WINSTON_MS)
  }
}

/** Sends the same again without waiting for the answer, like a hedging proxy. */
const hasty: Client = async (wire, random) => {
  const statuses = await Promise.all([
    wire.send(),
    wire.sleep(random.integer(30)).then(() => wire.send()),
    wire.sleep(random.integer(3000)).then(() => wire.send()),
  ])
  if (!statuses.some((status) => !isRetryable(status))) await alloy(wire, random)
}

export const CLIENT: Readonly<Record<ClientKind, Client>> = { alloy, fluentbit, winston, hasty, program: alloy }
