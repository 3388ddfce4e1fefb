/** CloudWatch Logs' filter patterns for unstructured text: terms, quoted phrases, `?any of`, `-not`, `%regex%`. */

import { AwsFailure } from './json-service.ts'

const PATTERN_CHARS_MAX = 1024
/** Letters, digits, the signs and operators that the guide names; no groups. */
const EXPRESSION = /^(?:[A-Za-z0-9:_#=@/;,^$?[\]{}|*+.-]|\\(?:x[0-9A-Fa-f]{2}|[dDsSwW^$?[\]{}|*+.\\]))+$/

interface Term {
  readonly kind: 'all' | 'any' | 'none'
  readonly text: string
}

/**
 * Returns a function that tests a message: it contains all plain terms, none of the excluded ones, and, if all terms
 * are optional, at least one of them. An empty pattern matches everything. Case-sensitive. Throws
 * InvalidParameterException for patterns that the service rejects, and for patterns on JSON or fields, which the double
 * does not support. See "Filter pattern syntax" and "Supported regular expressions (regex) syntax" in the CloudWatch
 * Logs user guide.
 */
export function parseFilterPattern(pattern: string): (message: string) => boolean {
  const text = pattern.trim()
  if (text.length > PATTERN_CHARS_MAX) {
    throw new AwsFailure('InvalidParameterException', `a filter pattern has ${PATTERN_CHARS_MAX} characters at most`)
  }
  if (text.startsWith('%')) return parseRegularExpression(text)
  if (/^[{[]/.test(text)) {
    throw new AwsFailure('InvalidParameterException', `the double knows patterns of terms only, not ${text}`)
  }
  const terms = [...text.matchAll(/([?-]?)(?:"((?:\\.|[^"\\])*)"|(\S+))/g)].map(toTerm)
  const all = terms.filter(({ kind }) => kind === 'all')
  const any = terms.filter(({ kind }) => kind === 'any')
  const none = terms.filter(({ kind }) => kind === 'none')
  return (message) => {
    if (none.some(({ text }) => message.includes(text))) return false
    // Optional terms have no effect beside required ones, as the guide says.
    if (all.length > 0) return all.every(({ text }) => message.includes(text))
    return any.length === 0 || any.some(({ text }) => message.includes(text))
  }
}

function parseRegularExpression(pattern: string): (message: string) => boolean {
  const [, expression = ''] = /^%(.*)%$/s.exec(pattern) ?? []
  if (!EXPRESSION.test(expression) || expression.includes('[]')) {
    throw new AwsFailure('InvalidParameterException', `not a regular expression of filter patterns: ${pattern}`)
  }
  const compiled = new RegExp(expression)
  return (message) => compiled.test(message)
}

function toTerm([, sign, quoted, plain]: RegExpMatchArray): Term {
  const text = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1')
  return { kind: sign === '?' ? 'any' : sign === '-' ? 'none' : 'all', text }
}
