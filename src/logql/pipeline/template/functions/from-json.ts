/** fromJson: parses JSON to template values. */

import { type Budget, fault } from '../budget.ts'
import type { GoMap, GoValue } from '../value.ts'

/** Maximum nesting of values. */
const DEPTH_MAX = 64

/** Undefined for invalid JSON (and for null). Numbers are floats; of duplicate keys the last is kept. */
export function parseJsonValue(text: string, budget: Budget): GoValue {
  budget.spend(text.length)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return goValueOf(value, budget, 0)
}

/** An object; a missing key is nil. */
class JsonObject implements GoMap {
  readonly #members: ReadonlyMap<string, GoValue>
  #entries: readonly (readonly [key: string, value: GoValue])[] | undefined

  constructor(members: ReadonlyMap<string, GoValue>) {
    this.#members = members
  }

  get(key: string): GoValue {
    return this.#members.get(key)
  }

  entries(): readonly (readonly [key: string, value: GoValue])[] {
    this.#entries ??= [...this.#members].sort(([a], [b]) => compareUtf8(a, b))
    return this.#entries
  }
}

/** The order of the texts' bytes in UTF-8, by which Go sorts keys: a character of two units comes after all others. */
function compareUtf8(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = rankOf(a.charCodeAt(i)) - rankOf(b.charCodeAt(i))
    if (order !== 0) return order
  }
  return a.length - b.length
}

function rankOf(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

function goValueOf(value: unknown, budget: Budget, depth: number): GoValue {
  if (depth > DEPTH_MAX) throw fault(`reads JSON nested deeper than ${DEPTH_MAX}`)
  budget.step()
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'boolean') return value
  // A number too large for a double is invalid.
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value)) return value.map((each) => goValueOf(each, budget, depth + 1))
  const members = Object.entries(value).map(
    ([key, each]) => [key.toWellFormed(), goValueOf(each, budget, depth + 1)] as const,
  )
  return new JsonObject(new Map(members))
}
