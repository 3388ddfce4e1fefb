/** One comparison with software of others: what it needs, and its result. */

export interface FieldResult {
  readonly passed: number
  readonly total: number
  /** Versions, and anything the figures do not show. */
  readonly note: string
  /** What did not pass, one or more lines each. */
  readonly details: readonly string[]
}

export interface FieldHarness {
  readonly area: 'Loki fidelity' | 'doors' | 'agents' | "Grafana's conversations" | 'emulators'
  readonly name: string
  /** Undefined if everything it needs is there; otherwise what is missing, and how to provide it. */
  readonly missing: (env: NodeJS.ProcessEnv) => string | undefined
  /** `folder` is its own and empty; `isQuick` requests minutes instead of hours. */
  readonly run: (context: FieldContext) => Promise<FieldResult>
}

export interface FieldContext {
  readonly env: NodeJS.ProcessEnv
  readonly folder: string
  readonly isQuick: boolean
}

/** One row of the table. */
export interface FieldRow {
  readonly area: string
  readonly name: string
  readonly outcome: FieldResult | { readonly skipped: string } | { readonly failed: string }
}

/** The name of the first variable that is not set, in words. */
export function missingVariable(env: NodeJS.ProcessEnv, ...names: readonly string[]): string | undefined {
  const isSet = names.some((name) => (env[name] ?? '') !== '')
  return isSet ? undefined : `${names.join(' or ')} is not set`
}
