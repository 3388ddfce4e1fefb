/** Grouping of series by `by` and `without`. */

import { formatLabels, type Labels } from '../../domain/labels.ts'
import type { Grouping } from '../parse/syntax.ts'
import { ERROR_DETAILS_LABEL, type LabelSet } from '../pipeline/label-set.ts'

/** The remaining labels of a series; a missing label of `by` is omitted. */
export function groupLabels({ without, labels: names }: Grouping, labels: Labels): Labels {
  return labels.filter(({ name }) => names.includes(name) !== without)
}

/** The labels of a group of an aggregated vector. As in Loki, `by` keeps a label that is present and empty. */
export function vectorGroupLabels(grouping: Grouping, labels: Labels): Labels {
  const group = groupLabels(grouping, labels)
  return grouping.without ? group.filter(({ value }) => value !== '') : group
}

/** Equal for series of the same group. */
export function groupKey(grouping: Grouping, labels: Labels): string {
  return formatLabels(vectorGroupLabels(grouping, labels))
}

/** Equal for matching series; a missing label equals an empty one. */
export function matchKey(grouping: Grouping, labels: Labels): string {
  return formatLabels(groupLabels(grouping, labels).filter(({ value }) => value !== ''))
}

/**
 * The key of an entry's group; undefined grouping keeps all labels, and so does an error that the query reads, as in Loki.
 * The set loses the labels of `without`.
 */
export function entryGroupKey(grouping: Grouping | undefined, labels: LabelSet): string {
  if (labels.hasPreservedError) return labels.key()
  if (grouping !== undefined && !grouping.without) return labels.groupKey(grouping.labels)
  for (const name of grouping?.labels ?? []) labels.delete(name)
  // The details of a dropped error are a group label only where nothing is named.
  if ((grouping?.labels.length ?? 0) > 0 && !labels.hasError) labels.delete(ERROR_DETAILS_LABEL)
  return labels.key()
}

/** The labels of an entry's group, after entryGroupKey. */
export function entryGroupLabels(grouping: Grouping | undefined, labels: LabelSet): Labels {
  return grouping === undefined || labels.hasPreservedError ? labels.all() : groupLabels(grouping, labels.all())
}
