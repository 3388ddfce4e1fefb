/** JSON text to values of a template. */

import { compareText } from '../../../../domain/labels.ts'
import { parseGoFloat } from '../../convert.ts'
import { JsonScanner } from '../../parsers/json-scanner.ts'
import { type Budget, fault } from '../budget.ts'
import type { GoMap, GoValue } from '../value.ts'

/** Values in values. */
const DEPTH_MAX = 64

/** Undefined where the text is not JSON (and for null). Numbers are floats, of a repeated key the last counts. */
export function parseJsonValue(text: string, budget: Budget): GoValue {
  budget.spend(text.length)
  const reader = new JsonReader(text, budget)
  return reader.readDocument()
}

/** An object; a key that it has not is nil. */
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
    this.#entries ??= [...this.#members].sort(([a], [b]) => compareText(a, b))
    return this.#entries
  }
}

class JsonReader {
  readonly #scanner = new JsonScanner()
  readonly #budget: Budget
  #isBroken = false

  constructor(text: string, budget: Budget) {
    this.#scanner.begin(text)
    this.#budget = budget
  }

  readDocument(): GoValue {
    const value = this.#readValue(0)
    return this.#isBroken || !Number.isNaN(this.#scanner.next()) ? undefined : value
  }

  #readValue(depth: number): GoValue {
    if (depth > DEPTH_MAX) throw fault(`reads JSON nested deeper than ${DEPTH_MAX}`)
    this.#budget.step()
    const first = this.#scanner.next()
    if (first === 123) return this.#readObject(depth)
    if (first === 91) return this.#readArray(depth)
    if (first === 34) return this.#scanner.readString() ?? this.#break()
    const word = this.#scanner.readWord()
    if (word === undefined) return this.#break()
    if (word === 'null') return undefined
    return word === 'true' || word === 'false' ? word === 'true' : (parseGoFloat(word) ?? this.#break())
  }

  #readObject(depth: number): GoValue {
    const members = new Map<string, GoValue>()
    this.#scanner.at++
    if (this.#scanner.next() === 125) {
      this.#scanner.at++
      return new JsonObject(members)
    }
    for (;;) {
      const key = this.#scanner.readKey()
      if (key === undefined) return this.#break()
      members.set(key, this.#readValue(depth + 1))
      const goesOn = this.#isBroken ? undefined : this.#scanner.readSeparator(125)
      if (goesOn === undefined) return this.#break()
      if (!goesOn) return new JsonObject(members)
    }
  }

  #readArray(depth: number): GoValue {
    const elements: GoValue[] = []
    this.#scanner.at++
    if (this.#scanner.next() === 93) {
      this.#scanner.at++
      return elements
    }
    for (;;) {
      elements.push(this.#readValue(depth + 1))
      const goesOn = this.#isBroken ? undefined : this.#scanner.readSeparator(93)
      if (goesOn === undefined) return this.#break()
      if (!goesOn) return elements
    }
  }

  #break(): undefined {
    this.#isBroken = true
    return undefined
  }
}
