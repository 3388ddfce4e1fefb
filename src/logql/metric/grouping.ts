/** Which series belong together under `by` and `without`. */

import { formatLabels, type Labels } from '../../domain/labels.ts'
import type { Grouping } from '../parse/syntax.ts'
import type { LabelSet } from '../pipeline/label-set.ts'

/** The labels that are left of a series; an absent label of `by` is left out. */
export function groupLabels({ without, labels: names }: Grouping, labels: Labels): Labels {
  return labels.filter(({ name }) => names.includes(name) !== without)
}

/** The labels of an aggregated vector's group. As in Loki, `by` keeps a label that is present and empty. */
export function vectorGroupLabels(grouping: Grouping, labels: Labels): Labels {
  const group = groupLabels(grouping, labels)
  return grouping.without ? group.filter(({ value }) => value !== '') : group
}

/** Equal for series of one group. */
export function groupKey(grouping: Grouping, labels: Labels): string {
  return formatLabels(vectorGroupLabels(grouping, labels))
}

/** Equal for series that match; an absent label is as good as an empty one. */
export function matchKey(grouping: Grouping, labels: Labels): string {
  return formatLabels(groupLabels(grouping, labels).filter(({ value }) => value !== ''))
}

/** The key of an entry's group; undefined grouping keeps all labels. The set loses the labels of `without`. */
export function entryGroupKey(grouping: Grouping | undefined, labels: LabelSet): string {
  if (grouping !== undefined && !grouping.without) return labels.groupKey(grouping.labels)
  for (const name of grouping?.labels ?? []) labels.delete(name)
  return labels.key()
}

/** The labels of an entry's group, after entryGroupKey. */
export function entryGroupLabels(grouping: Grouping | undefined, labels: LabelSet): Labels {
  return grouping === undefined ? labels.all() : groupLabels(grouping, labels.all())
}
