/** label_replace: sets a label from another one. */

import { GatewayError } from '../../domain/errors.ts'
import { isLabelName, labelValue, withLabel } from '../../domain/labels.ts'
import type { Slices } from '../../kit/slices.ts'
import type { LabelReplace } from '../parse/syntax.ts'
import { compileAnchored } from '../regexp/regexp.ts'
import { mergeEqual, SERIES_VALUES, type Series, valueStride } from './series.ts'

/** If the whole source value matches, the target becomes the replacement; an empty replacement removes it. */
export function* replaceLabels(
  { target, replacement, source, pattern }: Omit<LabelReplace, 'kind' | 'expr'>,
  input: readonly Series[],
): Slices<Series[]> {
  if (!isLabelName(target)) {
    throw new GatewayError(
      'query_malformed',
      `parse error : invalid destination label name in label_replace: ${target}`,
    )
  }
  const regexp = compileAnchored(pattern)
  const stride = valueStride()
  const replaced: Series[] = []
  for (const series of input) {
    if (stride.isDue(SERIES_VALUES)) yield
    const groups = regexp.match(labelValue(series.labels, source))
    const value = groups === undefined ? undefined : expand(replacement, groups, regexp.groupNames)
    // As in Loki, a series that is changed loses its empty labels.
    const others = series.labels.filter(({ name, value }) => name !== target && value !== '')
    if (value === undefined) replaced.push(series)
    else replaced.push({ ...series, labels: value === '' ? others : withLabel(others, target, value) })
  }
  return yield* mergeEqual(replaced)
}

const REFERENCE = /\$(?:\$|([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})/g

/** `$1`, `${1}`, `$name`, `$$` as Go's Regexp.Expand reads them: an unknown group is empty. */
function expand(template: string, groups: readonly (string | undefined)[], names: readonly string[]): string {
  return template.replace(REFERENCE, (whole, bare?: string, braced?: string) => {
    if (whole === '$$') return '$'
    const name = bare ?? braced ?? ''
    const index = /^\d+$/.test(name) ? Number(name) : names.indexOf(name)
    return groups[index] ?? ''
  })
}
