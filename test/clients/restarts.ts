/** What the tests of real clients share: a gateway that can be killed and started again on its port and folder. */

import type { Test } from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { type FoundEntry, readEntries } from '../support/read-back.ts'

const HOUR_NS = 3_600_000_000_000n

export class RestartableGateway {
  readonly #dataDir: string
  #gateway: GatewayProcess
  #running = Promise.withResolvers<void>()

  private constructor(dataDir: string, gateway: GatewayProcess) {
    this.#dataDir = dataDir
    this.#gateway = gateway
    this.#running.resolve()
  }

  static async start(t: Test): Promise<RestartableGateway> {
    const dataDir = t.testdir()
    const restartable = new RestartableGateway(dataDir, await GatewayProcess.start({ dataDir }))
    t.teardown(() => restartable.kill())
    return restartable
  }

  get url(): string {
    return this.#gateway.url
  }

  kill(): Promise<void> {
    this.#running = Promise.withResolvers()
    return this.#gateway.kill()
  }

  async restart(): Promise<void> {
    this.#gateway = await GatewayProcess.start({ dataDir: this.#dataDir, port: this.#gateway.port })
    this.#running.resolve()
  }

  /** Resolves when it listens: at once, or after the next restart. */
  listening(): Promise<void> {
    return this.#running.promise
  }

  /** All entries of the last and the next hour that the selector takes, oldest first. */
  read(query: string): Promise<FoundEntry[]> {
    const nowNs = BigInt(Date.now()) * 1_000_000n
    return readEntries(this.url, { query, startNs: nowNs - HOUR_NS, endNs: nowNs + HOUR_NS })
  }
}

/** Something that happens again and again in a client, such as a push that begins. */
export class Happening {
  #next = Promise.withResolvers<void>()

  happen(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Resolves when it happens for the first time after this call. */
  next(): Promise<void> {
    return this.#next.promise
  }
}

/** Calls `write` with the clock standing still: all lines of it share a millisecond. */
export function inOneMillisecond(t: Test, write: () => void): void {
  const nowMs = Date.now()
  const stopped = t.intercept(Date, 'now', { value: () => nowMs })
  write()
  stopped.restore()
}

/** Lines of the entries, sorted; for comparing what is stored with what was sent, whatever the order. */
export function sortedLines(entries: readonly FoundEntry[]): string[] {
  return entries.map(({ line }) => line).sort()
}
