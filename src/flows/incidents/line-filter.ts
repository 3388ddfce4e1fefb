/** The LogQL query that a line must pass to raise an incident. */

import { GatewayError } from '../../domain/errors.ts'
import type { CountedLine } from '../../domain/incidents/line-counter.ts'
import { matchesAll } from '../../domain/selector.ts'
import { parseExpr } from '../../logql/parse/parse.ts'
import type { LogExpr } from '../../logql/parse/syntax.ts'
import { LabelSet } from '../../logql/pipeline/label-set.ts'
import { compileStages } from '../../logql/pipeline/stages.ts'

/** Throws query_malformed or query_unsupported if the text is not a log query. */
export function compileLineFilter(text: string, nowMs: number): (line: CountedLine) => boolean {
  const query = parseLogQuery(text)
  const stage = compileStages(query.stages, { nowMs })
  const set = new LabelSet()
  return ({ labels, metadata, ns, line }) => {
    if (!matchesAll(query.matchers, labels)) return false
    set.reset(labels, metadata)
    return stage({ ns, line, labels: set })
  }
}

function parseLogQuery(text: string): LogExpr {
  const query = parseExpr(text)
  if (query.kind === 'log') return query
  throw new GatewayError('query_malformed', 'parse error : lines are chosen by a log query; leave out the aggregation')
}
