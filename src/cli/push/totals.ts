/** The totals of a run of `millrace push`: counts, rejected lines, progress on a terminal. */

import type { Terminal } from '../commands.ts'
import type { PushReport } from './push-client.ts'

/** Maximum number of printed rejected lines; further ones are only counted. */
const PRINTED_MAX = 20
const MIB = 1024 * 1024
const ERASE_LINE = '\r\u001b[K'

export class PushTotals {
  readonly #terminal: Terminal
  #pushed = 0
  #rejected = 0
  #unknown = 0
  #printed = 0
  #hasFailed = false
  #hasProgress = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  add(input: string, { pushed, rejected, others, unknown }: PushReport): void {
    this.#pushed += pushed
    for (const { number, reason } of rejected) this.reject(input, number, reason)
    this.#rejected += others
    this.#unknown += unknown
  }

  /** Reports a rejected line of `input`. */
  reject(input: string, number: number, reason: string): void {
    this.#rejected++
    if (this.#printed === PRINTED_MAX) this.#note('further rejected lines are only counted\n')
    if (++this.#printed <= PRINTED_MAX) this.#note(`${input}:${number}: rejected: ${reason}\n`)
  }

  /** Reports that the rest of `input` cannot be read. */
  fail(input: string, why: string): void {
    this.#hasFailed = true
    this.#note(`${input} cannot be read further: ${why}\n`)
  }

  /** Shows progress on a terminal. */
  progress(input: string, bytesRead: number, bytes: number | undefined): void {
    if (this.#terminal.showsProgress !== true) return
    const part =
      bytes === undefined || bytes === 0 ? '' : ` (${Math.min(100, Math.floor((100 * bytesRead) / bytes))} %)`
    const text = `${input}: ${(bytesRead / MIB).toFixed(1)} MiB${part}, ${count(this.#pushed)} lines pushed`
    this.#terminal.note(`${ERASE_LINE}${text}`)
    this.#hasProgress = true
  }

  /** Reports that the run ends early. */
  stop(why: string): void {
    this.#note(`${this.#summary()}; ${why}\n`)
  }

  /** Prints the counts. False if a line was not pushed or an input not read. */
  report(): boolean {
    this.#note('')
    this.#terminal.out(`${this.#summary()}\n`)
    return !this.#hasFailed && this.#rejected + this.#unknown === 0
  }

  #summary(): string {
    if (this.#rejected + this.#unknown === 0) {
      return `${count(this.#pushed)} ${this.#pushed === 1 ? 'line' : 'lines'} pushed`
    }
    const unknown = this.#unknown === 0 ? '' : `, ${count(this.#unknown)} in pushes that were rejected in part`
    return `${count(this.#pushed)} pushed, ${count(this.#rejected)} rejected${unknown}`
  }

  #note(text: string): void {
    this.#terminal.note(this.#hasProgress ? `${ERASE_LINE}${text}` : text)
    this.#hasProgress = false
  }
}

function count(number: number): string {
  return number.toLocaleString('en')
}
