/** `| regexp "(?P<name>…)"`: named groups as labels. */

import { GatewayError } from '../../../domain/errors.ts'
import { compileRegexp, type Regexp } from '../../regexp/regexp.ts'
import type { LabelSet } from '../label-set.ts'
import type { EntryParser } from './json-parser.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/**
 * A line without a match gets no labels and no error; a group without a match gives an empty label. A line that is too
 * long for a costly pattern gets RegexpParserErr. Throws query_malformed for a pattern that is invalid or has no named
 * group.
 */
export function compileRegexpParser(pattern: string, hint: ParserHint = ALL_LABELS): EntryParser {
  const regexp = compileRegexp(pattern)
  const groups = [...regexp.groupNames.entries()].filter(([, name]) => name !== '')
  if (groups.length === 0) {
    throw new GatewayError('query_malformed', 'parse error : at least one named capture must be supplied')
  }
  const neededGroups = groups.filter(([, name]) => hint.wants(name))
  return ({ line }, labels) => {
    const match = neededGroups.length === 0 ? undefined : matchOrFail(regexp, line, labels)
    if (match === undefined) return
    for (const [index, name] of neededGroups) labels.setParsed(name, match[index] ?? '')
  }
}

function matchOrFail(regexp: Regexp, line: string, labels: LabelSet): readonly (string | undefined)[] | undefined {
  try {
    return regexp.match(line)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    labels.setError('RegexpParserErr', error.message)
    return undefined
  }
}
