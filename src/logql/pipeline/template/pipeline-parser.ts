/** Parses the contents of template actions: `$x := .a | upper (printf "%s" .b)`. */

import type { Token, TokenKind } from './lexer.ts'
import { parseNumber } from './number-literal.ts'
import { shorten, type TokenCursor } from './token-cursor.ts'
import type { Command, Operand, Pipeline } from './tree.ts'

/** Operands that are plain values: without fields, arguments or piped values. */
const VALUES: readonly Operand['kind'][] = ['bool', 'dot', 'nil', 'number', 'string']

/** Parses pipelines, and tracks the visible variables and the labels read so far. */
export class PipelineParser {
  readonly #cursor: TokenCursor
  readonly #isFunction: (name: string) => boolean
  readonly #fields = new Set<string>()
  #readsAll = false
  #variables: string[] = ['$']

  constructor(cursor: TokenCursor, isFunction: (name: string) => boolean) {
    this.#cursor = cursor
    this.#isFunction = isFunction
  }

  /** Names of the labels that were read; undefined: possibly any. */
  get fields(): ReadonlySet<string> | undefined {
    return this.#readsAll ? undefined : this.#fields
  }

  /** Removes the variables that are declared while `read` runs. */
  inScope<T>(read: () => T): T {
    const count = this.#variables.length
    const result = read()
    this.#variables.length = count
    return result
  }

  /** Hides all variables except `$` from `read`. */
  inFreshScope<T>(read: () => T): T {
    const variables = this.#variables
    this.#variables = ['$']
    const result = read()
    this.#variables = variables
    return result
  }

  /** A pipeline up to and including `close`. `what` is the action that it belongs to. */
  readPipeline(close: TokenKind, what: string): Pipeline {
    const cursor = this.#cursor
    cursor.skipSpace()
    const { variables, isAssignment } = this.#readTargets(what)
    const commands: Command[] = []
    for (;;) {
      cursor.skipSpace()
      if (cursor.peek().kind === close && commands.length === 0) throw cursor.error(`missing value for ${what}`)
      commands.push(this.#readCommand(commands.length > 0))
      cursor.skipSpace()
      const next = cursor.take()
      if (next.kind === close) break
      if (next.kind !== '|') throw cursor.unexpected(next, `"|" or the end of ${what}`)
    }
    if (!isAssignment) this.#variables.push(...variables)
    return { variables, isAssignment, commands }
  }

  /** `$x :=`, `$x =`, and `$i, $x :=` of a range; may be absent. */
  #readTargets(what: string): Pick<Pipeline, 'variables' | 'isAssignment'> {
    const targets = this.#cursor.attempt(() => this.#tryTargets(what === 'range' ? 2 : 1))
    if (targets?.isAssignment === true) for (const name of targets.variables) this.#requireVariable(name)
    return targets ?? { variables: [], isAssignment: false }
  }

  #tryTargets(countMax: number): Pick<Pipeline, 'variables' | 'isAssignment'> | undefined {
    const cursor = this.#cursor
    const variables: string[] = []
    for (;;) {
      const variable = cursor.take()
      if (variable.kind !== 'variable') return undefined
      variables.push(variable.text)
      cursor.skipSpace()
      const operator = cursor.take()
      if (operator.kind === ':=' || operator.kind === '=') return { variables, isAssignment: operator.kind === '=' }
      if (operator.kind !== ',' || variables.length >= countMax) return undefined
      cursor.skipSpace()
    }
  }

  #readCommand(isPiped: boolean): Command {
    const cursor = this.#cursor
    const operands: Operand[] = []
    do {
      operands.push(this.#readOperand())
      if (cursor.peek().kind !== 'space') break
      cursor.skipSpace()
    } while (!['|', ')', 'close'].includes(cursor.peek().kind))
    if (isPiped && VALUES.includes((operands[0] as Operand).kind)) {
      throw cursor.error('a value cannot be piped into a value; expected a function')
    }
    return operands
  }

  #readOperand(): Operand {
    const cursor = this.#cursor
    const operand = this.#readTerm()
    const names: string[] = []
    while (cursor.peek().kind === 'field') names.push(cursor.take().text)
    const [first] = names
    if (operand.kind === 'variable' && operand.name === '$' && first !== undefined) this.#fields.add(first)
    else if (operand.kind === 'dot' || (operand.kind === 'variable' && operand.name === '$')) this.#readsAll = true
    if (first === undefined) return operand
    if (operand.kind === 'field') return { kind: 'field', names: [...operand.names, ...names] }
    if (operand.kind === 'variable') return { ...operand, names }
    if (VALUES.includes(operand.kind)) throw cursor.error(`unexpected .${shorten(first)} after a value`)
    return { kind: 'chain', operand, names }
  }

  #readTerm(): Operand {
    const token = this.#cursor.take()
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
        const pipeline = this.#cursor.nest(() => this.readPipeline(')', 'parenthesized pipeline'))
        return { kind: 'pipeline', pipeline }
      }
      default:
        throw this.#cursor.unexpected(token, 'a value')
    }
  }

  #readWord({ text, at }: Token): Operand {
    if (text === 'true' || text === 'false') return { kind: 'bool', value: text === 'true' }
    if (text === 'nil') return { kind: 'nil' }
    if (!this.#isFunction(text)) throw this.#cursor.error(`function "${shorten(text)}" not defined`, at)
    return { kind: 'function', name: text }
  }

  #readNumber({ kind, text, at }: Token): Operand {
    const number = parseNumber(text, kind === 'char')
    if (number === undefined) throw this.#cursor.error(`bad number syntax: "${shorten(text)}"`, at)
    return { kind: 'number', number }
  }

  #requireVariable(name: string): void {
    if (!this.#variables.includes(name)) throw this.#cursor.error(`undefined variable "${shorten(name)}"`)
  }
}
