/** What can be done with a value of a line: filters and columns of the Logs screen. */

import type { Range } from '../api/loki.ts'
import type { Source } from '../query/chips.ts'

export interface LineActs {
  readonly filter: (name: string, op: '=' | '!=', value: string, source: Source) => void
  readonly toggleColumn: (name: string) => void
  readonly columns: readonly string[]
  /** False where there is no room for columns. */
  readonly hasColumns: boolean
  readonly query: string
  readonly range: Range
}
