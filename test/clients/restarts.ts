/** Common parts of the tests of real clients: a gateway that can be killed and restarted on its port and folder. */

import type { Test } from 'tap'
import { GatewayProcess } from '../support/gateway-process.ts'
import { type FoundEntry, readEntries } from '../support/read-back.ts'
import { testFolder } from '../support/test-folder.ts'

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
    const dataDir = testFolder(t)
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

  /** Resolves when it listens: immediately, or after the next restart. */
  listening(): Promise<void> {
    return this.#running.promise
  }

  /** All entries of the selector within an hour of now, oldest first. */
  read(query: string): Promise<FoundEntry[]> {
    const nowNs = BigInt(Date.now()) * 1_000_000n
    return readEntries(this.url, { query, startNs: nowNs - HOUR_NS, endNs: nowNs + HOUR_NS })
  }
}

/** A repeated event in a client, such as the start of a push. */
export class Happening {
  #next = Promise.withResolvers<void>()

  happen(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Resolves at the first event after this call. */
  next(): Promise<void> {
    return this.#next.promise
  }
}

/** Calls `write` with a fixed clock, so that all its lines share a millisecond. */
export function inOneMillisecond(t: Test, write: () => void): void {
  const nowMs = Date.now()
  const stopped = t.intercept(Date, 'now', { value: () => nowMs })
  write()
  stopped.restore()
}

/** Lines of the entries, sorted, for comparing stored with sent lines in any order. */
export function sortedLines(entries: readonly FoundEntry[]): string[] {
  return entries.map(({ line }) => line).sort()
}
