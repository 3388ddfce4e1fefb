/** The tree of a template, built by parser.ts and executed by evaluate.ts. See https://pkg.go.dev/text/template. */

export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | Branch
  | { readonly kind: 'template'; readonly name: string; readonly pipeline: Pipeline | undefined }
  | { readonly kind: 'break' | 'continue' }

/** `if`, `with` and `range`; an `else if` is an `if` in `otherwise`. */
export interface Branch {
  readonly kind: 'if' | 'with' | 'range'
  readonly pipeline: Pipeline
  readonly body: readonly TemplateNode[]
  readonly otherwise: readonly TemplateNode[]
}

/** `$a, $b := first | second`. */
export interface Pipeline {
  /** Including their `$`. */
  readonly variables: readonly string[]
  /** True for `=`, which assigns to declared variables. */
  readonly isAssignment: boolean
  readonly commands: readonly Command[]
}

/** A function or field with its arguments, or a single value. Never empty. */
export type Command = readonly Operand[]

export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'number'; readonly number: NumberLiteral }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'field'; readonly names: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: 'chain'; readonly operand: Operand; readonly names: readonly string[] }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline }

/** A constant has no type until it is used: `1.0` is an integer if one is expected. */
export interface NumberLiteral {
  readonly integer: bigint | undefined
  readonly float: number
  /** Its type if none is expected. */
  readonly isFloat: boolean
}

/** A parsed template with the templates that it defines. */
export interface TemplateTree {
  readonly body: readonly TemplateNode[]
  readonly definitions: ReadonlyMap<string, readonly TemplateNode[]>
  /** Names of the labels it may read; undefined: possibly any. */
  readonly fields: ReadonlySet<string> | undefined
}
