/** Reads YAML, and collects all faults of a document with their positions. */

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from 'yaml'

/** Maximum number of faults; a generated file may be wrong in every line. */
const FAULTS_MAX = 50

export type YamlNode = Node | null | undefined

export class YamlReader {
  readonly root: YamlNode
  readonly #counter = new LineCounter()
  readonly #faults: string[] = []
  #faultCount = 0

  /** Accepts any text; invalid YAML is a fault. */
  constructor(text: string) {
    this.root = this.#parse(text)
  }

  /** `line 3, column 5: …`, in order; the last one may be the number of further faults. */
  get faults(): readonly string[] {
    const more = this.#faultCount - this.#faults.length
    return more === 0 ? this.#faults : [...this.#faults, `… and ${more} more`]
  }

  fault(node: YamlNode, text: string): void {
    const offset = node?.range?.[0] ?? 0
    this.#add(this.#counter.linePos(offset), text)
  }

  /**
   * The values of a map by their keys. Keys other than `known` are faults, and so is any value that is not a map;
   * `where` names it in texts.
   */
  map(node: YamlNode, where: string, known: readonly string[]): ReadonlyMap<string, YamlNode> | undefined {
    const map = this.pairs(node, where)
    if (map === undefined) return undefined
    const values = new Map<string, YamlNode>()
    for (const [key, value, place] of map) {
      if (known.includes(key)) values.set(key, value)
      else this.fault(place, `${where} has no field ${show(key)}; expected ${known.join(', ')}`)
    }
    return values
  }

  /**
   * A map with any keys, without duplicates, as triples of key, value and the key's position. A missing value gives no
   * pairs.
   */
  pairs(node: YamlNode, where: string): readonly (readonly [key: string, value: YamlNode, place: Node])[] | undefined {
    if (isNothing(node)) return []
    if (!isMap(node)) {
      this.#wanted(node, where, 'a map')
      return undefined
    }
    const keys = new Set<string>()
    return (node as YAMLMap<Node, Node>).items.flatMap(({ key, value }) => {
      const text = isScalar(key) ? textOf(key.value) : undefined
      if (text === undefined) this.fault(key, `${where}: expected a word as a key`)
      else if (keys.has(text)) this.fault(key, `${where}: ${show(text)} comes twice`)
      else if (isAlias(value)) this.fault(value, `${where}: aliases (*name) are not read; write it out`)
      else {
        keys.add(text)
        return [[text, value, key] as const]
      }
      return []
    })
  }

  /** The members of a list; none if the value is missing. */
  list(node: YamlNode, where: string): readonly YamlNode[] {
    if (isNothing(node)) return []
    if (isSeq(node)) return node.items as Node[]
    this.#wanted(node, where, 'a list')
    return []
  }

  /** A scalar with its original text: `30` is the text 30. For anything else undefined, and a fault. */
  text(node: YamlNode, where: string): string | undefined {
    if (isScalar(node) && node.value !== null) return typeof node.value === 'string' ? node.value : sourceOf(node)
    this.#wanted(node, where, 'text')
    return undefined
  }

  #parse(text: string): YamlNode {
    try {
      // Otherwise the library compares each key of a map with all others.
      const options = { lineCounter: this.#counter, prettyErrors: false, uniqueKeys: false, version: '1.2' } as const
      const { errors, contents } = parseDocument<ParsedNode>(text, options)
      // The library recurses into nested values, and may report a stack overflow for each level.
      const isTooDeep = errors.some(({ message }) => message.includes('call stack'))
      if (isTooDeep) throw new RangeError('nested too deep')
      for (const { pos, message } of errors) this.#add(this.#counter.linePos(pos[0]), message)
      return errors.length > 0 ? undefined : contents
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      this.#add({ line: 1, col: 1 }, 'the file is nested too deep')
      return undefined
    }
  }

  #wanted(node: YamlNode, where: string, wanted: string): void {
    const got = isAlias(node) ? 'an alias (*name); write it out' : kindOf(node)
    this.fault(node, `${where}: expected ${wanted}; got ${got}`)
  }

  #add({ line, col }: { readonly line: number; readonly col: number }, text: string): void {
    this.#faultCount++
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(`line ${line}, column ${col}: ${text}`)
  }
}

/** The text, truncated for one line. */
export function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

function isNothing(node: YamlNode): boolean {
  return node === undefined || node === null || (isScalar(node) && node.value === null)
}

function kindOf(node: YamlNode): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  return isScalar(node) && node.value !== null ? 'one value' : 'nothing'
}

function sourceOf(node: { readonly value: unknown; readonly source?: string }): string {
  return node.source ?? textOf(node.value)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : String(value)
}
