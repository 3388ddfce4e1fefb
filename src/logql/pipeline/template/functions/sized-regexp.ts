/** A regular expression with the cost of a search. */

import { compileRegexp, type Regexp } from '../../../regexp/regexp.ts'

export interface SizedRegexp {
  readonly regexp: Regexp
  /** Number of instructions; a search may visit all of them at each character. */
  readonly size: number
}

/** Throws query_malformed. */
export function compileSized(pattern: string): SizedRegexp {
  const regexp = compileRegexp(pattern)
  return { regexp, size: regexp.programSize }
}
