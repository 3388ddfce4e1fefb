/** Tokens of a template to its tree. */

import { lexTemplate, type Token, type TokenKind, templateError } from './lexer.ts'
import { parseNumber } from './number-literal.ts'
import type { Command, Operand, Pipeline, TemplateNode, TemplateTree } from './tree.ts'

/** Blocks in blocks and brackets in brackets. */
const DEPTH_MAX = 64

/**
 * Reads a template; `isFunction` knows the names that may be called. Throws query_malformed with the line and what was
 * wanted there.
 */
export function parseTemplate(source: string, isFunction: (name: string) => boolean): TemplateTree {
  return new Parser(source, isFunction).parse()
}

/** How a list of nodes ended. */
type ListEnd = 'end' | 'else'

class Parser {
  readonly #source: string
  readonly #isFunction: (name: string) => boolean
  readonly #tokens: readonly Token[]
  readonly #definitions = new Map<string, readonly TemplateNode[]>()
  readonly #fields = new Set<string>()
  #readsAll = false
  #at = 0
  #depth = 0
  #rangeDepth = 0
  #variables: string[] = ['$']

  constructor(source: string, isFunction: (name: string) => boolean) {
    this.#source = source
    this.#isFunction = isFunction
    this.#tokens = lexTemplate(source)
  }

  parse(): TemplateTree {
    const body: TemplateNode[] = []
    while (this.#peek().kind !== 'end') {
      const node = this.#readNode()
      if (node === 'end' || node === 'else') throw this.#error(`unexpected {{${node}}}`)
      if (node !== undefined) body.push(node)
    }
    return { body, definitions: this.#definitions, fields: this.#readsAll ? undefined : this.#fields }
  }

  /** A node, nothing for a definition, or the word that ends the list. */
  #readNode(): TemplateNode | ListEnd | undefined {
    const token = this.#take()
    if (token.kind === 'text') return { kind: 'text', text: token.text }
    this.#skipSpace()
    const word = this.#peek()
    if (word.kind !== 'word') return this.#readAction()
    switch (word.text) {
      case 'if':
      case 'with':
      case 'range':
        this.#take()
        return this.#readBranch(word.text)
      case 'end':
        this.#take()
        this.#expectClose('{{end}}')
        return 'end'
      case 'else':
        this.#take()
        return 'else'
      case 'define':
      case 'block':
        this.#take()
        return this.#readDefinition(word.text)
      case 'template':
        this.#take()
        return this.#readCall()
      case 'break':
      case 'continue':
        this.#take()
        if (this.#rangeDepth === 0) throw this.#error(`{{${word.text}}} outside {{range}}`)
        this.#expectClose(`{{${word.text}}}`)
        return { kind: word.text }
      default:
        return this.#readAction()
    }
  }

  #readAction(): TemplateNode {
    const pipeline = this.#readPipeline('close', 'command')
    this.#take()
    return { kind: 'action', pipeline }
  }

  /** Variables of the head live to the end of the block. */
  #readBranch(kind: 'if' | 'with' | 'range'): TemplateNode {
    return this.#nest(() => {
      const scope = this.#variables.length
      const pipeline = this.#readPipeline('close', kind)
      this.#take()
      const head = this.#variables.length
      if (kind === 'range') this.#rangeDepth++
      const { nodes: body, end } = this.#readList(kind)
      if (kind === 'range') this.#rangeDepth--
      this.#variables.length = head
      const otherwise = end === 'else' ? this.#readElse(kind) : []
      this.#variables.length = scope
      return { kind, pipeline, body, otherwise }
    })
  }

  #readElse(kind: 'if' | 'with' | 'range'): readonly TemplateNode[] {
    this.#skipSpace()
    const next = this.#peek()
    if (next.kind === 'word' && kind !== 'range' && next.text === kind) {
      this.#take()
      return [this.#readBranch(kind)]
    }
    this.#expectClose('{{else}}')
    const { nodes, end } = this.#readList(kind)
    if (end !== 'end') throw this.#error(`expected {{end}} of {{${kind}}}; found a second {{else}}`)
    return nodes
  }

  #readList(what: string): { nodes: readonly TemplateNode[]; end: ListEnd } {
    const nodes: TemplateNode[] = []
    for (;;) {
      if (this.#peek().kind === 'end') throw this.#error(`unexpected end of the template; {{${what}}} wants an {{end}}`)
      const node = this.#readNode()
      if (node === 'end' || node === 'else') return { nodes, end: node }
      if (node !== undefined) nodes.push(node)
    }
  }

  #readDefinition(kind: 'define' | 'block'): TemplateNode | undefined {
    const name = this.#readName(kind)
    const pipeline = kind === 'block' ? this.#readPipeline('close', kind) : undefined
    if (kind === 'define') this.#expectClose('{{define}}')
    else this.#take()
    // A definition sees nothing of where it stands but the function names.
    const [variables, rangeDepth] = [this.#variables, this.#rangeDepth]
    this.#variables = ['$']
    this.#rangeDepth = 0
    const { nodes, end } = this.#nest(() => this.#readList(kind))
    if (end !== 'end') throw this.#error(`unexpected {{else}} in {{${kind}}}`)
    this.#variables = variables
    this.#rangeDepth = rangeDepth
    if (this.#definitions.has(name) && kind === 'define') throw this.#error('a template is defined twice')
    this.#definitions.set(name, nodes)
    return pipeline === undefined ? undefined : { kind: 'template', name, pipeline }
  }

  #readCall(): TemplateNode {
    const name = this.#readName('template')
    this.#skipSpace()
    const pipeline = this.#peek().kind === 'close' ? undefined : this.#readPipeline('close', 'template')
    this.#take()
    return { kind: 'template', name, pipeline }
  }

  #readName(what: string): string {
    this.#skipSpace()
    const token = this.#take()
    if (token.kind !== 'string') throw this.#unexpected(token, `the quoted name of {{${what}}}`)
    return token.text
  }

  /** A pipeline up to `close`, which stays. */
  #readPipeline(close: TokenKind, what: string): Pipeline {
    this.#skipSpace()
    const { variables, isAssignment } = this.#readTargets(what)
    const commands: Command[] = []
    for (;;) {
      this.#skipSpace()
      const token = this.#peek()
      if (token.kind === close && commands.length === 0) throw this.#error(`missing value for ${what}`)
      commands.push(this.#readCommand(commands.length > 0))
      this.#skipSpace()
      const next = this.#peek()
      if (next.kind === close) break
      if (next.kind !== '|') throw this.#unexpected(next, `"|" or the end of ${what}`)
      this.#take()
    }
    if (!isAssignment) this.#variables.push(...variables)
    return { variables, isAssignment, commands }
  }

  /** `$x :=`, `$x =`, and `$i, $x :=` of a range; or nothing. */
  #readTargets(what: string): { variables: string[]; isAssignment: boolean } {
    const start = this.#at
    const variables: string[] = []
    for (;;) {
      const variable = this.#peek()
      if (variable.kind !== 'variable') break
      this.#take()
      this.#skipSpace()
      const operator = this.#peek()
      if (operator.kind === ',' && what === 'range' && variables.length === 0) {
        variables.push(variable.text)
        this.#take()
        this.#skipSpace()
        continue
      }
      if (operator.kind !== ':=' && operator.kind !== '=') break
      this.#take()
      variables.push(variable.text)
      if (operator.kind === '=') for (const name of variables) this.#requireVariable(name)
      return { variables, isAssignment: operator.kind === '=' }
    }
    this.#at = start
    return { variables: [], isAssignment: false }
  }

  #readCommand(isPiped: boolean): Command {
    const operands: Operand[] = []
    for (;;) {
      const operand = this.#readOperand()
      operands.push(operand)
      if (this.#peek().kind !== 'space') break
      this.#skipSpace()
      if (['|', ')', 'close'].includes(this.#peek().kind)) break
    }
    const first = operands[0] as Operand
    if (isPiped && ['bool', 'dot', 'nil', 'number', 'string'].includes(first.kind)) {
      throw this.#error('a value cannot take what is piped into it; wanted a function')
    }
    return operands
  }

  #readOperand(): Operand {
    const operand = this.#readTerm()
    const names: string[] = []
    while (this.#peek().kind === 'field') names.push(this.#take().text)
    if (names.length === 0) {
      if (operand.kind === 'dot' || (operand.kind === 'variable' && operand.name === '$')) this.#readsAll = true
      return operand
    }
    if (operand.kind === 'field') return { kind: 'field', names: [...operand.names, ...names] }
    if (operand.kind === 'variable') {
      if (operand.name === '$') this.#fields.add(names[0] as string)
      return { ...operand, names }
    }
    if (['bool', 'dot', 'nil', 'number', 'string'].includes(operand.kind)) {
      throw this.#error(`unexpected .${names[0]} after a value`)
    }
    return { kind: 'chain', operand, names }
  }

  #readTerm(): Operand {
    const token = this.#take()
    switch (token.kind) {
      case 'field':
        this.#fields.add(token.text)
        return { kind: 'field', names: [token.text] }
      case 'variable':
        this.#requireVariable(token.text)
        return { kind: 'variable', name: token.text, names: [] }
      case 'dot':
        return { kind: 'dot' }
      case 'string':
        return { kind: 'string', value: token.text }
      case 'number':
      case 'char':
        return this.#readNumber(token)
      case 'word':
        return this.#readWord(token)
      case '(': {
        const pipeline = this.#nest(() => this.#readPipeline(')', 'parenthesized pipeline'))
        this.#take()
        return { kind: 'pipeline', pipeline }
      }
      default:
        throw this.#unexpected(token, 'a value')
    }
  }

  #readWord({ text, at }: Token): Operand {
    if (text === 'true' || text === 'false') return { kind: 'bool', value: text === 'true' }
    if (text === 'nil') return { kind: 'nil' }
    if (!this.#isFunction(text)) throw templateError(this.#source, at, `function "${shorten(text)}" not defined`)
    return { kind: 'function', name: text }
  }

  #readNumber({ kind, text, at }: Token): Operand {
    const number = parseNumber(text, kind === 'char')
    if (number === undefined) throw templateError(this.#source, at, `bad number syntax: "${shorten(text)}"`)
    return { kind: 'number', number }
  }

  #requireVariable(name: string): void {
    if (!this.#variables.includes(name)) throw this.#error(`undefined variable "${shorten(name)}"`)
  }

  #nest<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.#error(`nested deeper than ${DEPTH_MAX}`)
    const result = read()
    this.#depth--
    return result
  }

  #expectClose(what: string): void {
    this.#skipSpace()
    const token = this.#take()
    if (token.kind !== 'close') throw this.#unexpected(token, `"}}" of ${what}`)
  }

  #peek(): Token {
    // The last token is `end`, and nobody reads past it.
    return this.#tokens[this.#at] as Token
  }

  #take(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#at++
    return token
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#at++
  }

  #unexpected({ kind, text, at }: Token, wanted: string): Error {
    const found = kind === 'end' ? 'the end of the template' : `"${shorten(text)}"`
    return templateError(this.#source, at, `unexpected ${found}; wanted ${wanted}`)
  }

  #error(problem: string): Error {
    return templateError(this.#source, this.#peek().at, problem)
  }
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}
