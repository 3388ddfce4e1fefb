/** Checks the types of function arguments. */

import { fault } from './budget.ts'
import type { ParamKind } from './functions/functions.ts'
import type { NumberLiteral } from './tree.ts'
import { GoTime, type GoValue, typeName } from './value.ts'

/** Returns the value; throws if it does not have the parameter's type. */
export function checkArgument(value: GoValue, kind: ParamKind, name: string): GoValue {
  if (kind === 'any' || kindOf(value) === kind) return value
  throw fault(`calls ${name} with a value of type ${typeName(value)}; expected ${kind}`)
}

/** A constant as the expected type if possible, else as its own type. */
export function constantAs({ integer, float, isFloat }: NumberLiteral, kind: ParamKind): GoValue {
  if (kind === 'int' && integer !== undefined) return integer
  if (kind === 'float' || isFloat || integer === undefined) return float
  return integer
}

function kindOf(value: GoValue): ParamKind | undefined {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    default:
      return value instanceof GoTime ? 'time' : undefined
  }
}
