/** A regular expression with what a search by it may cost. */

import { compileRegexp, type Regexp } from '../../../regexp/regexp.ts'

export interface SizedRegexp {
  readonly regexp: Regexp
  /** Instructions, all of which a search may visit at each character. */
  readonly size: number
}

/** Throws query_malformed. */
export function compileSized(pattern: string): SizedRegexp {
  const regexp = compileRegexp(pattern)
  return { regexp, size: regexp.programSize }
}
