/** Executes a template's tree for one entry. */

import { checkArgument, constantAs } from './arguments.ts'
import { type Budget, fault, OUTPUT_CHARS_MAX } from './budget.ts'
import { formatValue } from './format-value.ts'
import type { ParamKind, RunContext, TemplateFunction } from './functions/functions.ts'
import { TIME_METHODS } from './functions/time-functions.ts'
import type { Branch, Command, Operand, Pipeline, TemplateNode, TemplateTree } from './tree.ts'
import { GoTime, type GoValue, isGoMap, isList, isTrue, typeName } from './value.ts'

/** The text of a missing value. */
const NO_VALUE = '<no value>'

/** How the execution of a list of nodes ended. */
type Flow = 'next' | 'break' | 'continue'

/**
 * The arguments of a function: `before` (the value of a method), then arguments of the command, then the piped value.
 */
interface Call {
  readonly before: readonly GoValue[]
  readonly args: readonly Operand[]
  readonly dot: GoValue
  readonly piped: readonly GoValue[]
}

interface Variable {
  readonly name: string
  value: GoValue
}

/** The output of the template for `data`. Throws query_refused if it fails or exceeds a limit. */
export function runTemplate(
  tree: TemplateTree,
  functions: ReadonlyMap<string, TemplateFunction>,
  data: GoValue,
  context: RunContext,
): string {
  return new Evaluator(tree, functions, context).run(data)
}

class Evaluator {
  readonly #tree: TemplateTree
  readonly #functions: ReadonlyMap<string, TemplateFunction>
  readonly #context: RunContext
  readonly #budget: Budget
  #variables: Variable[] = []
  #output = ''

  constructor(tree: TemplateTree, functions: ReadonlyMap<string, TemplateFunction>, context: RunContext) {
    this.#tree = tree
    this.#functions = functions
    this.#context = context
    this.#budget = context.budget
  }

  run(data: GoValue): string {
    this.#variables = [{ name: '$', value: data }]
    this.#walk(this.#tree.body, data)
    return this.#output
  }

  #walk(nodes: readonly TemplateNode[], dot: GoValue): Flow {
    for (const node of nodes) {
      this.#budget.step()
      const flow = this.#walkNode(node, dot)
      if (flow !== 'next') return flow
    }
    return 'next'
  }

  #walkNode(node: TemplateNode, dot: GoValue): Flow {
    switch (node.kind) {
      case 'text':
        this.#write(node.text)
        return 'next'
      case 'action': {
        const value = this.#evaluate(node.pipeline, dot)
        if (node.pipeline.variables.length === 0) this.#print(value)
        return 'next'
      }
      case 'template':
        this.#call(node.name, node.pipeline === undefined ? undefined : this.#evaluate(node.pipeline, dot))
        return 'next'
      case 'range':
        return this.#inScope(() => this.#range(node, dot))
      case 'if':
      case 'with':
        return this.#inScope(() => this.#branch(node, dot))
      default:
        return node.kind
    }
  }

  #write(text: string): void {
    if (this.#output.length + text.length > OUTPUT_CHARS_MAX)
      throw fault(`writes more than ${OUTPUT_CHARS_MAX} characters`)
    this.#output += text
  }

  #print(value: GoValue): void {
    this.#write(value === undefined ? NO_VALUE : formatValue(value, this.#budget))
  }

  #inScope(walk: () => Flow): Flow {
    const depth = this.#variables.length
    const flow = walk()
    this.#variables.length = depth
    return flow
  }

  #branch(node: Branch, dot: GoValue): Flow {
    const value = this.#evaluate(node.pipeline, dot)
    if (!isTrue(value)) return this.#walk(node.otherwise, dot)
    return this.#walk(node.body, node.kind === 'with' ? value : dot)
  }

  #range(node: Branch, dot: GoValue): Flow {
    const depth = this.#variables.length
    const value = this.#evaluate({ ...node.pipeline, variables: [] }, dot)
    let isEmpty = true
    for (const [key, element] of this.#elementsOf(value)) {
      this.#budget.step()
      isEmpty = false
      this.#setRangeVariables(node.pipeline, key, element)
      const flow = this.#walk(node.body, element)
      this.#variables.length = depth
      if (flow === 'break') break
    }
    return isEmpty ? this.#walk(node.otherwise, dot) : 'next'
  }

  *#elementsOf(value: GoValue): Iterable<readonly [key: GoValue, element: GoValue]> {
    if (isList(value)) {
      for (const [index, element] of value.entries()) yield [BigInt(index), element]
    } else if (typeof value === 'bigint') {
      for (let index = 0n; index < value; index++) yield [index, index]
    } else if (value !== undefined) {
      if (!isGoMap(value)) throw fault(`ranges over a value of type ${typeName(value)}`)
      yield* value.entries()
    }
  }

  /** One variable gets the element, two get the key and the element. */
  #setRangeVariables({ variables, isAssignment }: Pipeline, key: GoValue, element: GoValue): void {
    const [first, second] = variables
    if (first === undefined) return
    this.#set(first, second === undefined ? element : key, isAssignment)
    if (second !== undefined) this.#set(second, element, isAssignment)
  }

  #set(name: string, value: GoValue, isAssignment: boolean): void {
    if (isAssignment) this.#find(name).value = value
    else this.#variables.push({ name, value })
  }

  #find(name: string): Variable {
    const variable = this.#variables.findLast((candidate) => candidate.name === name)
    if (variable === undefined) throw fault('reads a variable that is not set here')
    return variable
  }

  #call(name: string, data: GoValue): void {
    const body = this.#tree.definitions.get(name)
    if (body === undefined) throw fault('calls a template that is not defined')
    this.#budget.enterCall()
    const variables = this.#variables
    this.#variables = [{ name: '$', value: data }]
    this.#walk(body, data)
    this.#variables = variables
    this.#budget.leaveCall()
  }

  #evaluate(pipeline: Pipeline, dot: GoValue): GoValue {
    const [first, ...others] = pipeline.commands
    let value = this.#runCommand(first as Command, dot, [])
    for (const command of others) value = this.#runCommand(command, dot, [value])
    for (const name of pipeline.variables) this.#set(name, value, pipeline.isAssignment)
    return value
  }

  /** `piped` is the result of the previous command, passed as the last argument. */
  #runCommand([first, ...args]: Command, dot: GoValue, piped: readonly GoValue[]): GoValue {
    this.#budget.step()
    // A command has at least one operand.
    const operand = first as Operand
    const call = { before: [], args, dot, piped }
    if (operand.kind === 'function') return this.#runFunction(operand.name, call)
    if (operand.kind === 'chain' || operand.kind === 'variable' || operand.kind === 'field') {
      return this.#select(this.#baseOf(operand, dot), operand.names, call)
    }
    if (args.length + piped.length > 0) throw fault('gives arguments to something that is not a function')
    if (operand.kind === 'nil') throw fault('uses nil as a command')
    return this.#valueOf(operand, dot)
  }

  #runFunction(name: string, call: Call): GoValue {
    if (name === 'and' || name === 'or') return this.#runLogic(name, call)
    const made = this.#functions.get(name)
    if (made === undefined) throw fault('calls a function that is not defined')
    return this.#invoke(name, made, call)
  }

  /** Stops at the first argument that decides, and returns it. */
  #runLogic(name: 'and' | 'or', { args, dot, piped }: Call): GoValue {
    if (args.length + piped.length === 0) throw fault(`calls ${name} without arguments`)
    let value: GoValue
    for (const arg of args) {
      value = this.#valueOf(arg, dot)
      if (isTrue(value) === (name === 'or')) return value
    }
    return piped.length > 0 ? piped[0] : value
  }

  #invoke(name: string, { params, rest, call }: TemplateFunction, { before, args, dot, piped }: Call): GoValue {
    const count = before.length + args.length + piped.length
    if (rest === undefined ? count !== params.length : count < params.length) {
      throw fault(`calls ${name} with ${count - before.length} arguments; expected ${params.length - before.length}`)
    }
    const kindAt = (index: number): ParamKind => params[index] ?? rest ?? 'any'
    const values: GoValue[] = [...before]
    for (const arg of args)
      values.push(checkArgument(this.#valueOf(arg, dot, kindAt(values.length)), kindAt(values.length), name))
    for (const value of piped) values.push(checkArgument(value, kindAt(values.length), name))
    // Functions on texts take time in proportion to their length.
    for (const value of values) if (typeof value === 'string') this.#budget.spend(value.length)
    return call(values, this.#context)
  }

  /** A constant is converted to the expected kind if possible. */
  #valueOf(operand: Operand, dot: GoValue, wanted: ParamKind = 'any'): GoValue {
    this.#budget.step()
    switch (operand.kind) {
      case 'dot':
        return dot
      case 'nil':
        return undefined
      case 'bool':
      case 'string':
        return operand.value
      case 'number':
        return constantAs(operand.number, wanted)
      case 'function':
        return this.#runFunction(operand.name, { before: [], args: [], dot, piped: [] })
      case 'pipeline':
        return this.#evaluate(operand.pipeline, dot)
      default:
        return this.#select(this.#baseOf(operand, dot), operand.names, { before: [], args: [], dot, piped: [] })
    }
  }

  #baseOf(operand: Extract<Operand, { kind: 'field' | 'variable' | 'chain' }>, dot: GoValue): GoValue {
    if (operand.kind === 'field') return dot
    return operand.kind === 'variable' ? this.#find(operand.name).value : this.#valueOf(operand.operand, dot)
  }

  /** Selects fields one by one; only the last may be a method with arguments. */
  #select(base: GoValue, names: readonly string[], call: Call): GoValue {
    const isCall = call.args.length + call.piped.length > 0
    if (names.length === 0 && isCall) throw fault('gives arguments to something that is not a function')
    let value = base
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1
      const method = value instanceof GoTime ? TIME_METHODS.get(name) : undefined
      const { args, piped } = isLast ? call : { args: [], piped: [] }
      if (method !== undefined) value = this.#invoke(name, method, { before: [value], args, dot: call.dot, piped })
      else if (isLast && isCall) throw fault('gives arguments to a field that is not a method')
      else value = fieldOf(value, name)
    }
    return value
  }
}

function fieldOf(value: GoValue, name: string): GoValue {
  if (value === undefined) return undefined
  if (isGoMap(value)) return value.get(name)
  throw fault(`reads field ${name} of a value of type ${typeName(value)}`)
}
