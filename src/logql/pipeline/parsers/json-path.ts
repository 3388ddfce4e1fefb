/** The paths of `| json label="a.b[0]"`. */

import { GatewayError } from '../../../domain/errors.ts'
import type { JsonStep } from './json-places.ts'
import { unescapeJson } from './json-scanner.ts'

/** Maximum number of steps of a path, each a level of the document. */
const STEPS_MAX = 64
const STEP = /\.?([^.[\]"\s]+)|\[\s*(?:(\d{1,9})|"((?:[^"\\]|\\.)*)")\s*\]/sy

/** Parses `a.b[0]["c d"]` to steps. Throws query_malformed. */
export function parseJsonPath(path: string): readonly JsonStep[] {
  const steps: JsonStep[] = []
  for (let at = 0; at < path.length; ) {
    STEP.lastIndex = at
    const match = STEP.exec(path)
    const step = match === null ? undefined : stepOf(match, at === 0)
    if (match === null || step === undefined) throw malformed(path, `a field, [index] or ["key"] at ${at + 1}`)
    steps.push(step)
    at += match[0].length
  }
  if (steps.length === 0 || steps.length > STEPS_MAX) throw malformed(path, `1 to ${STEPS_MAX} steps`)
  return steps
}

function stepOf([text, field, index, quoted]: RegExpExecArray, isFirst: boolean): JsonStep | undefined {
  // Only the first field has no dot.
  if (field !== undefined) return text.startsWith('.') === isFirst ? undefined : field
  return index !== undefined ? Number(index) : unescapeJson(quoted as string)
}

function malformed(path: string, wanted: string): GatewayError {
  return new GatewayError('query_malformed', `cannot parse expression [${path}]: expected ${wanted}`)
}
