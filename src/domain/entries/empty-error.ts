/** Lines whose level rests on the name of an empty field: `{"status":200,"error":null}` tells that there is no error. */

import { levelOfLine } from './level.ts'

const EMPTY_FIELD = /"(?:error|err|fatal|critical)"\s*:\s*(?:null|false|0|""|\[\s*\]|\{\s*\})/gi

/** True when the line is JSON that, without its empty fields of such names, is below `levelMin` (a code of LEVELS). */
export function isErrorFieldEmpty(line: string, levelMin: number): boolean {
  if (!line.trimStart().startsWith('{')) return false
  const rest = line.replace(EMPTY_FIELD, '')
  if (rest.length === line.length) return false
  const bytes = new TextEncoder().encode(rest)
  return levelOfLine(bytes, 0, bytes.length) < levelMin
}
