/** Limits on one run of a template: a hostile template ends with an error, not with the process. */

import { GatewayError } from '../../../domain/errors.ts'

/** Maximum number of nodes and loop iterations: some milliseconds. */
const STEPS_MAX = 100_000
/** Maximum characters of all texts that functions read and create: thirty-two times the longest line. */
const CHARS_MAX = 8 * 1024 * 1024
/** Maximum characters times instructions of regular expression searches: one or two seconds at worst. */
const MATCHING_MAX = 64 * 1024 * 1024
/** Maximum characters of the result: more than any accepted line, less than would harm a response. */
export const OUTPUT_CHARS_MAX = 1024 * 1024
/** Maximum nesting of template calls. */
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

  /** Called before a text of this length is read or created. */
  spend(chars: number): void {
    this.#chars += chars
    if (!(this.#chars <= CHARS_MAX)) throw fault(`handles more than ${CHARS_MAX} characters of text`)
  }

  /** Called before a pattern with this many instructions is searched in a text. */
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

/** An error of a running template; line_format and label_format convert it to TemplateFormatErr. */
export function fault(problem: string): GatewayError {
  return new GatewayError('query_refused', `the template ${problem}`)
}
