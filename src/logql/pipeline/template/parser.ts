/** Parses the text of a template to a tree. */

import { PipelineParser } from './pipeline-parser.ts'
import { TokenCursor } from './token-cursor.ts'
import type { TemplateNode, TemplateTree } from './tree.ts'

/**
 * Parses a template; `isFunction` returns true for the names that may be called. Throws query_malformed with the line
 * and what was expected there.
 */
export function parseTemplate(source: string, isFunction: (name: string) => boolean): TemplateTree {
  return new Parser(new TokenCursor(source), isFunction).parse()
}

/** How a list of nodes ended. */
type ListEnd = 'end' | 'else'

type BranchKind = 'if' | 'with' | 'range'

class Parser {
  readonly #cursor: TokenCursor
  readonly #pipelines: PipelineParser
  readonly #definitions = new Map<string, readonly TemplateNode[]>()
  #rangeDepth = 0

  constructor(cursor: TokenCursor, isFunction: (name: string) => boolean) {
    this.#cursor = cursor
    this.#pipelines = new PipelineParser(cursor, isFunction)
  }

  parse(): TemplateTree {
    const body: TemplateNode[] = []
    while (this.#cursor.peek().kind !== 'end') {
      const node = this.#readNode()
      if (node === 'end' || node === 'else') throw this.#cursor.error(`unexpected {{${node}}}`)
      if (node !== undefined) body.push(node)
    }
    return { body, definitions: this.#definitions, fields: this.#pipelines.fields }
  }

  /** A node, undefined for a definition, or the word that ends the list. */
  #readNode(): TemplateNode | ListEnd | undefined {
    const token = this.#cursor.take()
    if (token.kind === 'text') return { kind: 'text', text: token.text }
    this.#cursor.skipSpace()
    const word = this.#cursor.peek().kind === 'word' ? this.#cursor.peek().text : ''
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        this.#cursor.take()
        return this.#readBranch(word)
      case 'end':
        this.#cursor.take()
        this.#cursor.expectClose('{{end}}')
        return word
      case 'else':
        this.#cursor.take()
        return word
      case 'define':
      case 'block':
        this.#cursor.take()
        return this.#readDefinition(word)
      case 'template':
        this.#cursor.take()
        return this.#readCall()
      case 'break':
      case 'continue':
        this.#cursor.take()
        if (this.#rangeDepth === 0) throw this.#cursor.error(`{{${word}}} outside {{range}}`)
        this.#cursor.expectClose(`{{${word}}}`)
        return { kind: word }
      default:
        return { kind: 'action', pipeline: this.#pipelines.readPipeline('close', 'command') }
    }
  }

  /** Variables of the head are visible until the end of the block. */
  #readBranch(kind: BranchKind): TemplateNode {
    const read = (): TemplateNode => {
      const pipeline = this.#pipelines.readPipeline('close', kind)
      if (kind === 'range') this.#rangeDepth++
      const { nodes: body, end } = this.#readList(kind)
      if (kind === 'range') this.#rangeDepth--
      return { kind, pipeline, body, otherwise: end === 'else' ? this.#readElse(kind) : [] }
    }
    return this.#cursor.nest(() => this.#pipelines.inScope(read))
  }

  #readElse(kind: BranchKind): readonly TemplateNode[] {
    this.#cursor.skipSpace()
    const next = this.#cursor.peek()
    if (next.kind === 'word' && kind !== 'range' && next.text === kind) {
      this.#cursor.take()
      return [this.#readBranch(kind)]
    }
    this.#cursor.expectClose('{{else}}')
    const { nodes, end } = this.#readList(kind)
    if (end !== 'end') throw this.#cursor.error(`expected {{end}} of {{${kind}}}; found a second {{else}}`)
    return nodes
  }

  #readList(what: string): { nodes: readonly TemplateNode[]; end: ListEnd } {
    return this.#pipelines.inScope(() => {
      const nodes: TemplateNode[] = []
      for (;;) {
        if (this.#cursor.peek().kind === 'end') {
          throw this.#cursor.error(`unexpected end of the template; {{${what}}} wants an {{end}}`)
        }
        const node = this.#readNode()
        if (node === 'end' || node === 'else') return { nodes, end: node }
        if (node !== undefined) nodes.push(node)
      }
    })
  }

  /** A definition does not see variables of its surroundings. */
  #readDefinition(kind: 'define' | 'block'): TemplateNode | undefined {
    const name = this.#readName(kind)
    const pipeline = kind === 'block' ? this.#pipelines.readPipeline('close', kind) : undefined
    if (kind === 'define') this.#cursor.expectClose('{{define}}')
    const rangeDepth = this.#rangeDepth
    this.#rangeDepth = 0
    const read = () => this.#pipelines.inFreshScope(() => this.#readList(kind))
    const { nodes, end } = this.#cursor.nest(read)
    this.#rangeDepth = rangeDepth
    if (end !== 'end') throw this.#cursor.error(`unexpected {{else}} in {{${kind}}}`)
    if (this.#definitions.has(name) && kind === 'define') throw this.#cursor.error('a template is defined twice')
    this.#definitions.set(name, nodes)
    return pipeline === undefined ? undefined : { kind: 'template', name, pipeline }
  }

  #readCall(): TemplateNode {
    const name = this.#readName('template')
    this.#cursor.skipSpace()
    if (this.#cursor.peek().kind !== 'close') {
      return { kind: 'template', name, pipeline: this.#pipelines.readPipeline('close', 'template') }
    }
    this.#cursor.take()
    return { kind: 'template', name, pipeline: undefined }
  }

  #readName(what: string): string {
    this.#cursor.skipSpace()
    const token = this.#cursor.take()
    if (token.kind !== 'string') throw this.#cursor.unexpected(token, `the quoted name of {{${what}}}`)
    return token.text
  }
}
