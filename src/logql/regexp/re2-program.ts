/** Bounds re2js: limits the size of a pattern before time and memory are spent on it. */

import { RE2JS, RE2JSException } from 're2js'
import { GatewayError } from '../../domain/errors.ts'

/** Maximum instructions of a compiled pattern: re2js may visit all of them for each character. */
export const PROGRAM_SIZE_MAX = 20_000
/** Maximum weight of a pattern that is compiled in one step: about 20 ms. */
export const WEIGHT_MAX = 4000
/** The weight of a Unicode class, in characters of a pattern. */
const CLASS_WEIGHT = 50

/**
 * Compiles, in one step, a pattern with a weight of at most `weightMax`. Throws query_malformed with Go's error text
 * for one that is too large or invalid.
 */
export function compileRe2(pattern: string, flags: number, weightMax: number): RE2JS {
  try {
    const compiled = weightOf(pattern) > weightMax ? undefined : RE2JS.compile(pattern, flags)
    if (compiled !== undefined && compiled.programSize() <= PROGRAM_SIZE_MAX) return compiled
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new GatewayError('query_malformed', `parse error : ${error.message}`, { cause: error })
  }
  throw new GatewayError('query_malformed', 'parse error : error parsing regexp: expression too large')
}

const REPETITION = /\{(\d{1,4})(?:,(\d{0,4}))?\}/y

/**
 * Approximate number of instructions of a pattern: one for each character and bracket, multiplied by the counted
 * repetitions around it.
 */
export function weightOf(pattern: string): number {
  const outer: number[] = []
  let size = 0
  let atom = 0
  let largest = 0
  let brackets = 0
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string
    REPETITION.lastIndex = at
    const repetition = char === '{' ? REPETITION.exec(pattern) : null
    if (repetition !== null) {
      const count = Math.max(Number(repetition[1]), Number(repetition[2] ?? 0))
      size += atom * (count - 1)
      atom *= count
      at += repetition[0].length - 1
    } else if (char === '(') {
      outer.push(size)
      size = 0
      brackets++
    } else {
      atom = 1
      if (char === '\\') {
        at++
        if (pattern[at] === 'p' || pattern[at] === 'P') atom = CLASS_WEIGHT
      } else if (char === ')') atom = size + 1
      size = char === ')' ? atom + (outer.pop() ?? 0) : size + atom
    }
    largest = Math.max(largest, size)
  }
  return largest + brackets
}
