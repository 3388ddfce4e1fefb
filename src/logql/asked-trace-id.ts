/** Which trace a pipeline is about: a store with an index of trace ids can leave out the rest. */

import type { LabelFilter, PipelineStage } from './parse/syntax.ts'

export const TRACE_ID = 'trace_id'

/**
 * The trace id without which an entry is dropped: that of an equality filter of structured metadata, before any stage that may set labels
 * from the line. Undefined if other entries may pass. An entry may also have it as a label of its stream.
 */
export function askedTraceId(stages: readonly PipelineStage[]): string | undefined {
  for (const stage of stages) {
    if (stage.kind === 'line_filter') continue
    if (stage.kind !== 'label_filter') return undefined
    const asked = askedBy(stage.filter)
    if (asked !== undefined) return asked
  }
  return undefined
}

function askedBy(filter: LabelFilter): string | undefined {
  if (filter.kind === 'and') return askedBy(filter.left) ?? askedBy(filter.right)
  if (filter.kind !== 'string') return undefined
  const { name, operator, value } = filter.matcher
  // An empty value asks for entries without one.
  return name === TRACE_ID && operator === '=' && value !== '' ? value : undefined
}
