/** Checks whether the texts of an alert rule can be evaluated, when its file is read. */

import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import { compileRuleExpr } from '../../logql/rule-expression.ts'
import { compileRuleTemplate } from '../../logql/rule-template.ts'

/** Returns the fault of a rule's expression in a group with this interval, or undefined. */
export function checkRuleExpr(text: string, intervalMs: number, limits: QueryLimits): string | undefined {
  return problemOf(() => compileRuleExpr(text, intervalMs, limits))
}

/** Returns the fault of the template of a label or an annotation, or undefined. */
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
