/** When a pipeline yields, by what its lines may cost. */

import { Stride } from '../../kit/slices.ts'
import type { LabelFilter, LabelPick, PipelineStage } from '../parse/syntax.ts'

/** Bytes of lines between two yields of stages that take some nanoseconds for a byte. */
const BYTES_PER_SLICE = 32 * 1024
/** What a line costs besides its bytes, in bytes. */
const LINE_BYTES = 64

/** Counts the lines that the stages and the filters of an unwrap have processed. */
export class LineStride {
  readonly #stride = new Stride(BYTES_PER_SLICE)
  readonly #isLight: boolean

  constructor(stages: readonly PipelineStage[], filters: readonly LabelFilter[] = []) {
    this.#isLight = stages.every(isLight) && filters.every(isLightFilter)
  }

  /** True if it is time to yield. `bytes` are those of the stored line. */
  isDue(bytes: number): boolean {
    return !this.#isLight || this.#stride.isDue(LINE_BYTES + bytes)
  }
}

/** False for templates and regular expressions, which may take milliseconds for one line. */
function isLight(stage: PipelineStage): boolean {
  switch (stage.kind) {
    case 'json':
    case 'logfmt':
    case 'pattern':
    case 'unpack':
    case 'decolorize':
      return true
    case 'label_filter':
      return isLightFilter(stage.filter)
    case 'drop':
    case 'keep':
      return stage.labels.every(isLightPick)
    case 'line_filter':
    case 'regexp':
    case 'line_format':
    case 'label_format':
      return false
  }
}

function isLightFilter(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return isLightFilter(filter.left) && isLightFilter(filter.right)
  return filter.kind !== 'string' || isLightOperator(filter.matcher.operator)
}

function isLightPick(pick: LabelPick): boolean {
  return pick.kind === 'name' || isLightOperator(pick.matcher.operator)
}

function isLightOperator(operator: string): boolean {
  return operator === '=' || operator === '!='
}
