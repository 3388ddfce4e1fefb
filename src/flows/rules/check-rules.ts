/** Whether the texts of an alert rule can be evaluated at all, asked when its file is read. */

import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { compileRuleExpr } from '../../logql/rule-expression.ts'
import { compileRuleTemplate } from '../../logql/rule-template.ts'

/** What is wrong with the expression of a rule whose group has this interval; undefined when nothing is. */
export function checkRuleExpr(text: string, intervalMs: number, limits: QueryLimits): string | undefined {
  return problemOf(() => compileRuleExpr(text, intervalMs, limits))
}

/** What is wrong with the template of a label or an annotation; undefined when nothing is. */
export function checkRuleTemplate(text: string): string | undefined {
  return problemOf(() => compileRuleTemplate(text))
}

function problemOf(compile: () => unknown): string | undefined {
  try {
    compile()
    return undefined
  } catch (cause) {
    if (cause instanceof GatewayError) return cause.message
    throw cause
  }
}
