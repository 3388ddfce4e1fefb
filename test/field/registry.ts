/** Every comparison, in the order of the table. A new one only needs a row here. */

import { COMMAND_HARNESSES } from './command-harnesses.ts'
import type { FieldHarness } from './harness.ts'
import { LOKI_HARNESSES } from './loki-harnesses.ts'

export const HARNESSES: readonly FieldHarness[] = [...LOKI_HARNESSES, ...COMMAND_HARNESSES]
