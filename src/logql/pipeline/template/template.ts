/** Templates of line_format and label_format: Go's text/template with Loki's functions. */

import { Budget } from './budget.ts'
import { runTemplate } from './evaluate.ts'
import type { RunContext, TemplateFunction } from './functions/functions.ts'
import { GO_FUNCTIONS } from './functions/go-functions.ts'
import { NUMBER_FUNCTIONS } from './functions/number-functions.ts'
import { REGEXP_FUNCTIONS } from './functions/regexp-functions.ts'
import { compileSized, type SizedRegexp } from './functions/sized-regexp.ts'
import { TEXT_FUNCTIONS } from './functions/text-functions.ts'
import { TIME_FUNCTIONS } from './functions/time-functions.ts'
import { parseTemplate } from './parser.ts'
import type { GoMap } from './value.ts'

/** The input of a template. */
export interface TemplateInput {
  readonly data: GoMap
  readonly line: string
  readonly ns: bigint
}

export interface Template {
  /** Names of the labels it may read; undefined: possibly any. */
  readonly fields: ReadonlySet<string> | undefined
  /** The output. Throws a GatewayError if the template fails for this entry. */
  run(input: TemplateInput): string
}

const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ...GO_FUNCTIONS,
  ...TEXT_FUNCTIONS,
  ...REGEXP_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
])
/**
 * Maximum number of cached patterns per template: a template's own are few, but patterns built from labels may be many.
 */
const REGEXPS_MAX = 32

/** Every name that a template may call. */
export const FUNCTION_NAMES: readonly string[] = [...FUNCTIONS.keys(), 'and', 'or']

/** Compiles a template, to run it on many entries. Throws query_malformed. */
export function compileTemplate(source: string, nowNs: bigint): Template {
  const tree = parseTemplate(source, (name) => FUNCTION_NAMES.includes(name))
  const compile = cachedCompiler()
  return {
    fields: tree.fields,
    run: ({ data, line, ns }) => {
      const context: RunContext = { budget: new Budget(), line, ns, nowNs, compileRegexp: compile }
      return runTemplate(tree, FUNCTIONS, data, context)
    },
  }
}

function cachedCompiler(): (pattern: string) => SizedRegexp {
  const regexps = new Map<string, SizedRegexp>()
  return (pattern) => {
    const known = regexps.get(pattern)
    if (known !== undefined) return known
    if (regexps.size >= REGEXPS_MAX) regexps.clear()
    const compiled = compileSized(pattern)
    regexps.set(pattern, compiled)
    return compiled
  }
}
