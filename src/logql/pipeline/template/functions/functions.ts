/** Declarations of template functions. */

import type { Budget } from '../budget.ts'
import type { GoTime, GoValue } from '../value.ts'
import type { SizedRegexp } from './sized-regexp.ts'

/** The type of a parameter; `any` accepts everything. */
export type ParamKind = 'string' | 'int' | 'float' | 'time' | 'any'

interface ParamTypes {
  string: string
  int: bigint
  float: number
  time: GoTime
  any: GoValue
}

type Arguments<P extends readonly ParamKind[]> = { [K in keyof P]: ParamTypes[P[K]] }

/** The context in which a function is called. */
export interface RunContext {
  readonly budget: Budget
  /** The entry's line at this stage. */
  readonly line: string
  /** The entry's time. */
  readonly ns: bigint
  /** The time of the query, in nanoseconds since the epoch. */
  readonly nowNs: bigint
  compileRegexp(pattern: string): SizedRegexp
}

export interface TemplateFunction {
  readonly params: readonly ParamKind[]
  /** The kind of arguments after `params`; undefined if there are none. */
  readonly rest: ParamKind | undefined
  readonly call: (args: readonly GoValue[], context: RunContext) => GoValue
}

/** Defines a function with fixed parameters. */
export function define<const P extends readonly ParamKind[]>(
  params: P,
  call: (args: Arguments<P>, context: RunContext) => GoValue,
): TemplateFunction {
  // The evaluator has checked the kinds before the call.
  return { params, rest: undefined, call: (args, context) => call(args as Arguments<P>, context) }
}

/** Defines a function with any number of further arguments of one kind. */
export function defineRest<const P extends readonly ParamKind[], R extends ParamKind>(
  params: P,
  rest: R,
  call: (args: Arguments<P>, others: ParamTypes[R][], context: RunContext) => GoValue,
): TemplateFunction {
  return {
    params,
    rest,
    call: (args, context) =>
      // As above.
      call(
        args.slice(0, params.length) as unknown as Arguments<P>,
        args.slice(params.length) as ParamTypes[R][],
        context,
      ),
  }
}
