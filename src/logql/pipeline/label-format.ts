/** `| label_format target=source, other="{{.template}}"`: renames and sets labels. */

import type { LabelAssignment } from '../parse/syntax.ts'
import type { LabelSet } from './label-set.ts'
import { type FormatStage, labelData, runOrFail } from './line-format.ts'
import { compileTemplate, type Template } from './template/template.ts'
import type { GoMap } from './template/value.ts'

/** As in Loki, what a template cuts out of characters is one mark in a label, and one for each byte in a line. */
const BROKEN = /\ufffd{2,}/g

type Assignment =
  | { readonly kind: 'rename'; readonly target: string; readonly source: string }
  | { readonly kind: 'template'; readonly target: string; readonly template: Template }

/**
 * Assignments run in order, but all templates of a stage see the labels from before the first assignment. A failing
 * template leaves its target unchanged and sets TemplateFormatErr. Throws query_malformed for an invalid template.
 */
export function compileLabelFormat(written: readonly LabelAssignment[], nowNs: bigint): FormatStage {
  const assignments = written.map((assignment) => compileAssignment(assignment, nowNs))
  const templates = assignments.filter((assignment) => assignment.kind === 'template').length
  const needsCopy = templates > 1 || (templates === 1 && assignments.length > 1)
  return {
    reads: readsOf(assignments),
    run: ({ line, ns }, labels) => {
      let data: GoMap | undefined
      for (const assignment of assignments) {
        if (assignment.kind === 'rename') {
          labels.rename(assignment.source, assignment.target)
          continue
        }
        // As in Loki, templates see what there is now while there was nothing.
        if (data === undefined || (needsCopy && data.entries().length === 0)) {
          data = needsCopy ? copyOf(labels) : labelData(labels)
        }
        const value = runOrFail(assignment.template, { data, line, ns }, labels)
        if (value !== undefined) labels.setFormatted(assignment.target, value.replace(BROKEN, '\ufffd'))
      }
    },
  }
}

function compileAssignment(assignment: LabelAssignment, nowNs: bigint): Assignment {
  if (assignment.kind === 'rename') return assignment
  return { kind: 'template', target: assignment.target, template: compileTemplate(assignment.template, nowNs) }
}

function readsOf(assignments: readonly Assignment[]): ReadonlySet<string> | undefined {
  const reads = new Set<string>()
  for (const assignment of assignments) {
    if (assignment.kind === 'rename') reads.add(assignment.source)
    else if (assignment.template.fields === undefined) return undefined
    else for (const name of assignment.template.fields) reads.add(name)
  }
  return reads
}

function copyOf(labels: LabelSet): GoMap {
  const entries = labels.all().map(({ name, value }) => [name, value] as const)
  const values = new Map(entries)
  return { get: (name) => values.get(name) ?? '', entries: () => entries }
}
