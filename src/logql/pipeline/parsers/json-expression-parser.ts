/** `| json label="path", …`: chosen places of a JSON document as labels. */

import type { LabelExtraction } from '../../parse/syntax.ts'
import type { LabelSet } from '../label-set.ts'
import type { EntryParser } from './json-parser.ts'
import { parseJsonPath } from './json-path.ts'
import { JsonScanner } from './json-scanner.ts'

/** A place in documents: the labels that it fills, and the places below it. */
interface PathNode {
  readonly labels: string[]
  readonly members: Map<string, PathNode>
  readonly elements: Map<number, PathNode>
}

/**
 * Strings come without quotes, objects and arrays as their source text, null as the empty string, and so does every
 * label that is not there yet and whose path the document has not. Throws query_malformed for a path that cannot be read.
 */
export function compileJsonExpressions(extractions: readonly LabelExtraction[]): EntryParser {
  const root = makeNode()
  for (const { label, expression } of extractions) {
    let node = root
    for (const step of parseJsonPath(expression)) node = childOf(node, step)
    node.labels.push(label)
  }
  const names = extractions.map(({ label }) => label)
  const walker = new PathWalker(root, names)
  return (entry, labels) => walker.walk(entry.line, labels)
}

function makeNode(): PathNode {
  return { labels: [], members: new Map(), elements: new Map() }
}

function childOf(node: PathNode, step: string | number): PathNode {
  // Two maps of different key types: TypeScript cannot see that the step fits the map that it chose.
  const children = (typeof step === 'string' ? node.members : node.elements) as Map<string | number, PathNode>
  const child = children.get(step) ?? makeNode()
  children.set(step, child)
  return child
}

class PathWalker {
  readonly #root: PathNode
  readonly #names: readonly string[]
  readonly #scanner = new JsonScanner()
  /** What this line filled: the first of a repeated member counts. */
  readonly #found = new Set<string>()
  #labels: LabelSet | undefined

  constructor(root: PathNode, names: readonly string[]) {
    this.#root = root
    this.#names = names
  }

  /** An empty line is passed over; one that begins like no JSON has an error, and no label. */
  walk(line: string, labels: LabelSet): void {
    if (line === '') return
    this.#scanner.begin(line)
    this.#labels = labels
    this.#found.clear()
    const first = this.#scanner.next()
    if (first !== 123 && first !== 91 && first !== 34) {
      labels.setError('JSONParserErr', 'the line is not a JSON object or array')
      return
    }
    if (!this.#readValue(this.#root) && this.#found.size < this.#names.length) {
      labels.setError('JSONParserErr', `malformed JSON near character ${this.#scanner.at + 1} of the line`)
    }
    for (const name of this.#names) {
      // A label of the stream stays alone where the document has nothing to say.
      if (!this.#found.has(name) && labels.get(name) === undefined) labels.setParsed(name, '')
    }
  }

  /** The value at a node; false at a fault, and when every label is filled. */
  #readValue(node: PathNode): boolean {
    const scanner = this.#scanner
    const start = scanner.at
    const first = scanner.text.charCodeAt(start)
    if (first === 123 && node.members.size > 0) {
      if (!this.#readMembers(node)) return false
    } else if (first === 91 && node.elements.size > 0) {
      if (!this.#readElements(node)) return false
    } else if (first === 34 && node.labels.length > 0) {
      const text = scanner.readText()
      return text !== undefined && this.#fill(node, text)
    } else if (!scanner.skipValue()) return false
    if (node.labels.length === 0) return true
    return this.#fill(node, first === 110 ? '' : scanner.text.slice(start, scanner.at))
  }

  #fill(node: PathNode, value: string): boolean {
    for (const name of node.labels) {
      if (this.#found.has(name)) continue
      this.#found.add(name)
      this.#labels?.setParsed(name, value)
    }
    return this.#found.size < this.#names.length
  }

  #readMembers(node: PathNode): boolean {
    const scanner = this.#scanner
    scanner.at++
    if (scanner.next() === 125) {
      scanner.at++
      return true
    }
    for (;;) {
      const key = scanner.readKey()
      if (key === undefined) return false
      const child = node.members.get(key)
      if (!(child === undefined ? scanner.skipValue() : this.#readValue(child))) return false
      const goesOn = scanner.readSeparator(125)
      if (goesOn === undefined) return false
      if (!goesOn) return true
    }
  }

  #readElements(node: PathNode): boolean {
    const scanner = this.#scanner
    scanner.at++
    if (scanner.next() === 93) {
      scanner.at++
      return true
    }
    for (let index = 0; ; index++) {
      scanner.next()
      const child = node.elements.get(index)
      if (!(child === undefined ? scanner.skipValue() : this.#readValue(child))) return false
      const goesOn = scanner.readSeparator(93)
      if (goesOn === undefined) return false
      if (!goesOn) return true
    }
  }
}
