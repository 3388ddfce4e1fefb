/**
 * Finds paths in a JSON text in the same way as Loki's parser: it scans the characters and counts brackets, enters
 * arrays only for requested elements, and skips invalid JSON.
 */

import { JSON_FAULTS, JsonScanner, type JsonValueKind, unescapeJson } from './json-scanner.ts'

/** A step into an object by its key, or into an array by its index. */
export type JsonStep = string | number

/** A value: its source text, without quotes for a string; or the reason why it cannot be read. */
export type JsonPlace =
  | { readonly kind: JsonValueKind; readonly raw: string }
  | { readonly kind: 'fault'; readonly fault: string }

/** `path` is an index in the list of paths; -1 for a fault in the text. */
export type OnPlace = (path: number, place: JsonPlace) => void

/** Finds each path at most once, in document order. */
export function findPlaces(text: string, paths: readonly (readonly JsonStep[])[], onPlace: OnPlace): void {
  new PlaceWalk(text, paths, onPlace).run()
}

class PlaceWalk {
  readonly #scanner = new JsonScanner()
  readonly #paths: readonly (readonly JsonStep[])[]
  readonly #onPlace: OnPlace
  readonly #isFound: boolean[]
  readonly #deepest: number
  /** The keys that lead to the current position, up to the length of the longest path. */
  readonly #keys: string[] = []
  #level = 0
  #count = 0

  constructor(text: string, paths: readonly (readonly JsonStep[])[], onPlace: OnPlace) {
    this.#scanner.begin(text)
    this.#paths = paths
    this.#onPlace = onPlace
    this.#isFound = paths.map(() => false)
    this.#deepest = Math.max(...paths.map(({ length }) => length))
  }

  run(): void {
    const scanner = this.#scanner
    for (; scanner.at < scanner.end; scanner.at++) {
      switch (scanner.text[scanner.at]) {
        case '"':
          if (!this.#passString()) return
          break
        case '{':
          this.#level++
          break
        case '[':
          if (!this.#passArray()) return
          break
        case '}':
        case ']':
          this.#level--
      }
    }
  }

  /**
   * Passes a string; if it is a key, also handles its value. The position is then on its last character or the colon.
   */
  #passString(): boolean {
    const scanner = this.#scanner
    const start = scanner.at + 1
    if (!scanner.skipString()) return false
    const raw = scanner.text.slice(start, scanner.at - 1)
    const code = scanner.next()
    if (Number.isNaN(code)) return false
    if (code !== 58) {
      scanner.at--
      return true
    }
    const key = raw.includes('\\') ? unescapeJson(raw) : raw
    if (key === undefined) return false
    return this.#deepest < this.#level || this.#matchKey(key)
  }

  #matchKey(key: string): boolean {
    if (this.#level < 1) {
      this.#onPlace(-1, { kind: 'fault', fault: JSON_FAULTS.malformed })
      return false
    }
    this.#keys[this.#level - 1] = key
    for (const [i, path] of this.#paths.entries()) {
      if (path.length !== this.#level || this.#isFound[i] || !this.#leadsHere(path, this.#level)) continue
      this.#mark(i)
      this.#onPlace(i, valueFrom(this.#scanner.text, this.#scanner.at + 1))
    }
    return !this.#isComplete()
  }

  /** The position is then on the closing bracket. */
  #passArray(): boolean {
    const scanner = this.#scanner
    if (this.#level < 0) {
      this.#onPlace(-1, { kind: 'fault', fault: JSON_FAULTS.malformed })
      return false
    }
    const active = [...this.#paths.keys()].filter((i) => {
      const path = this.#paths[i] as readonly JsonStep[]
      return !this.#isFound[i] && typeof path[this.#level] === 'number' && this.#leadsHere(path, this.#level)
    })
    if (active.length === 0) {
      const isWhole = scanner.skipBlock(91, 93)
      scanner.at--
      return isWhole
    }
    const depth = this.#level++
    const end = eachElement(scanner.text, scanner.at, (index, element) => {
      for (const i of active) if (this.#paths[i]?.[depth] === index) this.#matchElement(i, depth, element)
    })
    // The loop continues after this position, with the closing bracket.
    scanner.at = end - 1
    return !this.#isComplete()
  }

  #matchElement(path: number, depth: number, element: { readonly kind: JsonValueKind; readonly raw: string }): void {
    this.#mark(path)
    const rest = (this.#paths[path] as readonly JsonStep[]).slice(depth + 1)
    const at = searchPath(element.raw, rest)
    if (at < 0) return
    this.#onPlace(
      path,
      element.kind === 'string' ? { ...element, raw: element.raw.slice(at) } : valueFrom(element.raw, at),
    )
  }

  #mark(path: number): void {
    this.#isFound[path] = true
    this.#count++
  }

  #isComplete(): boolean {
    return this.#count === this.#paths.length
  }

  #leadsHere(path: readonly JsonStep[], length: number): boolean {
    for (let i = 0; i < length && i < path.length; i++) if (this.#keys[i] !== path[i]) return false
    return true
  }
}

function valueFrom(text: string, at: number): JsonPlace {
  const scanner = new JsonScanner()
  scanner.begin(text)
  scanner.at = at
  scanner.next()
  const start = scanner.at
  if (!scanner.skipValue()) return { kind: 'fault', fault: scanner.fault }
  const isText = scanner.kind === 'string'
  return { kind: scanner.kind, raw: scanner.text.slice(start + Number(isText), scanner.at - Number(isText)) }
}

/** Visits the elements of the array that starts at `at`, up to a fault; returns the position where it stopped. */
function eachElement(
  text: string,
  at: number,
  onElement: (
    index: number,
    element: { readonly kind: JsonValueKind; readonly raw: string; readonly end: number },
  ) => void,
): number {
  const scanner = new JsonScanner()
  scanner.begin(text)
  scanner.at = at + 1
  if (scanner.next() === 93) return scanner.at
  for (let index = 0; ; index++) {
    scanner.next()
    const start = scanner.at
    if (!scanner.skipValue()) return start
    const isText = scanner.kind === 'string'
    const raw = text.slice(start + Number(isText), scanner.at - Number(isText))
    onElement(index, { kind: scanner.kind, raw, end: scanner.at })
    if (scanner.next() !== 44) return scanner.at
    scanner.at++
  }
}

/** The position of the value at these steps; -1 if there is none. */
function searchPath(text: string, steps: readonly JsonStep[]): number {
  if (steps.length === 0) return 0
  let position = -1
  findPlacesAt(text, steps, (at) => {
    position = at
  })
  return position
}

/** Like findPlaces for one path, but returns the position of the value. */
function findPlacesAt(text: string, steps: readonly JsonStep[], onFound: (at: number) => void): void {
  const [step, ...rest] = steps
  const scanner = new JsonScanner()
  scanner.begin(text)
  const first = scanner.next()
  if (typeof step === 'number') {
    if (first !== 91) return
    eachElement(text, scanner.at, (index, { raw, end, kind }) => {
      if (index !== step) return
      const start = end - raw.length - Number(kind === 'string')
      const at = searchPath(raw, rest)
      if (at >= 0) onFound(start - Number(kind === 'string') + at)
    })
    return
  }
  scanner.readMembers((key, start) => {
    if (key !== step) return true
    if (rest.length === 0) {
      onFound(start)
      return false
    }
    const at = searchPath(text.slice(start, scanner.at), rest)
    if (at >= 0) onFound(start + at)
    return at < 0
  })
}
