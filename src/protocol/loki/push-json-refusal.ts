/** Errors for a JSON body that is not a push: the missing key, and the unknown keys found instead. */

import { GatewayError } from '../../domain/errors.ts'

/** Maximum number of keys in an error, and maximum length of each. */
const KEYS_SHOWN_MAX = 5
const KEY_CHARS_MAX = 32

/** Unknown keys of an object, up to the number that an error shows. */
export class KeyList {
  readonly #keys: string[] = []
  #count = 0

  add(key: string): void {
    if (++this.#count <= KEYS_SHOWN_MAX) this.#keys.push(key)
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** `"value", "labels" and 3 more`. */
  toString(): string {
    const shown = this.#keys.map((key) => JSON.stringify(key.slice(0, KEY_CHARS_MAX))).join(', ')
    return this.#count > this.#keys.length ? `${shown} and ${this.#count - this.#keys.length} more` : shown
  }
}

export function missingKey(where: string, wanted: string, found: KeyList, at: number): GatewayError {
  return pushRefusal(`${where} has no "${wanted}"${found.isEmpty ? '' : `; found ${found}`}`, at)
}

/** `at` is the position of the fault in the body. */
export function pushRefusal(fault: string, at: number): GatewayError {
  return new GatewayError('body_malformed', `push body is invalid: ${fault} (byte ${at})`)
}
