/** Compares sent and acknowledged lines with stored ones. */

/** The lines of one push, retried unchanged until it is acknowledged. */
export interface SentPush {
  readonly lines: readonly string[]
  /** When it was created; none of its lines has an earlier time. */
  readonly madeNs: bigint
  isAcknowledged: boolean
}

/** Maximum number of recorded faults; further ones are only counted. */
const FAULTS_RECORDED_MAX = 20

export class Ledger {
  readonly #pushOf = new Map<string, SentPush>()
  readonly #pushes: SentPush[] = []
  readonly faults: string[] = []
  faultCount = 0

  /** Records a push before it is first sent. */
  add(lines: readonly string[], madeNs: bigint): SentPush {
    const push = { lines, madeNs, isAcknowledged: false }
    for (const line of lines) this.#pushOf.set(line, push)
    this.#pushes.push(push)
    return push
  }

  get pushes(): number {
    return this.#pushes.length
  }

  get lines(): number {
    return this.#pushOf.size
  }

  /** The time of the oldest unacknowledged push; undefined if there is none. */
  get oldestPendingNs(): bigint | undefined {
    return this.#pushes.find((push) => !push.isAcknowledged)?.madeNs
  }

  /**
   * Compares with the lines of a read from `sinceNs` on: acknowledged lines must be there once, others at most once,
   * and nothing else. `isTaken` selects the lines that the read can return.
   */
  compare(found: readonly string[], sinceNs: bigint, where: string, isTaken = (_line: string): boolean => true): void {
    const counts = new Map<string, number>()
    for (const line of found) counts.set(line, (counts.get(line) ?? 0) + 1)
    for (const [line, count] of counts) {
      if (!this.#pushOf.has(line)) this.#fault(`${where}: a line that was never sent: ${line}`)
      else if (count > 1) this.#fault(`${where}: stored ${count} times: ${line}`)
    }
    for (const push of this.#pushes) {
      if (!push.isAcknowledged || push.madeNs < sinceNs) continue
      for (const line of push.lines) {
        if (isTaken(line) && !counts.has(line)) this.#fault(`${where}: acknowledged and lost: ${line}`)
      }
    }
  }

  #fault(text: string): void {
    this.faultCount++
    if (this.faults.length < FAULTS_RECORDED_MAX) this.faults.push(text)
  }
}
