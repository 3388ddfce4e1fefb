/** A position in the tokens of a template, and errors at it. */

import { lexTemplate, type Token, templateError } from './lexer.ts'

/** Maximum nesting of blocks and brackets. */
const DEPTH_MAX = 64
const SHOWN_CHARS_MAX = 64

export class TokenCursor {
  readonly #source: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(source: string) {
    this.#source = source
    this.#tokens = lexTemplate(source)
  }

  peek(): Token {
    // The last token is `end`, which is never passed.
    return this.#tokens[this.#at] as Token
  }

  take(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.#at++
    return token
  }

  skipSpace(): void {
    while (this.peek().kind === 'space') this.#at++
  }

  /** Expects the `}}` of an action without further contents. */
  expectClose(what: string): void {
    this.skipSpace()
    const token = this.take()
    if (token.kind !== 'close') throw this.unexpected(token, `"}}" of ${what}`)
  }

  /** Runs `read`, and returns to this position if its result is undefined. */
  attempt<T>(read: () => T | undefined): T | undefined {
    const start = this.#at
    const result = read()
    if (result === undefined) this.#at = start
    return result
  }

  /** Runs a recursive part of the parser. */
  nest<T>(read: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.error(`nested deeper than ${DEPTH_MAX}`)
    const result = read()
    this.#depth--
    return result
  }

  unexpected({ kind, text, at }: Token, wanted: string): Error {
    const token = kind === 'end' ? 'the end of the template' : `"${shorten(text)}"`
    return templateError(this.#source, at, `unexpected ${token}; expected ${wanted}`)
  }

  error(problem: string, at = this.peek().at): Error {
    return templateError(this.#source, at, problem)
  }
}

export function shorten(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text
}
