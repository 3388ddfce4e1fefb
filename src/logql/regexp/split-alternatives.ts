/** Splits a pattern outside the subset into alternatives, so that each is compiled separately. */

const FLAGS = /^\(\?[imsU-]+\)/
/** `[:^xdigit:]` */
const CLASS_CHARS_MAX = 12

/**
 * The texts between the `|` outside of brackets, each with the flags at the start of the pattern; undefined if they
 * cannot be separated, or would have another meaning alone: flags in the middle apply to everything after them.
 */
export function splitAlternatives(pattern: string): readonly string[] | undefined {
  const flags = FLAGS.exec(pattern)?.[0] ?? ''
  const parts: string[] = []
  let from = flags.length
  let depth = 0
  for (let at = from; at < pattern.length; at++) {
    const char = pattern[at]
    if (char === '\\') {
      const end = pattern[at + 1] === 'Q' ? pattern.indexOf('\\E', at + 2) : at
      if (end < 0) break
      at = end + 1
    } else if (char === '[') {
      const end = endOfSet(pattern, at)
      if (end === undefined) return undefined
      at = end
    } else if (char === '(') {
      if (FLAGS.test(pattern.slice(at, at + 8))) return undefined
      depth++
    } else if (char === ')') depth--
    else if (char === '|' && depth === 0) {
      parts.push(flags + pattern.slice(from, at))
      from = at + 1
    }
    if (depth < 0) return undefined
  }
  return depth === 0 ? [...parts, flags + pattern.slice(from)] : undefined
}

/** The position of a set's closing bracket; one directly after the opening bracket is a member of the set. */
function endOfSet(pattern: string, start: number): number | undefined {
  let at = start + (pattern[start + 1] === '^' ? 2 : 1)
  if (pattern[at] === ']') at++
  for (; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++
    else if (pattern[at] === '[' && pattern[at + 1] === ':') {
      const end = pattern.slice(at, at + CLASS_CHARS_MAX).indexOf(':]')
      if (end >= 0) at += end + 1
    } else if (pattern[at] === ']') return at
  }
  return undefined
}
