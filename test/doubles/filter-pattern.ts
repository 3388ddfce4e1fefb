/** CloudWatch Logs' filter patterns for unstructured text: terms, quoted phrases, `?any of`, `-not`. */

import { AwsFailure } from './json-service.ts'

interface Term {
  readonly kind: 'all' | 'any' | 'none'
  readonly text: string
}

/**
 * A function that tells whether a message matches: all plain terms are in it, none of the excluded, and, where only
 * optional terms are given, one of them. An empty pattern matches everything. Case matters. Throws
 * InvalidParameterException for patterns over JSON, fields or regular expressions, which the double does not know.
 * See "Filter pattern syntax" in the CloudWatch Logs user guide.
 */
export function parseFilterPattern(pattern: string): (message: string) => boolean {
  const text = pattern.trim()
  if (/^[{[%]/.test(text)) {
    throw new AwsFailure('InvalidParameterException', `the double knows patterns of terms only, not ${text}`)
  }
  const terms = [...text.matchAll(/([?-]?)(?:"((?:\\.|[^"\\])*)"|(\S+))/g)].map(toTerm)
  const all = terms.filter(({ kind }) => kind === 'all')
  const any = terms.filter(({ kind }) => kind === 'any')
  const none = terms.filter(({ kind }) => kind === 'none')
  return (message) => {
    if (none.some(({ text }) => message.includes(text))) return false
    // Optional terms beside required ones change nothing, as the guide says.
    if (all.length > 0) return all.every(({ text }) => message.includes(text))
    return any.length === 0 || any.some(({ text }) => message.includes(text))
  }
}

function toTerm([, sign, quoted, plain]: RegExpMatchArray): Term {
  const text = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1')
  return { kind: sign === '?' ? 'any' : sign === '-' ? 'none' : 'all', text }
}
