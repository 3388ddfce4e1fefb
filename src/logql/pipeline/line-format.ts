/** `| line_format "{{.method}} {{.path}}"`: builds a line from labels. */

import { GatewayError } from '../../domain/errors.ts'
import type { LabelSet } from './label-set.ts'
import type { EntryParser } from './parsers/json-parser.ts'
import { compileTemplate, type Template, type TemplateInput } from './template/template.ts'
import type { GoMap } from './template/value.ts'

/** A compiled stage with the labels that its templates may read; undefined: any. */
export interface FormatStage {
  readonly run: EntryParser
  readonly reads: ReadonlySet<string> | undefined
}

/**
 * A failing template leaves the line unchanged and sets TemplateFormatErr. `nowNs` is the time of the query. Throws
 * query_malformed for an invalid template.
 */
export function compileLineFormat(source: string, nowNs: bigint): FormatStage {
  const template = compileTemplate(source, nowNs)
  return {
    reads: template.fields,
    run: (entry, labels) => {
      const line = runOrFail(template, { data: labelData(labels), line: entry.line, ns: entry.ns }, labels)
      if (line !== undefined) entry.line = line
    },
  }
}

/** The output of the template; undefined, with TemplateFormatErr set, if it fails. */
export function runOrFail(template: Template, input: TemplateInput, labels: LabelSet): string | undefined {
  try {
    return template.run(input)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    labels.setError('TemplateFormatErr', error.message)
    return undefined
  }
}

/**
 * The labels as the template's dot, for one run, during which they do not change. A missing label is the empty string.
 */
export function labelData(labels: LabelSet): GoMap {
  let entries: [name: string, value: string][] | undefined
  return {
    get: (name) => labels.get(name) ?? '',
    entries: () => {
      entries ??= labels.all().map(({ name, value }) => [name, value])
      return entries
    },
  }
}
