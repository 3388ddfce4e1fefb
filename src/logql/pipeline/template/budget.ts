/** What one run of a template may spend: a hostile template ends with an error, not with the process. */

import { GatewayError } from '../../../domain/errors.ts'

/** Nodes walked and rounds of loops: some milliseconds. */
const STEPS_MAX = 100_000
/** Characters of all texts read by functions and made on the way: thirty-two of Loki's longest lines. */
const CHARS_MAX = 8 * 1024 * 1024
/** Characters times instructions that regular expressions may have to try: one or two seconds at the very worst. */
const MATCHING_MAX = 64 * 1024 * 1024
/** Characters of the result: more than any line that was taken in, less than would hurt an answer. */
export const OUTPUT_CHARS_MAX = 1024 * 1024
/** Templates calling templates. */
const CALLS_MAX = 64

/** One for each run. */
export class Budget {
  #steps = 0
  #chars = 0
  #matching = 0
  #calls = 0

  step(): void {
    if (++this.#steps > STEPS_MAX) throw fault(`takes more than ${STEPS_MAX} steps`)
  }

  /** Called before a text of so many characters is read or made. */
  spend(chars: number): void {
    this.#chars += chars
    if (!(this.#chars <= CHARS_MAX)) throw fault(`handles more than ${CHARS_MAX} characters of text`)
  }

  /** Called before a pattern of so many instructions is searched in a text. */
  spendMatching(chars: number, instructions: number): void {
    this.#matching += chars * instructions
    if (this.#matching > MATCHING_MAX) throw fault('searches too long a text with too large a regular expression')
  }

  enterCall(): void {
    if (++this.#calls > CALLS_MAX) throw fault(`calls templates more than ${CALLS_MAX} deep`)
  }

  leaveCall(): void {
    this.#calls--
  }
}

/** What goes wrong while a template runs; line_format and label_format turn it into TemplateFormatErr. */
export function fault(problem: string): GatewayError {
  return new GatewayError('query_refused', `the template ${problem}`)
}
