/** What the entries that pass a pipeline must contain, for stores that skip blocks without it. */

import type { Needle, TextNeed } from '../domain/entries/text-need.ts'
import { bytesOfText } from '../domain/labels.ts'
import { DETECTED_LEVEL } from '../domain/levels/level.ts'
import { splitStages } from './block-search.ts'
import type { LabelFilter, LineFilterOperand, LineFilterStage, PipelineStage } from './parse/syntax.ts'
import { compileAnchored, compileRegexp } from './regexp/regexp.ts'

/** More alternatives rule out hardly any block. */
const NEEDLES_MAX = 64

/** Stages that take label values from elsewhere than the stream and the metadata. */
const LABEL_MAKERS: readonly string[] = [
  ...(['json', 'logfmt', 'regexp', 'pattern', 'unpack', 'label_format'] as const),
] satisfies PipelineStage['kind'][]

/** An entry that passes the stages meets each of the needs. */
export function neededText(stages: readonly PipelineStage[]): TextNeed[] {
  const maker = stages.findIndex(({ kind }) => LABEL_MAKERS.includes(kind))
  const early = maker < 0 ? stages : stages.slice(0, maker)
  return [
    ...splitStages(stages).filters.map(needOfLine),
    ...early.flatMap((stage) => (stage.kind === 'label_filter' ? needsOfFilter(stage.filter) : [])),
  ].filter((need) => need !== undefined)
}

/** Literals of which a text has at least one; undefined if there may be none. */
interface Literals {
  readonly literals: readonly string[]
  readonly ignoresCase: boolean
}

function needOfLine({ operator, operands }: LineFilterStage): TextNeed | undefined {
  const all = operands.map((operand) => literalsOfOperand(operator, operand))
  return joined(all.map((literals) => literals && needOf(literals, undefined)))
}

function literalsOfOperand(operator: LineFilterStage['operator'], { kind, value }: LineFilterOperand) {
  if (kind === 'ip') return undefined
  if (operator === '|=') return { literals: [value], ignoresCase: false }
  return operator === '|~' ? compileRegexp(value).contained : undefined
}

function needsOfFilter(filter: LabelFilter): TextNeed[] {
  if (filter.kind === 'and') return [...needsOfFilter(filter.left), ...needsOfFilter(filter.right)]
  if (filter.kind === 'or') {
    const need = joined([needsOfFilter(filter.left)[0], needsOfFilter(filter.right)[0]])
    return need === undefined ? [] : [need]
  }
  if (filter.kind !== 'string') return []
  const { name, operator, value, test } = filter.matcher
  // Levels are a column of the block, and errors come from stages.
  if (name === DETECTED_LEVEL || name.startsWith('__') || test('')) return []
  if (operator !== '=' && operator !== '=~') return []
  const literals = operator === '=' ? { literals: [value], ignoresCase: false } : compileAnchored(value).contained
  const need = needOf(literals, name)
  return need === undefined ? [] : [need]
}

function needOf({ literals, ignoresCase }: Literals, label: string | undefined): TextNeed | undefined {
  // The replacement character represents invalid UTF-8, which has other bytes.
  const isUsable = (text: string): boolean => text !== '' && text.isWellFormed() && !text.includes('\ufffd')
  if (literals.length === 0 || literals.length > NEEDLES_MAX || !literals.every(isUsable)) return undefined
  return literals.map((literal): Needle => ({ bytes: bytesOfText(literal), ignoresCase, label }))
}

/** One need or the other. */
function joined(needs: readonly (TextNeed | undefined)[]): TextNeed | undefined {
  const needles: Needle[] = []
  for (const need of needs) {
    if (need === undefined) return undefined
    needles.push(...need)
  }
  return needles.length === 0 || needles.length > NEEDLES_MAX ? undefined : needles
}
